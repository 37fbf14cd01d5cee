"""Users as they were at an earlier time."""

from __future__ import annotations

from contextlib import suppress

from rollbook import clock
from rollbook.actions import arguments
from rollbook.actions.checking import refuse, text_hook
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import known, require
from rollbook.actions.principal import Principal
from rollbook.errors import NotFound, NotInLog, PositionExpired
from rollbook.records import events, user_history
from rollbook.records.user_history import Moment, UserAsOf
from rollbook.storage.database import Queries


async def as_of(on: Rollbook, by: Principal, id: str, at: str, before: bool = False) -> UserAsOf:
    """A user as they were at a time, or after an event; `before`: or before it. What they were is in the log, so it
    takes the right to read that. Raises NotFound, NotInLog, InvalidParameter."""
    require(by, "users:read", id)
    require(by, "events:read")
    await events.settle(on.db)
    return await on.read_aside(_as_of, known("user", id), at, before)


async def _as_of(queries: Queries, id: str, at: str, before: bool) -> UserAsOf:
    return await user_history.as_of(queries, id, await _moment(queries, at, before))


async def _moment(queries: Queries, at: str, before: bool) -> Moment:
    if at.startswith("evt_"):
        event = await events.find(queries, at)
        if event is None:
            with suppress(PositionExpired):
                await events.seq_of(queries, "at", at)
                raise NotFound("This event was erased.")
            raise NotInLog()
        return Moment(event.created_at, event.seq - before)
    try:
        time = int(text_hook(arguments.Time, at))
    except ValueError:
        refuse("at", "must be an RFC 3339 time, or the ID of an event")
    if time > clock.now():
        refuse("at", "must not be in the future")
    return Moment(time)
