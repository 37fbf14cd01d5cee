"""A question to the list of users, and the parts of SQL that it becomes."""

from __future__ import annotations

from typing import Any, NamedTuple

from rollbook import roles
from rollbook.records import groups, rules, user_dates, user_metadata
from rollbook.records.dialect import dialect
from rollbook.storage.database import Queries, scalar

SORTABLE = ("created_at", "name", "email", "last_active_at", "ends_at")
BEYOND_ALL = 1 << 62
"""A number that no user has, and a time that never comes."""
# As their indexes have them: who never was active is first, who has no end last.
LAST_ACTIVE = "coalesce(last_active_at,0)"
END = f"coalesce(ends_at,{BEYOND_ALL})"
_SORT_COLUMN = {
    "added": "seq",
    "created_at": "created_at",
    "name": "name",
    "email": "email_key",
    "deleted_at": "deleted_at",
    "last_active_at": LAST_ACTIVE,
    "ends_at": END,
}
NEVER = 0
"""Value of `active_before` for users who never were active, and of `active_after` for all who ever were."""


class Filters(NamedTuple):
    """Filters of users. None means any."""

    email: str | None = None
    external_id: str | None = None
    ids: tuple[str, ...] | None = None
    role: str | None = None
    status: str | None = None
    kind: str | None = None
    created_after: int | None = None  # microseconds, exclusive
    created_before: int | None = None  # microseconds, exclusive
    q: str | None = None
    metadata: tuple[tuple[str, str], ...] | None = None  # keys and values, as text
    group: str | None = None  # the ID of one that exists
    active_after: int | None = None  # microseconds, exclusive, as all times
    active_before: int | None = None
    ends_after: int | None = None
    ends_before: int | None = None
    email_verified: bool | None = None
    second_factor: bool | None = None
    status_since_before: int | None = None
    idle: tuple[int, int] | None = None  # last active between these times, or created if never active
    deleted_since: int | None = None
    """Not the living, but those who were deleted at or after this time, in microseconds."""
    first_seq: int | None = None
    last_seq: int | None = None
    """Positions in the list, inclusive: what `settled` makes of times where it can."""


ANY = Filters()
PERSONS = Filters(kind=roles.PERSON)
RANGES = ("created_after", "created_before", "active_after", "active_before", "ends_after", "ends_before")
"""Filters to which the index of a time leads."""


def has_range(filters: Filters) -> bool:
    return any(getattr(filters, name) is not None for name in RANGES)


class Order(NamedTuple):
    """One key of an order: a name of SORTABLE, or `added`, a user's position in the list; and its direction."""

    name: str
    descending: bool


NEWEST_DELETION_FIRST = (Order("deleted_at", True),)
AS_ADDED = (Order("added", False),)
LAST_ADDED_FIRST = (Order("added", True),)


class Position(NamedTuple):
    """Position at which a page ended: the values of the order's keys in its last row (its first, to go back), `seq`
    last. What is created_at in the order is left out as long as `seq` says it too; `settled` knows."""

    values: tuple[Any, ...]
    backwards: bool


HAS_FACTOR = """EXISTS (
    SELECT 1 FROM second_factors AS f WHERE f.user_id = {}.id AND f.confirmed_at IS NOT NULL)"""


class Query(NamedTuple):
    """A page of the users who pass the filters, in this order: the one after (or before) `position`, or the one at
    `offset`."""

    filters: Filters = ANY
    order: tuple[Order, ...] = AS_ADDED
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
        """All users, in the order in which they were added."""
        return self.filters == ANY and self.order == AS_ADDED

    @property
    def is_backwards(self) -> bool:
        return self.position is not None and self.position.backwards


class Part(NamedTuple):
    """Part of a statement, and its values."""

    sql: str
    values: list[Any]


