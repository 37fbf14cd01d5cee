"""A form with a file: its fields, and the file as a stream, however large it is (multipart/form-data, RFC 7578)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from rollbook.errors import BadRequest, UnsupportedMediaType
from rollbook.http.request import Request
from rollbook.web.page_request import MAX_FIELDS

if TYPE_CHECKING:
    from multipart import MultipartSegment

    Events = AsyncGenerator[MultipartSegment | bytes | bytearray | None, None]

MAX_TEXT = 65_536
"""Bytes of all fields other than the file."""


class Upload(NamedTuple):
    fields: dict[str, str]
    filename: str
    """Empty where no file was chosen."""
    file: AsyncGenerator[bytes, None]
    """Its parts as they arrive."""


async def receive(request: Request) -> Upload:
    """Read the form up to its file, which must be the last field. Raises BadRequest, UnsupportedMediaType."""
    # Imported here: only few servers ever need it.
    from multipart import MultipartSegment

    events = _events(request)
    fields: dict[str, str] = {}
    name, value, size = "", bytearray(), 0
    async for event in events:
        if isinstance(event, MultipartSegment):
            if event.filename is not None:
                return Upload(fields, event.filename, _file(events))
            name, value = event.name or "", bytearray()
        elif event is None:
            fields[name] = _text(value)
        else:
            size += len(event)
            if size > MAX_TEXT:
                raise BadRequest("The fields of the form are too long.")
            value += event
    raise BadRequest("The form has no file.")


async def _events(request: Request) -> Events:
    """Events of the parser: the head of each field, the parts of its value, None at its end."""
    from multipart import MultipartError, PushMultipartParser, parse_options_header

    kind, options = parse_options_header(request.headers.get(b"content-type", b"").decode("latin-1"))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise UnsupportedMediaType("Forms with a file must be sent as multipart/form-data.")
    try:
        with PushMultipartParser(options["boundary"], max_segment_count=MAX_FIELDS, strict=True) as parser:
            async with aclosing(request.chunks()) as chunks:
                async for chunk in chunks:
                    for event in parser.parse(chunk):
                        yield event
    except MultipartError:
        raise BadRequest("The form is not valid multipart/form-data.") from None


async def _file(events: Events) -> AsyncGenerator[bytes, None]:
    """The rest of the form, to its end: what comes after the file is left out."""
    is_over = False
    async with aclosing(events):
        async for event in events:
            is_over = is_over or event is None
            if not is_over and isinstance(event, (bytes, bytearray)):
                yield bytes(event)


def _text(value: bytearray) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise BadRequest("A field is not valid UTF-8.") from None
    if "\0" in text:
        raise BadRequest("A field contains a NUL character.")
    return text
