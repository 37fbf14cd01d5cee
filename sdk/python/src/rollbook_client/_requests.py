"""Requests before they are sent: queries, bodies and idempotency keys. Free of input and output."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, final
from urllib.parse import quote, urlencode


@final
class Omit:
    """The type of `OMIT`."""

    def __repr__(self) -> str:
        return "OMIT"

    def __bool__(self) -> bool:
        return False


OMIT: Final = Omit()
"""A field that is not sent, where None means null."""

MARGIN = 30.0
"""Seconds beyond what the server was asked to wait for."""


class Request(NamedTuple):
    method: str
    path: str
    """From the server's root on."""
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = {}
    content: Any = None
    """Bytes, or a stream of them, which is not sent a second time."""
    cost: int = 1
    """How many requests it counts as toward the rate limit."""
    read_timeout: float | None = None
    """Seconds between two parts of the response, where the client's timeout does not do."""

    @property
    def is_limited(self) -> bool:
        """Whether it counts toward the rate limit of the key's user."""
        return self.path.startswith("/v1/")

    @property
    def repeats(self) -> bool:
        """Whether it may be sent again though the server may have carried it out: either that changes nothing, or an
        `Idempotency-Key` says so."""
        return self.content is None or isinstance(self.content, bytes)

    def with_query(self, query: Sequence[tuple[str, str]]) -> Request:
        return self._replace(query=query)


def build(
    method: str,
    path: str,
    *,
    query: Mapping[str, Any] | None = None,
    body: Any = OMIT,
    content: Any = None,
    headers: Mapping[str, str | None] | None = None,
    idempotency_key: str | None = None,
) -> Request:
    """`query` and `headers` leave out None; `body` is JSON, objects without what is `OMIT`. Every POST gets an
    `Idempotency-Key`, kept over retries.

    Raises ValueError for a path that doesn't begin with a slash: behind the URL of the server, it could name another
    one.
    """
    if not path.startswith("/"):
        raise ValueError(f"A path begins with a slash, such as /v1/users, unlike {path!r}.")
    head = {name: value for name, value in (headers or {}).items() if value is not None}
    if not isinstance(body, Omit):
        content = encode(body)
        head.setdefault("Content-Type", "application/json")
    if method == "POST":
        head.setdefault("Idempotency-Key", idempotency_key or os.urandom(16).hex())
    wait = (query or {}).get("wait")
    patience = None if wait is None else float(wait) + MARGIN
    return Request(method, path, pairs(query or {}), head, content, _cost(path, body), patience)


def segment(text: str) -> str:
    """An ID as a segment of a path. Raises ValueError if it is empty or dots, since that would be another path."""
    if text in ("", ".", ".."):
        raise ValueError(f"Not an ID: {text!r}.")
    return quote(text, safe="")


def pairs(query: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Query parameters. An object is written as `plan:pro,team:red`, with a backslash before what would end a text."""
    found: list[tuple[str, str]] = []
    for name, value in query.items():
        if isinstance(value, Mapping):
            items = [f"{_escaped(key, ':')}:{_escaped(_text(each))}" for key, each in value.items()]
            found += [(name, ",".join(items))] if items else []
        elif value is not None:
            found.append((name, _text(value)))
    return found


def _escaped(text: str, more: str = "") -> str:
    return "".join(f"\\{each}" if each in ("\\", ",", more) else each for each in text)


def target(request: Request) -> str:
    return f"{request.path}?{urlencode(request.query)}" if request.query else request.path


def encode(body: Any) -> bytes:
    """JSON. Objects without what is `OMIT`."""
    if isinstance(body, Mapping):
        body = {name: value for name, value in body.items() if not isinstance(value, Omit)}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return _text(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


def _text(value: Any) -> str:
    """How a value is written in a query. Raises ValueError for a time without a zone, which could mean any."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone. Use datetime.now(timezone.utc), for example.")
        return value.isoformat()
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return ",".join(_text(each) for each in value)
    return str(value)


def _cost(path: str, body: Any) -> int:
    """A bulk call counts as its operations."""
    if path.endswith("/bulk") and isinstance(body, Mapping):
        operations = body.get("operations")
        return max(1, len(operations)) if isinstance(operations, Sequence) else 1
    return 1
