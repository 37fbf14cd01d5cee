"""The audit log: the event log, newest first, searched by who, what, when and from where, and exported."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from ipaddress import ip_address
from typing import NamedTuple

from rollbook import ids
from rollbook.actions.arguments import AuditFilters
from rollbook.actions.checking import check_range, refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.exporting import Turn, take_turn
from rollbook.actions.permissions import known, require, require_proof
from rollbook.actions.principal import Principal
from rollbook.errors import NotFound
from rollbook.records import event_types, events, rules, user_list, users
from rollbook.records.events import Event, Selection
from rollbook.records.user_list.query import ANY, Query
from rollbook.records.users import User
from rollbook.roles import APPLICATION

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
    """The same for those after it."""
    searched_to: int | None
    """The time up to which was searched, where the page ends early."""


class EventExport(NamedTuple):
    events: AsyncGenerator[list[Event], None]
    """Oldest first."""
    turn: Turn


async def get(on: Rollbook, by: Principal, id: str) -> Event:
    """Get an event

    Returns the event as it is in lists. Fails with 404 if it is older than the setting `event_retention`.
    """
    require(by, "events:read")
    await events.settle(on.db)
    found = await on.read(events.find, known("evt", id))
    if found is None:
        raise NotFound("The event log has no event with this ID. It may be older than the retention period.")
    return found


async def search(
    on: Rollbook, by: Principal, asked: AuditFilters, limit: int, before: int | None = None, after: int | None = None
) -> FoundEvents:
    """The newest events that match; or those before or after the event with a number. Raises InvalidParameter."""
    require(by, "events:read")
    selection = await _selection(on, by, asked)
    await events.settle(on.db)
    if after is not None:
        found, rest, _ = await _collect(on, selection._replace(after=after), limit, newest_first=False)
        return FoundEvents(found[::-1], found[0].seq if found else after + 1, rest, None)
    if before is not None:
        selection = selection._replace(before=before)
    found, rest, is_cut = await _collect(on, selection, limit, newest_first=True)
    searched_to = await on.read(events.time_at, rest) if is_cut else None
    return FoundEvents(found, rest, None if before is None else found[0].seq if found else before - 1, searched_to)


async def _collect(
    on: Rollbook, asked: Selection, limit: int, newest_first: bool
) -> tuple[list[Event], int | None, bool]:
    """Up to `limit` events, from as many parts of the log as a page may look through; where the next page goes on; and
    whether events before that were not searched."""
    found: list[Event] = []
    at: int | None = None
    for _ in range(MAX_PARTS):
        page = await on.read_aside(partial(events.page, newest_first=newest_first), asked, limit - len(found))
        found += page.events
        if not page.more:
            return found, None, False
        if page.searched_to is None:
            return found, found[-1].seq, False
        at = page.searched_to
        if len(found) == limit:
            break
        asked = asked._replace(before=at) if newest_first else asked._replace(after=at)
    return found, at, True


async def export(on: Rollbook, by: Principal, asked: AuditFilters) -> EventExport:
    """All events that match and are in the log by now. You can run one export at a time. Raises InvalidParameter,
    ProofRequired, ExportRunning."""
    require(by, "events:read")
    require_proof(by)
    selection = await _selection(on, by, asked)
    newest = await events.newest(on.db)
    turn = take_turn(on, by, "events:read")
    return EventExport(_all(on, turn, selection._replace(before=newest + 1)), turn)


async def _all(on: Rollbook, turn: Turn, asked: Selection) -> AsyncGenerator[list[Event], None]:
    more = True
    while more:
        await turn.check()
        page = await on.read_aside(events.page, asked, BATCH)
        if page.events:
            yield page.events
        asked, more = asked._replace(after=page.position), page.more


# ---- the filters


async def _selection(on: Rollbook, by: Principal, asked: AuditFilters) -> Selection:
    check_range(asked.created_after, asked.created_before)
    for pattern in asked.types:
        if not event_types.is_pattern(pattern):
            refuse("types", "must be types of events, or groups such as user.*")
    is_key = asked.actor is not None and ids.is_id("key", asked.actor)
    return Selection(
        event_types.selected(asked.types) if asked.types else None,
        await person(on, by, "user", asked.user),
        created_after=asked.created_after,
        created_before=asked.created_before,
        actor=asked.actor if is_key else await person(on, by, "actor", asked.actor),
        address=None if asked.address is None else address(asked.address),
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
    found = [User._make(row) for row in page.rows]
    same = [each.id for each in found if rules.fold(each.name) == rules.fold(named)]
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
        found = ip_address(text)
    except ValueError:
        found = None
    if found is None or "%" in text:
        refuse("address", "must be an IP address such as 203.0.113.7, cli or system")
    return str(found)
