"""The event log: every change, in the order of commits."""

from __future__ import annotations

from rollbook import units
from rollbook.actions.arguments import ListEvents
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require
from rollbook.actions.principal import Principal
from rollbook.config import Settings
from rollbook.errors import PositionExpired
from rollbook.records import event_types, events
from rollbook.records.events import EventPage, Selection
from rollbook.storage.database import Queries


async def list_events(on: Rollbook, by: Principal, asked: ListEvents) -> EventPage:
    """List events

    Returns what happened to users, API keys, sessions and webhooks, in the order of commits. To follow the event log, pass the ID of the
    last event you have seen as `after`, or the `Event-Position` of an earlier response. An empty list means there is nothing new. A page
    ends after `limit` events or 1 MiB, but has at least one event if there are any. If there are more, the `Link` header has the URL of
    the next page. If events after `after` are past their retention, returns 410.
    """
    require(by, "events:read")
    await events.settle(on.db)
    selection = Selection(
        None if asked.type is None else event_types.selected(asked.type),
        asked.user,
        created_after=asked.created_after,
        created_before=asked.created_before,
    )
    read = on.read if selection.is_indexed else on.read_aside
    return await read(_page, selection, asked)


async def _page(queries: Queries, selection: Selection, asked: ListEvents) -> EventPage:
    if asked.after is not None:
        selection = selection._replace(after=await events.place(queries, "after", asked.after))
    if asked.before is not None:
        try:
            before = await events.place(queries, "before", asked.before)
        except PositionExpired:  # and all that came before it
            before = 0
        selection = selection._replace(before=before)
    return await events.page(queries, selection, asked.limit, newest_first=asked.order == "desc")


def is_log_large(settings: Settings, size: int) -> bool:
    """Whether a log of so many bytes deserves a warning."""
    return 0 < settings.event_log_warning * units.MEBIBYTE < size
