"""The list of users: pages at any offset, filters, orders, search and totals, always of the newest state.

The plain list (no filter, oldest first) finds its page by `places`, at the same cost for any offset. All others read an index, and go on
from where a page ended by the last row's own values (keyset), so that a row never shows twice nor is stepped over when others come or go.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rollbook.records import places, rules, search
from rollbook.records.users import COLUMNS, User
from rollbook.storage.database import Queries, Row

SORTABLE = ("created_at", "name", "email")
# `seq` is the order of created_at and id: users are never created at the same microsecond.
_SORT_COLUMN = {"created_at": "seq", "name": "name", "email": "email_key"}

PAGE = f"SELECT {COLUMNS} FROM users WHERE seq >= ? ORDER BY seq LIMIT ? OFFSET ?"
NEXT = f"SELECT {COLUMNS} FROM users WHERE seq > ? ORDER BY seq LIMIT ?"
PREVIOUS = f"SELECT {COLUMNS} FROM users WHERE seq < ? ORDER BY seq DESC LIMIT ?"
SINCE = "SELECT seq FROM users WHERE created_at {comparison} ? ORDER BY created_at {direction} LIMIT 1"
FOUND = "SELECT {columns} FROM user_search s CROSS JOIN users ON users.seq = s.rowid WHERE s.text MATCH ? AND s.rowid NOT IN (SELECT seq FROM user_search_pending)"
PENDING = "SELECT {columns} FROM (SELECT seq AS pending FROM user_search_pending) CROSS JOIN users ON users.seq = pending WHERE true"


class Filters(NamedTuple):
    """Which users. None means any."""

    email: str | None = None
    external_id: str | None = None
    ids: tuple[str, ...] | None = None
    role: str | None = None
    status: str | None = None
    created_after: int | None = None  # microseconds; later than this
    created_before: int | None = None  # microseconds; earlier than this
    q: str | None = None


ANY = Filters()


class Order(NamedTuple):
    """One key of an order: a name of SORTABLE, and whether it falls."""

    name: str
    descending: bool


OLDEST_FIRST = (Order("created_at", False),)


class Position(NamedTuple):
    """Where a page ended: the values of the order's keys in its last row (its first, to go back), `seq` last."""

    values: tuple[Any, ...]
    backwards: bool


class Page(NamedTuple):
    """`before` and `after` say where the neighbouring pages begin, None where there is none; `total` is None when it was not asked for."""

    users: list[User]
    total: int | None
    before: Position | None
    after: Position | None


async def plain_page(queries: Queries, limit: int, offset: int) -> Page:
    """The list itself, oldest first."""
    runs = await places.top(queries)
    start = await places.find(queries, runs, offset) if offset else (0, 0)
    rows = [] if start is None else await queries.all(PAGE, start[0], limit + 1, start[1])
    more = len(rows) > limit
    users = [User._make(row) for row in (rows[:limit] if more else rows)]
    return Page(
        users,
        places.total(runs),
        Position((users[0].seq,), True) if offset and users else None,
        Position((users[-1].seq,), False) if more else None,
    )


async def plain_neighbour(queries: Queries, limit: int, position: Position) -> Page:
    """The page after, or before, a position in the list itself."""
    (seq,) = position.values
    rows = await queries.all(PREVIOUS if position.backwards else NEXT, seq, limit + 1)
    total = places.total(await places.top(queries))
    return _neighbour([User._make(row) for row in rows], limit, position, total, lambda user: (user.seq,))


async def page(
    queries: Queries, filters: Filters, order: tuple[Order, ...], limit: int, offset: int, position: Position | None, exact: bool
) -> Page:
    """A page of those that pass the filters, in this order. `exact` counts them all."""
    keys = keys_of(order)
    backwards = position is not None and position.backwards
    where, values = await _where(queries, filters)
    if position is not None:
        condition, more = _beyond(keys, position)
        where, values = where + condition, values + more
    tail = _order_by(keys, backwards)

    async def fetch(count: int, skip: int) -> list[Row]:
        if filters.q is None:
            sql = f"SELECT {COLUMNS}, email_key FROM users WHERE true{where}{tail} LIMIT ? OFFSET ?"
            return await queries.all(sql, *values, count, skip)
        return await _search(queries, filters.q, where, values, keys, tail, count, skip, backwards)

    rows = await fetch(limit + 1, offset)
    total = await count(queries, filters) if exact else None
    users = [User._make(row[:-1]) for row in rows]
    email_keys = {row[0]: row[-1] for row in rows}

    def values_of(user: User) -> tuple[Any, ...]:
        own = {"seq": user.seq, "name": user.name, "email_key": email_keys[user.seq]}
        return tuple([own[column] for column, _ in keys])

    if position is not None:
        return _neighbour(users, limit, position, total, values_of)
    more_follow = len(users) > limit
    users = users[:limit]
    return Page(
        users,
        total,
        Position(values_of(users[0]), True) if offset and users else None,
        Position(values_of(users[-1]), False) if more_follow else None,
    )


