"""Events as a file for other programs: CSV (RFC 4180) for spreadsheets, NDJSON with a whole event on each line."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from rollbook import clock
from rollbook.actions.audit import EventExport
from rollbook.api import spreadsheets
from rollbook.http.response import Response
from rollbook.records import events
from rollbook.records.events import Event
from rollbook.web import page_request

COLUMNS = (
    "id",
    "type",
    "created_at",
    "user_id",
    "actor_user_id",
    "actor_key_id",
    "address",
    "request_id",
    "trace_id",
    "client",
    "key_created_by",
    "object",
    "before",
)

_encode = msgspec.json.Encoder().encode


class Kind(NamedTuple):
    ending: str
    content_type: str
    start: bytes
    part: Callable[[Iterable[Event]], bytes]


def download(export: EventExport, kind: Kind) -> Response:
    return page_request.download(
        f"rollbook-events-{page_request.minute()}.{kind.ending}", kind.content_type, _chunks(export, kind)
    )


async def _chunks(export: EventExport, kind: Kind) -> AsyncGenerator[bytes, None]:
    try:
        yield kind.start
        async with aclosing(export.events) as parts:
            async for part in parts:
                yield kind.part(part)
    finally:
        export.turn.end()


def _ndjson(part: Iterable[Event]) -> bytes:
    return b"".join([_encode(events.public(event)) + b"\n" for event in part])


def _csv(part: Iterable[Event]) -> bytes:
    return spreadsheets.rows([_cells(event) for event in part])


def _cells(event: Event) -> list[str]:
    actor = event.actor
    texts = (
        event.id,
        event.type,
        clock.format_time(event.created_at),
        event.user_id,
        actor.user_id,
        actor.key_id,
        actor.address,
        actor.request_id,
        actor.trace_id,
        actor.client,
        actor.key_created_by,
        event.object,
        event.before,
    )
    return [text or "" for text in texts]


KINDS = {
    "csv": Kind("csv", spreadsheets.CONTENT_TYPE, spreadsheets.rows([COLUMNS]), _csv),
    "ndjson": Kind("ndjson", "application/x-ndjson", b"", _ndjson),
}
"""By the name of the format."""
