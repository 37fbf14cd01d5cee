"""A question to the list of users, and the parts of SQL that it becomes."""

from __future__ import annotations

from typing import Any, NamedTuple

from rollbook.records import rules, user_metadata
from rollbook.records.user_counts import AFTER, BEFORE
from rollbook.storage.database import Queries

SORTABLE = ("created_at", "name", "email")
# `seq` is the order of created_at and id: no two users are created at the same microsecond.
_SORT_COLUMN = {"created_at": "seq", "name": "name", "email": "email_key", "deleted_at": "deleted_at"}
_BEYOND_ALL = 1 << 62


class Filters(NamedTuple):
    """Which users. None means any."""

    email: str | None = None
    external_id: str | None = None
    ids: tuple[str, ...] | None = None
    role: str | None = None
    status: str | None = None
    created_after: int | None = None  # microseconds, exclusive
    created_before: int | None = None  # microseconds, exclusive
    q: str | None = None
    metadata: tuple[tuple[str, str], ...] | None = None  # keys and values, as text
    deleted_since: int | None = None
    """Not the living, but those who were deleted at or after this time, in microseconds."""


ANY = Filters()


class Order(NamedTuple):
    """One key of an order: a name of SORTABLE, and its direction."""

    name: str
    descending: bool


NEWEST_DELETION_FIRST = (Order("deleted_at", True),)
OLDEST_FIRST = (Order("created_at", False),)
NEWEST_FIRST = (Order("created_at", True),)


class Position(NamedTuple):
    """Where a page ended: the values of the order's keys in its last row (its first, to go back), `seq` last."""

    values: tuple[Any, ...]
    backwards: bool


class Query(NamedTuple):
    """A page of the users who pass the filters, in this order: the one after (or before) `position`, or the one at `offset`."""

    filters: Filters = ANY
    order: tuple[Order, ...] = OLDEST_FIRST
    limit: int = 50
    offset: int = 0
    position: Position | None = None
    count: bool = False
    """Count all who pass the filters. Without filters their number is known anyway."""
    eventual: bool = False
    """A standby may answer, and lag behind."""
    listed: bool = False
    """Only what a list shows: rows of LISTED, or JSON where the engine makes that for less."""

    @property
    def is_plain(self) -> bool:
        """All users, oldest first."""
        return self.filters == ANY and self.order == OLDEST_FIRST

    @property
    def is_backwards(self) -> bool:
        return self.position is not None and self.position.backwards


class Part(NamedTuple):
    """Part of a statement, and its values."""

    sql: str
    values: list[Any]


def sort_keys(order: tuple[Order, ...]) -> list[tuple[str, bool]]:
    """Columns and whether each is descending. They end with `seq`, so that no two rows are equal; what follows it would decide nothing."""
    found: list[tuple[str, bool]] = []
    for key in order:
        found.append((_SORT_COLUMN[key.name], key.descending))
        if found[-1][0] == "seq":
            return found
    return [*found, ("seq", False)]


async def passing(queries: Queries, filters: Filters, seq: str = "seq") -> Part:
    """Conditions on `users`, or `deleted_users`, of the filters other than `q`, each beginning with AND. `seq` is the column of that number."""
    parts: list[str] = []
    values: list[Any] = []
    if filters.email is not None:
        parts.append(" AND email_key = ?")
        values.append(rules.email_key(filters.email))
    if filters.external_id is not None:
        parts.append(" AND external_id = ?")
        values.append(filters.external_id)
    if filters.ids is not None:
        parts.append(f" AND id IN ({', '.join('?' * len(filters.ids))})")
        values.extend(filters.ids)
    if filters.role is not None:
        parts.append(" AND role = ?")
        values.append(filters.role)
    if filters.status is not None:
        parts.append(" AND status = ?")
        values.append(filters.status)
    if filters.deleted_since is not None:
        parts.append(" AND deleted_at >= ?")
        values.append(filters.deleted_since)
    if filters.metadata is not None:
        has_all, texts = await user_metadata.having(queries, filters.metadata, "users.seq" if seq == "seq" else seq)
        parts.append(has_all)
        values.extend(texts)
    # Age is the order of `seq`, so a time becomes the number of the first user past it, found in the index of times.
    if filters.created_after is not None:
        row = await queries.one(AFTER, filters.created_after)
        parts.append(f" AND {seq} >= ?")
        values.append(row[0] if row else _BEYOND_ALL)
    if filters.created_before is not None:
        row = await queries.one(BEFORE, filters.created_before)
        parts.append(f" AND {seq} <= ?")
        values.append(row[0] if row else 0)
    return Part("".join(parts), values)


def from_number(number: int | None) -> Part:
    """Users whose `seq` is this or higher; with None, no user."""
    return Part(" AND seq >= ?", [_BEYOND_ALL if number is None else number])


def beyond(query: Query, seq: str = "seq") -> Part:
    """Rows past the position. The first condition lets the index begin there; the others part rows that are equal in the first key."""
    position = query.position
    if position is None:
        return Part("", [])
    columns = [
        (seq if column == "seq" else column, descending != position.backwards) for column, descending in sort_keys(query.order)
    ]
    first, falls = columns[0]
    if len(columns) == 1:
        return Part(f" AND {first} {'<' if falls else '>'} ?", [position.values[0]])
    alternatives: list[str] = []
    values: list[Any] = [position.values[0]]
    for depth, (column, falling) in enumerate(columns):
        equal = "".join(f"{before} = ? AND " for before, _ in columns[:depth])
        alternatives.append(f"({equal}{column} {'<' if falling else '>'} ?)")
        values.extend(position.values[: depth + 1])
    return Part(f" AND {first} {'<=' if falls else '>='} ? AND ({' OR '.join(alternatives)})", values)


def order_by(query: Query, seq: str = "seq") -> str:
    columns = (
        (seq if column == "seq" else column, descending != query.is_backwards) for column, descending in sort_keys(query.order)
    )
    return " ORDER BY " + ", ".join(f"{column} DESC" if falls else column for column, falls in columns)
