"""How results become responses: JSON bodies, entity tags, created resources."""

from __future__ import annotations

from typing import Any

import msgspec

from rollbook import clock
from rollbook.api import types
from rollbook.http.request import Request
from rollbook.http.response import JSON, PRIVATE, Response
from rollbook.records.events import Event

encode = msgspec.json.Encoder().encode
_JSON_HEAD = JSON + PRIVATE


def answer(status: int, content: Any, head: bytes = b"") -> Response:
    return Response(status, _JSON_HEAD + head, encode(content))


def answer_json(status: int, body: bytes, head: bytes = b"") -> Response:
    """For what is JSON already."""
    return Response(status, _JSON_HEAD + head, body)


def created(location: str, response: Response) -> Response:
    """201 with the address of what was made (RFC 9110 section 15.3.2)."""
    return Response(201, response.head + f"Location: {location}\r\n".encode(), response.body)


def no_content(_: Any) -> Response:
    return Response(204, PRIVATE)


def etag(version: int) -> bytes:
    """A user's version as a strong entity tag (RFC 9110 section 8.8.3)."""
    return b'ETag: "%d"\r\n' % version


def not_modified(request: Request, version: int) -> bool:
    """Whether the caller already has this version (If-None-Match, compared weakly: RFC 9110 section 13.1.2)."""
    given = request.headers.get(b"if-none-match")
    if given is None:
        return False
    tags = [tag.strip().removeprefix(b"W/") for tag in given.split(b",")]
    return b'"%d"' % version in tags or b"*" in tags


def event_shown(event: Event) -> types.Event:
    return types.Event(
        event.id,
        event.type,
        clock.format_time(event.created_at),
        event.user_id,
        types.EventActor(*event.actor),
        msgspec.Raw(event.object.encode()),
        None if event.before is None else msgspec.Raw(event.before.encode()),
    )
