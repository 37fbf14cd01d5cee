"""The event log: every change, in the order of commits.

The audit log: the event log, newest first, searched by who, what, when and from where, and exported.

Users as they were at an earlier time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from functools import partial
from ipaddress import ip_address
from typing import Any, NamedTuple

from rollbook import clock, ids, units
from rollbook.actions import arguments
from rollbook.actions.arguments.events import AuditFilters, FollowEvents, ListEvents
from rollbook.actions.checking import check_range, refuse, text_hook
from rollbook.actions.context import Rollbook
from rollbook.actions.event_feeds import Feed
from rollbook.actions.exporting import Turn, take_turn
from rollbook.actions.permissions import known, require, require_proof, whom
from rollbook.actions.principal import Principal
from rollbook.config import Settings
from rollbook.errors import NotFound, NotInLog, PositionExpired
from rollbook.records import event_types, events, rules, user_history, user_list, users
from rollbook.records.events import Event, EventPage, Selection
from rollbook.records.user_history import Moment, UserAsOf
from rollbook.records.user_list.query import ANY, Query
from rollbook.records.users import User
from rollbook.roles import APPLICATION
from rollbook.storage.database import Queries

MAX_PARTS = 5
"""Parts of `events.MAX_SEARCHED` events that one page looks through, a million events in all. Then it is said how far
back it searched, and the next page goes on from there."""
BATCH = 256
"""Events per read of an export."""
NAMESAKES = 100
"""Applications whose names are compared with one that is asked for."""
INSIDE = ("cli", "system")
"""Placeholder for the address of the command line and of the server itself."""


class FoundEvents(NamedTuple):
    """A page of events, newest first."""

    events: list[Event]
    older: int | None
    """The number before which the next page begins. None: there are no others."""
    newer: int | None
    """The number after which the page before begins. None: there are no others."""
    searched_to: int | None
    """The time up to which was searched, where the page ends early."""
    rest: int | None = None
    """The number before which others of the import or bulk job come that the page ends with, and `older` leaves out."""


async def get(on: Rollbook, by: Principal, id: str) -> Event:
    """Get an event

    Returns the event as it is in lists. Fails with 404 if it is older than the setting `event_retention`.
    """
    require(by, "events:read")
    await events.settle(on.db)
    event = await on.read(events.find, known("evt", id))
    if event is None:
        raise NotFound("The event log has no event with this ID. It may be older than the retention period.")
    return event


async def search(
    on: Rollbook, by: Principal, filters: AuditFilters, limit: int, before: int | None = None, after: int | None = None
) -> FoundEvents:
    """The newest events that match; or those before or after the event with a number. Without filters, the next page
    begins behind the import or bulk job that this one ends with. Raises InvalidParameter.
    """
    require(by, "events:read")
    selection = await _audit_selection(on, by, filters)
    await events.settle(on.db)
    if after is not None:
        batch, newer, _ = await _collect(on, selection._replace(after=after), limit, newest_first=False)
        if newer is not None and (job := _job_at_end(filters, batch)):
            newer = await on.read_aside(events.after_job, job, newer)
        return FoundEvents(batch[::-1], batch[0].seq if batch else after + 1, newer, None)
    if before is not None:
        selection = selection._replace(before=before)
    batch, older, is_cut = await _collect(on, selection, limit, newest_first=True)
    searched_to = await on.read(events.time_at, older) if is_cut else None
    newer, rest = None if before is None else batch[0].seq if batch else before - 1, None
    if older is not None and (job := _job_at_end(filters, batch)):
        beyond = await on.read_aside(events.before_job, job, older)
        older, rest = beyond, older if beyond != older else None
    return FoundEvents(batch, older, newer, searched_to, rest)


def _job_at_end(filters: AuditFilters, batch: list[Event]) -> str:
    """The import or bulk job of the last of these events; "" if none did it, or events are filtered."""
    id = batch[-1].actor.request_id if batch and filters == AuditFilters() else None
    return id if id and id.startswith(("imp_", "job_")) else ""


async def _collect(
    on: Rollbook, selection: Selection, limit: int, newest_first: bool
) -> tuple[list[Event], int | None, bool]:
    """Up to `limit` events, from as many parts of the log as a page may look through; where the next page goes on; and
    whether events before that were not searched."""
    matches: list[Event] = []
    at: int | None = None
    for _ in range(MAX_PARTS):
        page = await on.read_aside(partial(events.page, newest_first=newest_first), selection, limit - len(matches))
        matches += page.events
        if not page.more:
            return matches, None, False
        if page.searched_to is None:
            return matches, matches[-1].seq, False
        at = page.searched_to
        if len(matches) == limit:
            break
        selection = selection._replace(before=at) if newest_first else selection._replace(after=at)
    return matches, at, True


async def export(on: Rollbook, by: Principal, filters: AuditFilters) -> AsyncGenerator[list[Event], None]:
    """All events that match and are in the log by now, oldest first. You can run one export at a time. Raises
    InvalidParameter, ProofRequired, ExportRunning."""
    require(by, "events:read")
    require_proof(by)
    selection = await _audit_selection(on, by, filters)
    newest = await events.newest(on.db)
    return _all(on, take_turn(on, by, "events:read"), selection._replace(before=newest + 1))


async def _all(on: Rollbook, turn: Turn, selection: Selection) -> AsyncGenerator[list[Event], None]:
    more = True
    try:
        while more:
            await turn.check()
            page = await on.read_aside(events.page, selection, BATCH)
            if page.events:
                yield page.events
            selection, more = selection._replace(after=page.position), page.more
    finally:
        turn.end()


# ---- the filters


async def _audit_selection(on: Rollbook, by: Principal, filters: AuditFilters) -> Selection:
    check_range(filters.created_after, filters.created_before)
    for pattern in filters.types:
        if not event_types.is_pattern(pattern):
            refuse("types", "must be types of events, or groups such as user.*")
    is_key = filters.actor is not None and ids.is_id("key", filters.actor)
    return Selection(
        event_types.selected(filters.types) if filters.types else None,
        await person(on, by, "user", filters.user),
        created_after=filters.created_after,
        created_before=filters.created_before,
        actor=filters.actor if is_key else await person(on, by, "actor", filters.actor),
        address=None if filters.address is None else address(filters.address),
    )


async def person(on: Rollbook, by: Principal, param: str, named: str | None) -> str | None:
    """The ID of a user who is named by it, by their email or, an application, by its name. That of an erased user is
    still in the log."""
    if named is None or ids.is_id("user", named):
        return named
    require(by, "users:read")
    if "@" not in named:
        return await _application(on, param, named)
    user = await users.by_email(on.db, named)
    if user is None:
        refuse(param, "must be the email of a user; use the ID for users who were deleted")
    return user.id


async def _application(on: Rollbook, param: str, named: str) -> str:
    """The ID of the one application with this name. Raises InvalidParameter."""
    page = await user_list.page(on.db, Query(ANY._replace(kind=APPLICATION, q=named), limit=NAMESAKES))
    same = [user.id for user in map(User._make, page.rows) if rules.fold(user.name) == rules.fold(named)]
    if len(same) > 1:
        refuse(param, "must be an ID: more than one application has this name")
    if not same:
        key = ", or a key ID" if param == "actor" else ""
        refuse(param, f"must be a user ID, which begins with user_, an email, or the name of an application{key}")
    return same[0]


def address(text: str) -> str:
    """Return an address in the form of the log. Raises InvalidParameter."""
    if text in INSIDE:
        return text
    try:
        ip = ip_address(text)
    except ValueError:
        ip = None
    if ip is None or "%" in text:
        refuse("address", "must be an IP address such as 203.0.113.7, cli or system")
    return str(ip)


Waiting = Callable[[Callable[[], None]], AbstractContextManager[Any]]
"""Context of a call while it waits. It is told what to call when the client leaves."""


async def list_events(on: Rollbook, by: Principal, query: ListEvents, waiting: Waiting = nullcontext) -> EventPage:
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
    check_range(query.created_after, query.created_before)
    await events.settle(on.db)
    selection = _selection(by, query)._replace(created_after=query.created_after, created_before=query.created_before)
    if query.wait and query.order == "desc":
        refuse("wait", "and order=desc can't be combined")
    page = await (on.read if selection.is_indexed else on.read_aside)(_page, selection, query)
    if query.wait and not page.events and not page.more:
        with closing(on.feeds.add(by, selection, page.position, page.position)) as feed, waiting(feed.close):
            page = await _next_page(feed, page, query)
    return page


async def _next_page(feed: Feed, page: EventPage, query: ListEvents) -> EventPage:
    """The first that is not empty, or an empty one when the time is over."""
    now = asyncio.get_running_loop().time
    until = now() + query.wait
    while not page.events and (left := until - now()) > 0 and await feed.wait(left) and not feed.is_closed:
        page = await feed.page(query.limit)
    return page


async def follow_events(on: Rollbook, by: Principal, query: FollowEvents, last: str | None = None) -> Feed:
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
    selection = _selection(by, query)
    seq = newest
    if last is not None:
        seq = await on.read(events.seq_of, "Last-Event-ID", last)
    elif query.after is not None:
        seq = await on.read(events.seq_of, "after", query.after)
    return on.feeds.add(by, selection, seq, newest)


def is_log_large(settings: Settings, size: int) -> bool:
    """Test whether a log of so many bytes deserves a warning."""
    return size > settings.event_log_warning * units.MEBIBYTE


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


async def _page(queries: Queries, selection: Selection, values: ListEvents) -> EventPage:
    if values.after is not None:
        selection = selection._replace(after=await events.seq_of(queries, "after", values.after))
    if values.before is not None:
        try:
            before = await events.seq_of(queries, "before", values.before)
        except PositionExpired:  # and all that came before it
            before = 0
        selection = selection._replace(before=before)
    return await events.page(queries, selection, values.limit, newest_first=values.order == "desc")


def _selection(by: Principal, query: FollowEvents) -> Selection:
    """Raises InvalidParameter."""
    actor = query.actor and whom(by, query.actor)
    if actor is not None and not ids.is_id("user", actor) and not ids.is_id("key", actor):
        refuse("actor", "must be me, or the ID of a user or an API key")
    return Selection(
        None if query.type is None else event_types.selected(query.type),
        query.user and whom(by, query.user),
        actor=actor,
        address=None if query.address is None else address(query.address),
    )


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
