"""The event log: every change, in the order of commits."""

from __future__ import annotations

from rollbook import units
from rollbook.actions.arguments import ListEvents
from rollbook.actions.checking import refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require
from rollbook.actions.principal import Principal
from rollbook.config import Settings
from rollbook.records import event_types, events
from rollbook.records.events import EventPage


async def list_events(on: Rollbook, by: Principal, asked: ListEvents) -> EventPage:
    """List events

    Returns every change to users, API keys and sessions, in the order of commits. To follow the event log, pass the ID of the last event
    you have seen as `after`. An empty list means there is nothing new. A page ends after `limit` events or 1 MiB, but has at least one
    event if there are any. If there are more, the `Link` header has the URL of the next page.
    """
    require(by, "events:read")
    if asked.type is not None and asked.type not in event_types.TYPES:
        refuse("type", f"must be one of {', '.join(event_types.TYPES)}")
    await events.settle(on.db)
    # There is an index by type and one by user, but events of one type and one user may be few and far between.
    read = on.read if asked.type is None or asked.user is None else on.read_aside
    return await read(events.after, asked.after, asked.type, asked.user, asked.limit)


def is_log_large(settings: Settings, size: int) -> bool:
    """Whether a log of so many bytes deserves a warning."""
    return 0 < settings.event_log_warning * units.MEBIBYTE < size
