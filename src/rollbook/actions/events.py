"""The event log: every change, in the order of commits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any

from rollbook import ids, units
from rollbook.actions import arguments, audit
from rollbook.actions.arguments import FollowEvents, ListEvents
from rollbook.actions.checking import check_range, refuse, text_hook
from rollbook.actions.context import Rollbook
from rollbook.actions.event_feeds import Feed
from rollbook.actions.permissions import require, whom
from rollbook.actions.principal import Principal
from rollbook.config import Settings
from rollbook.errors import PositionExpired
from rollbook.records import event_types, events
from rollbook.records.events import EventPage, Selection
from rollbook.storage.database import Queries

Waiting = Callable[[Callable[[], None]], AbstractContextManager[Any]]
"""Context of a call while it waits. It is told what to call when the client leaves."""


async def list_events(on: Rollbook, by: Principal, asked: ListEvents, waiting: Waiting = nullcontext) -> EventPage:
    """List events

    Returns what happened to users, API keys, sessions and webhooks, in the order in which it was committed. To follow
    the event log, pass the ID of the last event you have seen as `after`, or the `Event-Position` of an earlier
    response. An empty list means there is nothing new. A page ends after `limit` events or 1 MiB, but has at least one
    event if there are any. If there are more, the `Link` header has the URL of the next page. With `actor` or
    `address`, or `user` and `type`, a page also ends after 200,000 events were searched, and may be empty: go on with
    the `Link`. Fails with 410 if events after `after` were deleted (setting `event_retention`). With `wait`, the server
    waits up to that many seconds for an event, and responds as soon as there is one.
    """
    require(by, "events:read")
    check_range(asked.created_after, asked.created_before)
    await events.settle(on.db)
    selection = _selection(by, asked)._replace(created_after=asked.created_after, created_before=asked.created_before)
    if asked.wait and asked.order == "desc":
        refuse("wait", "and order=desc can't be combined")
    read = on.read if selection.is_indexed else on.read_aside
    page = await read(_page, selection, asked)
    if asked.wait and not page.events and not page.more:
        with closing(on.feeds.add(by, selection, page.position, page.position)) as feed, waiting(feed.close):
            page = await _next_page(feed, page, asked)
    return page


async def _next_page(feed: Feed, page: EventPage, asked: ListEvents) -> EventPage:
    """The first that is not empty, or an empty one when the time is over."""
    now = asyncio.get_running_loop().time
    until = now() + asked.wait
    while not page.events and (left := until - now()) > 0 and await feed.wait(left) and not feed.is_closed:
        page = await feed.page(asked.limit)
    return page


async def follow_events(on: Rollbook, by: Principal, asked: FollowEvents, last: str | None = None) -> Feed:
    """Stream events

    Sends events as they happen, as server-sent events (`text/event-stream`). Without `after`, the stream starts with
    the next event. After a lost connection, send the `id` of the last message as `Last-Event-ID`, and you miss nothing;
    browsers do so on their own. A comment every 15 seconds shows that the connection is alive. If the server ends the
    stream, for example because the key was revoked, the last message has the type `end` and the error as its data. The
    stream counts as one request.
    """
    # `last` is the ID that a client with a lost connection had last. It began with `after`.
    require(by, "events:read")
    newest = await events.newest(on.db)
    selection = _selection(by, asked)
    seq = newest
    if last is not None:
        seq = await on.read(events.seq_of, "Last-Event-ID", last)
    elif asked.after is not None:
        seq = await on.read(events.seq_of, "after", asked.after)
    return on.feeds.add(by, selection, seq, newest)


def is_log_large(settings: Settings, size: int) -> bool:
    """Test whether a log of so many bytes deserves a warning."""
    return 0 < settings.event_log_warning * units.MEBIBYTE < size


async def position_before(queries: Queries, text: str) -> int:
    """The number after which to begin, so that the event, or the first one at this time, is the next. After a position,
    as always, comes what follows it. `text` is the argument `from`. Raises InvalidParameter, PositionExpired."""
    if text.startswith("evt_"):
        return await events.seq_of(queries, "from", text) - 1
    return await position_of(queries, "from", text)


async def position_of(queries: Queries, param: str, text: str) -> int:
    """The number of the event, or of the last one before this time."""
    if text.startswith("evt_") or (text.isascii() and text.isdigit()):
        return await events.seq_of(queries, param, text)
    try:
        at = text_hook(arguments.Time, text)
    except ValueError:
        refuse(param, "must be an RFC 3339 time, the ID of an event or an Event-Position")
    return await events.seq_at(queries, at)


async def _page(queries: Queries, selection: Selection, asked: ListEvents) -> EventPage:
    if asked.after is not None:
        selection = selection._replace(after=await events.seq_of(queries, "after", asked.after))
    if asked.before is not None:
        try:
            before = await events.seq_of(queries, "before", asked.before)
        except PositionExpired:  # and all that came before it
            before = 0
        selection = selection._replace(before=before)
    return await events.page(queries, selection, asked.limit, newest_first=asked.order == "desc")


def _selection(by: Principal, asked: FollowEvents) -> Selection:
    """Raises InvalidParameter."""
    actor = asked.actor and whom(by, asked.actor)
    if actor is not None and not ids.is_id("user", actor) and not ids.is_id("key", actor):
        refuse("actor", "must be me, or the ID of a user or an API key")
    return Selection(
        None if asked.type is None else event_types.selected(asked.type),
        asked.user and whom(by, asked.user),
        actor=actor,
        address=None if asked.address is None else audit.address(asked.address),
    )
