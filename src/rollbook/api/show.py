"""Parts of responses that several nouns have: JSON bodies, entity tags, links, created resources, and the types of
cursors and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Struct, UnsetType

from rollbook.actions.arguments import Time
from rollbook.actions.checking import time_text
from rollbook.actions.context import ListPage
from rollbook.api.call import Call
from rollbook.api.files import File
from rollbook.http.coding import known_tag
from rollbook.http.request import JSON, LOCKED, PRIVATE, Response, Stream, line
from rollbook.records import examples
from rollbook.records.examples import REQUEST_ID
from rollbook.schemas import Schema, array, reference, says, uri

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

    def show(call: Call, items: ListPage[Any]) -> Response:
        return answer(200, [shown(item) for item in items.items], total(items.total))

    return show


def unless_known(call: Call, version: int) -> Response | None:
    """304 for a caller who has this version already."""
    request = call.request
    if b"if-none-match" in request.headers and (tag := known_tag(request, str(version))) is not None:
        return Response(304, line("ETag", f'"{tag}"'))
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
    parameters = {name: getattr(call.query, name) for name in call.query.__struct_fields__ if name != "wait"} | instead
    query = "&".join(
        f"{name}={quote(text(value), safe=',*:/')}" for name, value in parameters.items() if value is not None
    )
    return f'Link: <{call.services.base_url(call.request)}{path}?{query}>; rel="next"\r\n'.encode()


def text(value: Any) -> str:
    """The value of a parameter as it is asked for."""
    if isinstance(value, Time):
        return time_text(value)
    return (
        str(value).lower() if isinstance(value, bool) else ",".join(value) if isinstance(value, tuple) else str(value)
    )


def event_position(position: int) -> bytes:
    return b"Event-Position: %d\r\n" % position


def total(number: int) -> bytes:
    return b"X-Total-Count: %d\r\n" % number


def created(call: Call, path: str, response: Response) -> Response:
    """201 with the URL of what was made (RFC 9110 section 15.3.2)."""
    return Response(
        201, response.head + f"Location: {call.services.base_url(call.request)}{path}\r\n".encode(), response.body
    )


class Cursor(str):
    """The start of a page, taken from a `Link` header. Opaque."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 1, "maxLength": 2048, "pattern": "^[A-Za-z0-9_-]+$"}


LISTS = frozenset(("ids", "sort", "fields", "type", "metadata"))
"""Parameters that may be repeated, also as `ids[]` or `ids[0]`, instead of separating values by commas: some clients
can write lists in no other way."""


class ErrorDetail(Struct, frozen=True):
    """One problem with a request."""

    param: Annotated[str, says("The query parameter, header or field of the body that is invalid.", examples=["email"])]
    message: Annotated[str, says("What is wrong with it.")]


class ErrorResponse(Struct, frozen=True, omit_defaults=True):
    """An error. `error` is for people, `code` for programs. Use `request_id` to find the request in the server's
    log."""

    error: Annotated[str, says("What went wrong, for people.", examples=["Email address is already in use."])]
    code: Annotated[str, reference("ErrorCode")]
    request_id: Annotated[
        str, says("ID of the request, also in `X-Request-Id` and in the server's log.", examples=[REQUEST_ID])
    ]
    doc_url: Annotated[str, uri("The documentation of this error.")]
    param: (
        Annotated[str, says("The query parameter, header or field of the body that is invalid.", examples=["email"])]
        | UnsetType
    ) = UNSET
    errors: (
        Annotated[
            tuple[ErrorDetail, ...],
            array("Everything that is wrong with the request, as far as it fits into 4 KiB.", 100),
        ]
        | UnsetType
    ) = UNSET
    challenge: (
        Annotated[
            str,
            says(
                "With `second_factor_required`: what to send to `verify-challenge` together with a code.",
                examples=[examples.CHALLENGE],
            ),
        ]
        | UnsetType
    ) = UNSET


class Problem(ErrorResponse, frozen=True, kw_only=True, omit_defaults=True):
    """An error as problem details (RFC 9457), for clients that send `Accept: application/problem+json`."""

    type: Annotated[
        str, uri("The documentation of this error.", examples=["https://api.example.com/docs/errors/not_found"])
    ]
    title: Annotated[str, says("The status as text.", examples=["Not Found"])]
    status: Annotated[int, says("The HTTP status.", minimum=400, maximum=599, format="int32")]
    detail: Annotated[str, says("What went wrong, for people.", examples=["Email address is already in use."])]
    instance: Annotated[str, says("This occurrence of the error.")]
