"""The command `rollbook` with a small ASGI application under /asgi: `Server(..., program=MOUNTED)` runs it."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from rollbook import app
from rollbook.cli import main as command

MOUNTED = "tests.http.mounted"
LIMIT = 20_000_000


class Small:
    """Each path below the mount does something that an application may do."""

    def __init__(self, services: object) -> None:
        pass

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        # What only tasks have; anyio cannot do without.
        async with asyncio.timeout(60):
            await getattr(self, scope["path"].removeprefix(scope["root_path"]).strip("/") or "seen")(scope, receive, send)

    async def _live(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        scope["state"]["started"] = True
        await send({"type": "lifespan.startup.complete"})
        await receive()
        _note("shutdown")
        await send({"type": "lifespan.shutdown.complete"})

    async def seen(self, scope: Any, receive: Any, send: Any) -> None:
        principal = scope["state"].pop("principal")
        body = json.dumps(
            {
                **{name: scope[name] for name in ("method", "path", "root_path", "scheme", "state")},
                "query": scope["query_string"].decode(),
                "accept": dict(scope["headers"]).get(b"accept", b"").decode(),
                "user_id": principal.user_id,
                "body": (await _body(receive)).decode(),
            }
        ).encode()
        fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), (b"x-own", b"1")]
        await send({"type": "http.response.start", "status": 203, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    async def empty(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    async def echo(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (message := await receive())["type"] == "http.request":
            await send({"type": "http.response.body", "body": message["body"], "more_body": message["more_body"]})
            if not message["more_body"]:
                break

    async def size(self, scope: Any, receive: Any, send: Any) -> None:
        size = 0
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            size += len(message["body"])
        if message["type"] != "http.request":
            return
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"%d" % size})

    async def events(self, scope: Any, receive: Any, send: Any) -> None:
        fields = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await _body(receive)
        left = asyncio.ensure_future(receive())
        try:
            while not left.done():
                await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
                await asyncio.wait([left], timeout=0.05)
            _note(f"left {left.result()['type']}")
        finally:
            left.cancel()

    async def flood(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        sent = 0
        try:
            while True:
                await send({"type": "http.response.body", "body": bytes(10_000), "more_body": True})
                sent += 1
        finally:
            _note(f"sent {sent}")

    async def deaf(self, scope: Any, receive: Any, send: Any) -> None:
        """Takes no notice of a client that has left."""
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        try:
            await asyncio.sleep(50)
        finally:
            _note("cancelled")

    async def raises(self, scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("broken promise")

    async def nothing(self, scope: Any, receive: Any, send: Any) -> None:
        pass

    async def splits(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nSet-Cookie: b=c")]})
        await send({"type": "http.response.body", "body": b"x"})

    async def late(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await asyncio.sleep(0.05)
        raise RuntimeError("broken promise")


async def _body(receive: Any) -> bytes:
    found = b""
    while (message := await receive())["type"] == "http.request":
        found += message["body"]
        if not message["more_body"]:
            break
    return found


def _note(word: str) -> None:
    with open(os.environ["NOTED"], "a") as file:
        file.write(word + "\n")


def main() -> None:
    app.MOUNTS.append(app.Mounted("/asgi", "users:read", Small, ("GET", "POST"), LIMIT))
    command.main()


if __name__ == "__main__":
    main()
