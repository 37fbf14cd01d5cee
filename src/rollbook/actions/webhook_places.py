"""Places in the event log that callers name: an event, a position or a time."""

from __future__ import annotations

from rollbook.actions import arguments
from rollbook.actions.checking import refuse, text_hook
from rollbook.records import events
from rollbook.storage.database import Queries


async def place_before(queries: Queries, text: str) -> int:
    """The number after which to begin, so that the event, or the first one at this time, is the next. After a position,
    as always, comes what follows it. `text` is the argument `from`. Raises InvalidParameter, PositionExpired."""
    if text.startswith("evt_"):
        return await events.place(queries, "from", text) - 1
    return await place_of(queries, "from", text)


async def place_of(queries: Queries, param: str, text: str) -> int:
    """The number of the event, or of the last one before this time."""
    if text.startswith("evt_") or (text.isascii() and text.isdigit()):
        return await events.place(queries, param, text)
    try:
        at = text_hook(arguments.Time, text)
    except ValueError:
        refuse(param, "must be an RFC 3339 time, the ID of an event or an Event-Position")
    return await events.place_at(queries, at)
