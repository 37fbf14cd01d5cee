"""The audit log: the event log, newest first, searched by who, what, when and from where, and exported."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from ipaddress import ip_address
from typing import NamedTuple

from rollbook import ids
from rollbook.actions.arguments import AuditFilters
from rollbook.actions.checking import refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.exporting import Turn, take_turn
from rollbook.actions.permissions import known, require
from rollbook.actions.principal import Principal
from rollbook.errors import NotFound
from rollbook.records import event_search, event_types, events, users
from rollbook.records.event_search import Filters, Part
from rollbook.records.events import Event

MAX_WINDOWS = 50
"""Parts of the log that one page looks through, a million events in all. Then it is said how far back it searched, and the next page goes on from there."""
AT_ONCE = 16
"""Events per read: large ones would hold up other requests."""
INSIDE = ("cli", "system")
"""What stands for the address of the command line and of the server itself."""


class Found(NamedTuple):
    """A page of events, newest first."""

    events: list[Event]
    older: int | None
    """The number before which the next page begins. None: there are no others."""
    newer: int | None
    """The same for those after it."""
    searched_to: int | None
    """The time up to which was searched, where the page ends early."""


class Export(NamedTuple):
    events: AsyncGenerator[list[Event], None]
    """Oldest first."""
    turn: Turn


async def get(on: Rollbook, by: Principal, id: str) -> Event:
    """One event. Raises NotFound."""
    require(by, "events:read")
    await events.settle(on.db)
    found = await on.read(event_search.find, known("evt", id))
    if found is None:
        raise NotFound("The event log has no event with this ID. It may be older than the retention period.")
    return found


async def search(
    on: Rollbook, by: Principal, asked: AuditFilters, limit: int, before: int | None = None, after: int | None = None
) -> Found:
    """The newest events that match; or those before or after the event with a number. Raises InvalidParameter."""
    require(by, "events:read")
    filters = await _filters(on, by, asked)
    await events.settle(on.db)
    first, end = await on.read(event_search.ends, filters)
    if after is not None:
        found, rest = await _collect(on, event_search.newer, filters, max(after, first - 1), end, limit)
        return Found(found[::-1], found[0].seq if found else after + 1, rest, None)
    start = end if before is None else min(before, end)
    found, rest = await _collect(on, event_search.older, filters, start, first, limit)
    is_cut = rest is not None and len(found) < limit
    searched_to = await on.read(event_search.time_at, rest) if is_cut else None
    return Found(found, rest, None if before is None else found[0].seq if found else start - 1, searched_to)


async def _collect(
    on: Rollbook, read: Callable[..., Awaitable[Part]], filters: Filters, at: int, end: int, limit: int
) -> tuple[list[Event], int | None]:
    """Up to `limit` events, from as many windows as a page may look through, and where the next page goes on."""
    found: list[Event] = []
    windows = size = 0
    while windows < MAX_WINDOWS and size < events.MAX_SIZE:
        # One more than a page has: whether there is a next one.
        wanted = min(AT_ONCE, limit + 1 - len(found))
        part = await on.read_aside(read, filters, at, end, wanted)
        found += part.events
        if len(found) > limit:
            return found[:limit], found[limit - 1].seq
        if part.next is None:
            return found, None
        at = part.next
        size += sum(event.size for event in part.events)
        windows += len(part.events) < wanted
    return found, at


async def export(on: Rollbook, by: Principal, asked: AuditFilters) -> Export:
    """All events that match and are in the log by now. You can run one export at a time. Raises InvalidParameter, ExportRunning."""
    require(by, "events:read")
    filters = await _filters(on, by, asked)
    await events.settle(on.db)
    first, end = await on.read(event_search.ends, filters)
    turn = take_turn(on, by, "events:read")
    return Export(_all(on, turn, filters, first, end), turn)


async def _all(on: Rollbook, turn: Turn, filters: Filters, first: int, end: int) -> AsyncGenerator[list[Event], None]:
    at: int | None = first - 1
    while at is not None:
        await turn.check()
        part = await on.read_aside(event_search.newer, filters, at, end, AT_ONCE)
        if part.events:
            yield part.events
        at = part.next


# ---- the filters


async def _filters(on: Rollbook, by: Principal, asked: AuditFilters) -> Filters:
    if asked.created_after is not None and asked.created_before is not None and asked.created_after >= asked.created_before:
        refuse("created_before", "must be later than created_after")
    for pattern in asked.types:
        if not event_types.is_pattern(pattern):
            refuse("types", "must be types of events, or groups such as user.*")
    is_key = asked.actor is not None and ids.is_id("key", asked.actor)
    return Filters(
        tuple(sorted(event_types.selected(asked.types) or ())) if asked.types else (),
        await _person(on, by, "user", asked.user),
        None if is_key else await _person(on, by, "actor", asked.actor),
        asked.actor if is_key else None,
        None if asked.address is None else address(asked.address),
        asked.created_after,
        asked.created_before,
    )


async def _person(on: Rollbook, by: Principal, param: str, named: str | None) -> str | None:
    """The ID of a user who is named by it or by their email. That of an erased user is still in the log."""
    if named is None or ids.is_id("user", named):
        return named
    if "@" not in named:
        refuse(param, "must be a user ID, which begins with user_, or an email" + (", or a key ID" if param == "actor" else ""))
    require(by, "users:read")
    user = await users.by_email(on.db, named)
    if user is None:
        refuse(param, "must be the email of a user; use the ID for users who were deleted")
    return user.id


def address(text: str) -> str:
    """As the log has it. Raises InvalidParameter."""
    if text in INSIDE:
        return text
    try:
        found = ip_address(text)
    except ValueError:
        found = None
    if found is None or "%" in text:
        refuse("address", "must be an IP address such as 203.0.113.7, cli or system")
    return str(found)
