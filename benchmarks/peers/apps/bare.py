"""An ASGI application that only answers: the bodies of W1 and W2 made once, no key, no limit, no database."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

ID = "user_06ck3v8sn5p7p0m4q2h1t9d6bg"
USER = {"id": ID, "name": "Anna Weber", "email": "user12345@example.com", "created_at": "2026-01-01T10:00:00Z"}
LIST = json.dumps([USER] * 20, separators=(",", ":")).encode()
ONE = json.dumps(
    USER
    | {"role": "member", "status": "active", "external_id": None, "metadata": {}, "email_verified": False}
    | {"updated_at": "2026-01-01T10:00:00Z", "last_sign_in_at": None},
    separators=(",", ":"),
).encode()


def _start(body: bytes) -> dict[str, Any]:
    fields = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return {"type": "http.response.start", "status": 200, "headers": fields}


LIST_START, LIST_BODY = _start(LIST), {"type": "http.response.body", "body": LIST}
ONE_START, ONE_BODY = _start(ONE), {"type": "http.response.body", "body": ONE}


async def app(scope: dict[str, Any], _receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    if scope["path"] == "/v1/users":
        await send(LIST_START)
        await send(LIST_BODY)
    else:
        await send(ONE_START)
        await send(ONE_BODY)