def sort_keys(order: tuple[Order, ...]) -> list[tuple[str, bool]]:
    """Columns and whether each is descending. They end with `seq`, so that no two rows are equal; what follows it would
    decide nothing. Equal users are in the order in which they were added, and the other way round where the last key
    falls: that is how an index has them, read from either end."""
    keys: list[tuple[str, bool]] = []
    for key in order:
        keys.append((_SORT_COLUMN[key.name], key.descending))
        if keys[-1][0] == "seq":
            return keys
    return [*keys, ("seq", order[-1].descending)]


def by_place(order: tuple[Order, ...]) -> tuple[Order, ...]:
    """The order as it is where created_at says the same as the position in the list."""
    return tuple([Order("added", key.descending) if key.name == "created_at" else key for key in order])


def lengths(order: tuple[Order, ...]) -> set[int]:
    """Numbers of values that a position in this order can have."""
    return {len(sort_keys(order)), len(sort_keys(by_place(order)))}


async def settled(queries: Queries, query: Query) -> Query:
    """The query, asked by position instead of by date where both mean one thing: for all users, or from a time on
    (`user_dates`)."""
    has_dates = any(key.name == "created_at" for key in query.order)
    filters = query.filters
    if not has_dates and filters.created_after is None and filters.created_before is None:
        return query
    if filters.deleted_since is not None:  # positions are those of the living
        return query
    mixed_until = await user_dates.mixed_until(queries)
    query = query._replace(filters=await _placed(queries, filters, mixed_until))
    if not has_dates:
        return query
    if not mixed_until:
        query = query._replace(order=by_place(query.order))
    return (
        query
        if query.position is None
        else query._replace(position=await _fitting(queries, query.order, query.position))
    )


async def settled_filters(queries: Queries, filters: Filters) -> Filters:
    """The filters of a settled query."""
    return (await settled(queries, Query(filters))).filters


async def _placed(queries: Queries, filters: Filters, mixed_until: int) -> Filters:
    after, before = filters.created_after, filters.created_before
    if after is not None and (not mixed_until or after >= mixed_until):
        first = await user_dates.first_after(queries, after)
        filters = filters._replace(created_after=None, first_seq=BEYOND_ALL if first is None else first)
    if before is not None and (not mixed_until or before > mixed_until):
        first = await user_dates.first_after(queries, before - 1)
        filters = filters._replace(created_before=None, last_seq=None if first is None else first - 1)
    return filters


async def _fitting(queries: Queries, order: tuple[Order, ...], position: Position) -> Position:
    """The position with as many values as the order has keys: a cursor may be older than the first user who was added
    with an earlier date."""
    keys = dict(sort_keys(order))
    *values, seq = position.values
    if len(position.values) == len(keys):
        return position
    if len(position.values) > len(keys):
        return Position((*values[: len(keys) - 1], seq), position.backwards)
    # Nothing after the date decided anything: what decides now is read from the user or, if they are gone, from the one
    # before.
    at = await user_dates.at(queries, seq)
    if at["seq"] != seq and keys["created_at"] != keys["seq"]:
        seq = at["seq"] - 1  # the one before is on the next page
    values += [at[column] for column in list(keys)[len(values) : -1]]
    return Position((*values, seq), position.backwards)