async def count(queries: Queries, filters: Filters) -> int:
    """How many users pass the filters, exactly."""
    if filters == ANY:
        return places.total(await places.top(queries))
    where, values = await _where(queries, filters)
    if filters.q is None:
        row = await queries.one(f"SELECT count(*) FROM users WHERE true{where}", *values)
        return row[0] if row else 0
    sql = FOUND.format(columns="count(*)") + where
    row = await queries.one(sql, search.phrase(filters.q), *values)
    pending = await queries.all(PENDING.format(columns="users.seq, name, email") + where, *values)
    return (row[0] if row else 0) + sum([search.matches(user, filters.q) for user in pending])


async def _search(
    queries: Queries, q: str, where: str, values: list[Any], keys: list[tuple[str, bool]], tail: str, limit: int, skip: int, backwards: bool
) -> list[Row]:
    """What the index finds and what is pending, merged in the order asked for."""
    qualified = ", ".join(f"users.{name.strip()}" for name in COLUMNS.split(",")) + ", users.email_key"
    # In the order of age the index is read in its own order and stops when the page is full.
    by_age = keys[0][0] == "seq"
    order = tail.replace("ORDER BY seq", "ORDER BY s.rowid") if by_age else tail
    where_indexed = where.replace(" AND seq ", " AND s.rowid ") if by_age else where
    found = await queries.all(f"{FOUND.format(columns=qualified)}{where_indexed}{order} LIMIT ?", search.phrase(q), *values, skip + limit)
    pending = await queries.all(PENDING.format(columns=qualified) + where, *values)
    rows = found + [row for row in pending if search.matches((row[0], row[2], row[3]), q)]
    position = {"seq": 0, "name": 2, "email_key": -1}
    for column, descending in reversed(keys):
        rows.sort(key=lambda row, at=position[column]: row[at], reverse=descending != backwards)
    return rows[skip : skip + limit]


async def _where(queries: Queries, filters: Filters) -> tuple[str, list[Any]]:
    """SQL conditions, each beginning with AND, and their values."""
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
    # Age is the order of `seq`, so a time becomes the place where it falls, found in its index.
    if filters.created_after is not None:
        row = await queries.one(SINCE.format(comparison=">", direction=""), filters.created_after)
        parts.append(" AND seq >= ?")
        values.append(row[0] if row else 1 << 62)
    if filters.created_before is not None:
        row = await queries.one(SINCE.format(comparison="<", direction="DESC"), filters.created_before)
        parts.append(" AND seq <= ?")
        values.append(row[0] if row else 0)
    return "".join(parts), values


def keys_of(order: tuple[Order, ...]) -> list[tuple[str, bool]]:
    """Columns and directions, `seq` at the end so that no two rows are equal; what follows it could decide nothing."""
    keys: list[tuple[str, bool]] = []
    for key in order:
        keys.append((_SORT_COLUMN[key.name], key.descending))
        if keys[-1][0] == "seq":
            return keys
    return [*keys, ("seq", False)]


def _order_by(keys: list[tuple[str, bool]], backwards: bool) -> str:
    return " ORDER BY " + ", ".join(f"{column} DESC" if descending != backwards else column for column, descending in keys)


def _beyond(keys: list[tuple[str, bool]], position: Position) -> tuple[str, list[Any]]:
    """Rows past the position. Its first line lets the index begin there; the rest parts rows that are equal in the first key."""
    if len(keys) == 1:
        ((column, descending),) = keys
        return f" AND {column} {'<' if descending != position.backwards else '>'} ?", [position.values[0]]
    first, descending = keys[0]
    sql = f" AND {first} {'<=' if descending != position.backwards else '>='} ? AND ("
    values: list[Any] = [position.values[0]]
    alternatives = []
    for depth, (column, falls) in enumerate(keys):
        equal = "".join(f"{keys[i][0]} = ? AND " for i in range(depth))
        alternatives.append(f"({equal}{column} {'<' if falls != position.backwards else '>'} ?)")
        values.extend(position.values[: depth + 1])
    return sql + " OR ".join(alternatives) + ")", values


def _neighbour(users: list[User], limit: int, position: Position, total: int | None, values_of: Any) -> Page:
    more = len(users) > limit
    users = users[:limit]
    if position.backwards:
        users.reverse()
    if not users:
        return Page([], total, None, None)
    first, last = Position(values_of(users[0]), True), Position(values_of(users[-1]), False)
    if position.backwards:
        return Page(users, total, first if more else None, last)
    return Page(users, total, first, last if more else None)
