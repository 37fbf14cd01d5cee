"""Parts of responses that several nouns have: JSON bodies, entity tags, links, created resources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec

from rollbook import clock
from rollbook.actions.arguments import Time
from rollbook.actions.context import ListPage
from rollbook.api.call import Call
from rollbook.api.files import File
from rollbook.http.coding import known_tag
from rollbook.http.request import JSON, LOCKED, PRIVATE, Response, Stream, line

encode = msgspec.json.Encoder().encode
JSON_HEAD = JSON + PRIVATE


def answer(status: int, content: Any, head: bytes = b"") -> Response:
    return Response(status, JSON_HEAD + head, encode(content))


def nothing(call: Call, result: None) -> Response:
    return Response(204, PRIVATE)


def accepted(call: Call, result: None) -> Response:
    return Response(202, LOCKED + PRIVATE)


def page(shown: Callable[[Any], Any]) -> Callable[[Call, ListPage[Any]], Response]:
    """A list of items that are counted, each as `shown` shows it."""

    def show(call: Call, found: ListPage[Any]) -> Response:
        return answer(200, [shown(each) for each in found.items], total(found.total))

    return show


def unless_known(call: Call, version: int) -> Response | None:
    """304 for a caller who has this version already."""
    request = call.request
    if b"if-none-match" in request.headers and (known := known_tag(request, str(version))) is not None:
        return Response(304, line("ETag", f'"{known}"'))
    return None


def for_people(document: bytes) -> bytes:
    """JSON, indented."""
    return msgspec.json.format(document, indent=2)


def pretty(text: str) -> str:
    """Indented, where it is JSON that is not nested too deeply to be read."""
    try:
        return for_people(text.encode()).decode()
    except (msgspec.DecodeError, RecursionError):
        return text


def etag(version: int) -> bytes:
    """A version as a strong entity tag (RFC 9110 section 8.8.3)."""
    return b'ETag: "%d"\r\n' % version


def file(file: File, head: bytes = b"") -> Response:
    return Response(200, LOCKED + PRIVATE + line("Content-Type", file.content_type) + head, stream=Stream(file.parts))


def goes_on(call: Call) -> str:
    """The parameter that says where the next page of a log begins."""
    return "after" if call.query.order == "asc" else "before"


def next_page(call: Call, path: str, **instead: Any) -> bytes:
    """The header `Link` to the next page: the same query, but for these parameters, and without waiting."""
    asked = {name: getattr(call.query, name) for name in call.query.__struct_fields__ if name != "wait"} | instead
    query = "&".join(f"{name}={quote(text(value), safe=',*:/')}" for name, value in asked.items() if value is not None)
    return f'Link: <{call.services.base_url(call.request)}{path}?{query}>; rel="next"\r\n'.encode()


def text(value: Any) -> str:
    """The value of a parameter as it is asked for."""
    if isinstance(value, Time):
        return clock.format_time_exactly(value)
    return ",".join(value) if isinstance(value, tuple) else str(value)


def event_position(position: int) -> bytes:
    return b"Event-Position: %d\r\n" % position


def total(number: int) -> bytes:
    return b"X-Total-Count: %d\r\n" % number


def created(call: Call, path: str, response: Response) -> Response:
    """201 with the URL of what was made (RFC 9110 section 15.3.2)."""
    return Response(
        201, response.head + f"Location: {call.services.base_url(call.request)}{path}\r\n".encode(), response.body
    )