async def passing(queries: Queries, filters: Filters, seq: str = "seq", walks_far: bool = False) -> Part:
    """Conditions on `users`, or `deleted_users`, of the filters other than `q`, each beginning with AND. `seq` is the
    column of that number. `walks_far`: they are for very many rows."""
    conditions = {
        " AND email_key = ?": None if filters.email is None else rules.email_key(filters.email),
        " AND external_id = ?": filters.external_id,
        " AND role = ?": filters.role,
        " AND status = ?": filters.status,
        " AND deleted_at >= ?": filters.deleted_since,
        " AND created_at > ?": filters.created_after,
        " AND created_at < ?": filters.created_before,
        f" AND {seq} >= ?": filters.first_seq,
        f" AND {seq} <= ?": filters.last_seq,
        **_of_facts(filters),
    }
    present = {condition: value for condition, value in conditions.items() if value is not None}
    parts, values = [*present], [*present.values()]
    if filters.kind is not None:
        parts.append(f" AND {_of_kind(queries, filters, seq, walks_far)}")
    outer = "users.seq" if seq == "seq" else seq
    if filters.second_factor is not None:
        table = "page" if seq == "page.seq" else "users" if filters.deleted_since is None else "deleted_users"
        parts.append(f" AND {'' if filters.second_factor else 'NOT '}{HAS_FACTOR.format(table)}")
    if filters.ids is not None:
        parts.append(f" AND id IN ({', '.join('?' * len(filters.ids))})")
        values += filters.ids
    if filters.idle is not None:  # each half by its index
        never = "last_active_at IS NULL AND created_at > ? AND created_at < ?"
        parts.append(f" AND ({LAST_ACTIVE} > ? AND {LAST_ACTIVE} < ? OR {never})")
        values += filters.idle * 2
    if filters.metadata is not None:
        has_all, texts = await user_metadata.having(queries, filters.metadata, outer)
        parts.append(has_all)
        values += texts
    if filters.group is not None:
        are_members, ids = await groups.having(queries, filters.group, outer, walks_far)
        parts.append(are_members)
        values += ids
    return Part("".join(parts), values)


def _of_facts(filters: Filters) -> dict[str, Any]:
    """Conditions on activity, end, verification and status, with their values."""
    return {
        f" AND {LAST_ACTIVE} > ?": filters.active_after,
        f" AND {LAST_ACTIVE} > {NEVER} AND {LAST_ACTIVE} < ?": filters.active_before or None,
        # A range: SQLite would sort those with one value of an expression, instead of reading its index in their order.
        f" AND {LAST_ACTIVE} < ?": NEVER + 1 if filters.active_before == NEVER else None,
        f" AND {END} < {BEYOND_ALL} AND {END} > ?": filters.ends_after,
        f" AND {END} < ?": filters.ends_before,
        " AND email_verified = ?": None if filters.email_verified is None else int(filters.email_verified),
        " AND coalesce(status_since,created_at) < ?": filters.status_since_before,
    }


def _of_kind(queries: Queries, filters: Filters, seq: str, walks_far: bool) -> str:
    """Condition on the kind, written out: no value that is bound leads to an index of some of the rows."""
    if filters.kind == roles.APPLICATION and filters.deleted_since is None:
        return dialect(queries).user_list.is_application(seq)
    if walks_far:  # without looking at users whose order an index has by itself
        return f"{seq} NOT IN (SELECT seq FROM users WHERE kind = 'application')"
    return f"kind = '{filters.kind}'"


async def count_rows(queries: Queries, source: Part, limit: int | None) -> int:
    """Count the rows that SELECT finds FROM this; counting ends at `limit`."""
    if limit is None:
        return await scalar(queries, f"SELECT count(*) FROM {source.sql}", *source.values)
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {source.sql} LIMIT ?) AS few"
    return await scalar(queries, sql, *source.values, limit)


def from_number(number: int | None) -> Part:
    """Users whose `seq` is this or higher; with None, no user."""
    return Part(" AND seq >= ?", [BEYOND_ALL if number is None else number])


def beyond(query: Query, seq: str = "seq") -> Part:
    """Rows past the position. The first condition lets the index begin there; the others part rows that are equal in
    the first key."""
    position = query.position
    if position is None:
        return Part("", [])
    columns = [
        (seq if column == "seq" else column, descending != position.backwards)
        for column, descending in sort_keys(query.order)
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


def order_by(query: Query, seq: str = "seq", turned: bool = False) -> str:
    """`turned` is the order of the list from its end."""
    columns = (
        (seq if column == "seq" else column, descending != (query.is_backwards != turned))
        for column, descending in sort_keys(query.order)
    )
    return " ORDER BY " + ", ".join(f"{column} DESC" if falls else column for column, falls in columns)
