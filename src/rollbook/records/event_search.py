"""The event log, searched by any combination of filters. A search reads a bounded part of the log at a time, and says where it goes on."""

from __future__ import annotations

from typing import Any, NamedTuple

from rollbook.records import events
from rollbook.records.event_log import COLUMNS
from rollbook.records.events import Event
from rollbook.storage.database import Queries


class Filters(NamedTuple):
    """Which events. Empty ones select all."""

    types: tuple[str, ...] = ()
    user_id: str | None = None
    """Whom they are about."""
    actor_user: str | None = None
    actor_key: str | None = None
    address: str | None = None
    since: int | None = None
    until: int | None = None
    """Exclusive."""


ALL = Filters()


class Part(NamedTuple):
    events: list[Event]
    next: int | None
    """The number where the search goes on. None: it is complete."""


WINDOW = 20_000
"""Events, or index entries, that one statement looks at: 2 to 6 ms where none of them fits."""
SELECT = f"SELECT seq, {COLUMNS} FROM events WHERE "
# SQLite finds each alone by one look into the tree, and both together by reading all of it.
ENDS = "SELECT (SELECT min(seq) FROM events), (SELECT max(seq) FROM events)"
FIND = f"{SELECT}id = ?"


async def find(queries: Queries, id: str) -> Event | None:
    return next(iter(await events.select(queries, FIND, id)), None)


async def time_at(queries: Queries, seq: int) -> int | None:
    """When the first event from this number on happened."""
    row = await queries.one(events.FROM, seq)
    return None if row is None else row[1]


async def ends(queries: Queries, filters: Filters = ALL) -> tuple[int, int]:
    """The first number that can match, and the one after the last."""
    row = await queries.one(ENDS)
    if row is None or row[0] is None:
        return 0, 0
    first, end = row[0], row[1] + 1
    since = first if filters.since is None else await events.place_at(queries, filters.since - events.SKEW) + 1
    return since, end if filters.until is None else await events.place_at(queries, filters.until + events.SKEW) + 1


async def older(queries: Queries, filters: Filters, before: int, first: int, limit: int) -> Part:
    """The next matching events before a number, newest first, down to `first`."""
    where, values = _conditions(filters)
    edge = await _edge(queries, filters, "seq < ? ORDER BY seq DESC", before, -1)
    low = first if edge is None else max(first, edge)
    found = await events.select(
        queries, f"{SELECT}seq < ? AND seq >= ?{where} ORDER BY seq DESC LIMIT ?", before, low, *values, limit
    )
    return Part(found, found[-1].seq if len(found) == limit else low if low > first else None)


async def newer(queries: Queries, filters: Filters, after: int, end: int, limit: int) -> Part:
    """The next matching events after a number, oldest first, up to before `end`."""
    where, values = _conditions(filters)
    edge = await _edge(queries, filters, "seq > ? ORDER BY seq", after, +1)
    high = end - 1 if edge is None else min(end - 1, edge)
    found = await events.select(queries, f"{SELECT}seq > ? AND seq <= ?{where} ORDER BY seq LIMIT ?", after, high, *values, limit)
    return Part(found, found[-1].seq if len(found) == limit else high if high < end - 1 else None)


async def _edge(queries: Queries, filters: Filters, beyond: str, at: int, step: int) -> int | None:
    """Where WINDOW entries of the index that the statement will use end, counted from `at`. None: there are fewer."""
    column = _indexed(filters)
    if column is None:
        return at + step * WINDOW
    value = filters.user_id if column == "user_id" else filters.types[0]
    row = await queries.one(f"SELECT seq FROM events WHERE {column} = ? AND {beyond} LIMIT 1 OFFSET ?", value, at, WINDOW - 1)
    return None if row is None else row[0]


def _indexed(filters: Filters) -> str | None:
    """The column whose index leads to the fewest events. Several types are looked for in the log itself."""
    return "user_id" if filters.user_id is not None else "type" if len(filters.types) == 1 else None


def _conditions(filters: Filters) -> tuple[str, list[Any]]:
    """Each begins with AND; and their values."""
    # The empty text keeps the index of types out of it where another way is shorter.
    type = "type" if _indexed(filters) == "type" else "type || ''"
    given: list[tuple[str, Any]] = [
        ("user_id = ?", filters.user_id),
        ("actor_user = ?", filters.actor_user),
        ("actor_key = ?", filters.actor_key),
        ("address = ?", filters.address),
        ("created_at >= ?", filters.since),
        ("created_at < ?", filters.until),
    ]
    where = "".join(f" AND {condition}" for condition, value in given if value is not None)
    values = [value for _, value in given if value is not None]
    if filters.types:
        where += f" AND {type} IN ({', '.join('?' * len(filters.types))})"
    return where, [*values, *filters.types]
