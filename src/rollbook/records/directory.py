"""The list of users: pages at any offset, filters, orders, search and totals, always of the newest state.

The plain list (no filter, oldest first) finds its page by `places`, at the same cost for any offset. All others read an index, and go on
from where a page ended by the last row's own values (keyset), so that a row never shows twice nor is stepped over when others come or go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from rollbook import clock
from rollbook.records import places, remembered_places, rules, search, search_postgres
from rollbook.records.users import COLUMNS
from rollbook.storage.database import Queries, Row, one_statement

SORTABLE = ("created_at", "name", "email")
# `seq` is the order of created_at and id: users are never created at the same microsecond.
_SORT_COLUMN = {"created_at": "seq", "name": "name", "email": "email_key"}

# A list's rows hold what it shows and no more: each column costs as much as finding its row. Both kinds begin with seq, id, name.
LISTED = "seq, id, name, email, created_at"
WHOLE = COLUMNS

PAGE = {columns: f"SELECT {columns} FROM users WHERE seq >= ? ORDER BY seq LIMIT ? OFFSET ?" for columns in (LISTED, WHOLE)}
NEXT = {columns: f"SELECT {columns} FROM users WHERE seq > ? ORDER BY seq LIMIT ?" for columns in (LISTED, WHOLE)}
PREVIOUS = {columns: f"SELECT {columns} FROM users WHERE seq < ? ORDER BY seq DESC LIMIT ?" for columns in (LISTED, WHOLE)}

# The list as most ask for it, made into JSON by SQLite: one row instead of twenty crosses over to Python, which halves its cost.
_AS_JSON = """
    SELECT CAST(json_group_array(json_object('id', id, 'name', name, 'email', email, 'created_at', created)) AS BLOB), count(*), min(seq), max(seq)
    FROM (SELECT seq, id, name, email, created FROM users WHERE seq {start} ? ORDER BY seq LIMIT ?{offset})"""
LISTED_PAGE = _AS_JSON.format(start=">=", offset=" OFFSET ?")
LISTED_NEXT = _AS_JSON.format(start=">", offset="")

# The same on PostgreSQL, where rows that are made into JSON cost more than those that are not: the total before each row, in one statement and
# so of one moment. A page at an offset is found by the walk of `places.find`, in SQL.
ROWS_AFTER = """
    SELECT CAST((SELECT coalesce(sum(n), 0) FROM user_blocks WHERE level = 3)
        + (SELECT coalesce(sum(change), 0) FROM user_block_deltas) AS bigint), page.*
    FROM (SELECT 1) AS always LEFT JOIN LATERAL (
        SELECT seq, id, name, email, created_at FROM users WHERE seq > ? ORDER BY seq LIMIT ?) AS page ON true"""

_RUN = """
        SELECT block, n, sum(n) OVER (ORDER BY block) AS upto FROM (SELECT block, sum(n) AS n FROM ({counts}) AS counted GROUP BY block) AS summed"""
_INSIDE = """
        SELECT kept.block, kept.n FROM {outer}, user_blocks AS kept
        WHERE kept.level = {level} AND kept.block BETWEEN {outer}.block * 64 AND {outer}.block * 64 + 63
        UNION ALL SELECT run >> {shift}, deltas.n FROM {outer}, deltas WHERE run >> {shift} >> 6 = {outer}.block"""
_FALLS_INTO = "SELECT {runs}.block, {skip} - (upto - n) AS skip FROM {runs}{outer} WHERE upto > {skip} ORDER BY block LIMIT 1"
ROWS_AT = f"""
    WITH deltas AS (SELECT run, sum(change) AS n FROM user_block_deltas GROUP BY run),
    tops AS ({_RUN.format(counts="SELECT block, n FROM user_blocks WHERE level = 3 UNION ALL SELECT run >> 12, n FROM deltas")}),
    top AS ({_FALLS_INTO.format(runs="tops", skip="$1::bigint", outer="")}),
    middles AS ({_RUN.format(counts=_INSIDE.format(outer="top", level=2, shift=6))}),
    middle AS ({_FALLS_INTO.format(runs="middles", skip="top.skip", outer=", top").replace("ORDER BY block", "ORDER BY middles.block")}),
    lows AS ({_RUN.format(counts=_INSIDE.format(outer="middle", level=1, shift=0))}),
    low AS ({_FALLS_INTO.format(runs="lows", skip="middle.skip", outer=", middle").replace("ORDER BY block", "ORDER BY lows.block")})
    SELECT CAST((SELECT coalesce(sum(n), 0) FROM tops) AS bigint), page.*
    FROM (SELECT 1) AS always LEFT JOIN LATERAL (
        SELECT seq, id, name, email, created_at FROM users WHERE seq >= (SELECT block << 6 FROM low) ORDER BY seq
        LIMIT $2::bigint OFFSET (SELECT CAST(skip AS bigint) FROM low)) AS page ON true"""
ANY_AFTER = "SELECT 1 FROM users WHERE seq > ? LIMIT 1"
SINCE = "SELECT seq FROM users WHERE created_at {comparison} ? ORDER BY created_at {direction} LIMIT 1"
# The same for many times in one round trip to PostgreSQL: who was the first to come later than each, if anybody was, the total, and how many stand before
# that one, as `places.before` counts them.
JOINED = """
    WITH deltas AS MATERIALIZED (SELECT run, sum(change) AS n FROM user_block_deltas GROUP BY run)
    SELECT first.seq,
           CAST((SELECT coalesce(sum(n), 0) FROM user_blocks WHERE level = 3) + (SELECT coalesce(sum(n), 0) FROM deltas) AS bigint),
           CAST((SELECT coalesce(sum(n), 0) FROM user_blocks WHERE level = 3 AND block < seq >> 18)
              + (SELECT coalesce(sum(n), 0) FROM user_blocks WHERE level = 2 AND block >= seq >> 18 << 6 AND block < seq >> 12)
              + (SELECT coalesce(sum(n), 0) FROM user_blocks WHERE level = 1 AND block >= seq >> 12 << 6 AND block < seq >> 6)
              + (SELECT coalesce(sum(n), 0) FROM deltas WHERE run < seq >> 6)
              + (SELECT count(*) FROM users WHERE users.seq >= first.seq >> 6 << 6 AND users.seq < first.seq) AS bigint)
    FROM unnest($1::bigint[]) WITH ORDINALITY AS times (at, number)
    LEFT JOIN LATERAL (SELECT seq FROM users WHERE created_at > at ORDER BY created_at LIMIT 1) AS first ON true ORDER BY number"""
FOUND = "SELECT {columns} FROM user_search s CROSS JOIN users ON users.seq = s.rowid WHERE s.text MATCH ? AND s.rowid NOT IN (SELECT seq FROM user_search_pending)"
FEW = {column: f"SELECT count(*) FROM (SELECT 1 FROM users WHERE {column} = ? LIMIT ?) AS few" for column in ("role", "status")}
FEW_ENOUGH = 2_000
"""Users whose names and addresses are looked at one by one: 5 ms."""
PENDING = "SELECT {columns} FROM (SELECT DISTINCT seq AS pending FROM user_search_pending) CROSS JOIN users ON users.seq = pending WHERE true"


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
    """Rows of LISTED or WHOLE. `before` and `after` say where the neighbouring pages begin, None where there is none; `total` is None when it
    was not asked for."""

    rows: list[Row]
    total: int | None
    before: Position | None
    after: Position | None


class Listing(NamedTuple):
    """A page of the list itself as the JSON of its rows (id, name, email, created_at)."""

    json: bytes
    total: int
    before: Position | None
    after: Position | None


@one_statement
async def listing(queries: Queries, limit: int, offset: int) -> Listing:
    """The list itself, oldest first, as JSON."""
    if queries.engine == "postgresql":
        if not offset:
            return _listing(await queries.all(ROWS_AFTER, 0, limit + 1), limit, False)
        rows = await remembered_places.page(queries, limit + 1, offset)
        if rows is not None:
            return _listing(rows, limit, True)
        return _listing(await queries.all(ROWS_AT, offset, limit + 1), limit, True)
    runs = await places.top(queries)
    total = places.total(runs)
    start = await places.find(queries, runs, offset) if offset else (0, 0)
    if start is None:
        return Listing(b"[]", total, None, None)
    row = await queries.one(LISTED_PAGE, start[0], limit, start[1])
    assert row is not None  # an aggregate always has a row
    json, users, first, last = row
    before = Position((first,), True) if offset else None
    return Listing(json, total, before, Position((last,), False) if offset + users < total else None)


@one_statement
async def next_listing(queries: Queries, limit: int, position: Position) -> Listing:
    """The page after a position in the list itself, as JSON."""
    if queries.engine == "postgresql":
        return _listing(await queries.all(ROWS_AFTER, *position.values, limit + 1), limit, True)
    row = await queries.one(LISTED_NEXT, *position.values, limit)
    assert row is not None  # an aggregate always has a row
    json, users, first, last = row
    total = places.total(await places.top(queries))
    if not users:
        return Listing(json, total, None, None)
    after = Position((last,), False) if users == limit and await queries.one(ANY_AFTER, last) is not None else None
    return Listing(json, total, Position((first,), True), after)


class _Latest:
    """The listing that was made last, and of what: callers who wait for the same page at the same moment share its rows, so they can share it."""

    rows: list[Row] | None = None
    limit = 0
    is_inside = False
    listing = Listing(b"[]", 0, None, None)


def _listing(rows: list[Row], limit: int, is_inside: bool) -> Listing:
    """From rows of LISTED behind the total, one more than the page has when there is a next one; a single row without a user when it is empty."""
    latest = _Latest
    if rows is latest.rows and limit == latest.limit and is_inside == latest.is_inside:
        return latest.listing
    total = rows[0][0]
    if rows[0][1] is None:
        listing = Listing(b"[]", total, None, None)
    else:
        users = rows[:limit]
        json = _encode([_Listed(row[2], row[3], row[4], clock.format_time(row[5])) for row in users])
        before = Position((users[0][1],), True) if is_inside else None
        listing = Listing(json, total, before, Position((users[-1][1],), False) if len(rows) > limit else None)
    latest.rows, latest.limit, latest.is_inside, latest.listing = rows, limit, is_inside, listing
    return listing


class _Listed(msgspec.Struct, frozen=True):
    id: str
    name: str
    email: str
    created_at: str


_encode = msgspec.json.Encoder().encode


async def plain_page(queries: Queries, columns: str, limit: int, offset: int) -> Page:
    """The list itself, oldest first. `columns` is LISTED or WHOLE."""
    runs = await places.top(queries)
    start = await places.find(queries, runs, offset) if offset else (0, 0)
    rows = [] if start is None else await queries.all(PAGE[columns], start[0], limit + 1, start[1])
    before = Position((rows[0][0],), True) if offset and rows else None
    after = None
    if len(rows) > limit:
        del rows[limit:]
        after = Position((rows[-1][0],), False)
    return Page(rows, places.total(runs), before, after)


async def plain_neighbour(queries: Queries, columns: str, limit: int, position: Position) -> Page:
    """The page after, or before, a position in the list itself."""
    rows = await queries.all((PREVIOUS if position.backwards else NEXT)[columns], *position.values, limit + 1)
    total = places.total(await places.top(queries))
    return _neighbour(rows, limit, position, total, lambda row: (row[0],))


async def page(
    queries: Queries,
    columns: str,
    filters: Filters,
    order: tuple[Order, ...],
    limit: int,
    offset: int,
    position: Position | None,
    exact: bool,
) -> Page:
    """A page of those that pass the filters, in this order. `exact` counts them all; without filters their number is known anyway."""
    keys = keys_of(order)
    where, values = await _where(queries, filters)
    beyond, more = ("", []) if position is None else _beyond(keys, position)
    tail = _order_by(keys, position is not None and position.backwards)
    if filters.q is None:
        # Where the order of equal names differs from the index's, SQLite would rather sort all users than those few.
        by_name = " INDEXED BY users_name" if keys[0][0] == "name" and not where + beyond and queries.engine == "sqlite" else ""
        sql = f"SELECT {columns}, email_key FROM users{by_name} WHERE true{where}{beyond}{tail} LIMIT ? OFFSET ?"
        rows = await queries.all(sql, *values, *more, limit + 1, offset)
    elif queries.engine == "postgresql":
        passing, past = search_postgres.Part(where, values), search_postgres.Part(beyond, more)
        are_few = await _are_few(queries, filters)
        rows = await search_postgres.page(queries, columns, filters.q, passing, past, tail, limit + 1, offset, are_few)
    else:
        rows = await _search(queries, columns, filters, where + beyond, values + more, keys, tail, limit + 1, offset)
    total = await count(queries, filters) if exact or filters == ANY else None
    at = [_ROW_INDEX[column] for column, _ in keys]

    def values_of(row: Row) -> tuple[Any, ...]:
        return tuple([row[index] for index in at])

    if position is not None:
        found = _neighbour(rows, limit, position, total, values_of)
    else:
        before = Position(values_of(rows[0]), True) if offset and rows else None
        after = Position(values_of(rows[limit - 1]), False) if len(rows) > limit else None
        found = Page(rows[:limit], total, before, after)
    return found._replace(rows=[row[:-1] for row in found.rows])


async def count(queries: Queries, filters: Filters) -> int:
    """How many users pass the filters, exactly."""
    if filters is ANY:
        return places.total(await places.top(queries))
    where, values = await _where(queries, filters)
    if filters.q is None:
        row = await queries.one(f"SELECT count(*) FROM users WHERE true{where}", *values)
        return row[0] if row else 0
    if queries.engine == "postgresql":
        passing = search_postgres.Part(where, values)
        return await search_postgres.count(queries, filters.q, passing, await _are_few(queries, filters))
    if await _are_few(queries, filters):
        few = await queries.all(f"SELECT seq, name, email FROM users WHERE true{where}", *values)
        return sum([search.matches(user, filters.q) for user in few])
    sql = FOUND.format(columns="count(*)") + where
    row = await queries.one(sql, search.phrase(filters.q), *values)
    pending = await queries.all(PENDING.format(columns="users.seq, name, email") + where, *values)
    return (row[0] if row else 0) + sum([search.matches(user, filters.q) for user in pending])


async def joined(queries: Queries, times: list[int]) -> list[int]:
    """How many users were created later than each of these times, exactly, at the same small cost for any number of them."""
    if queries.engine == "postgresql":
        return [0 if first is None else total - before for first, total, before in await queries.all(JOINED, times)]
    runs = await places.top(queries)
    total = places.total(runs)
    found = []
    for at in times:
        row = await queries.one(SINCE.format(comparison=">", direction=""), at)
        found.append(0 if row is None else total - await places.before(queries, runs, row[0]))
    return found


async def count_few(queries: Queries, column: str, value: str, limit: int) -> int:
    """How many users have this role or status; counting ends at `limit`."""
    row = await queries.one(FEW[column], value, limit)
    assert row is not None  # count(*) always has a row
    return row[0]


# Where the columns one can sort by stand in a row of LISTED or WHOLE with email_key at its end.
_ROW_INDEX = {"seq": 0, "name": 2, "email_key": -1}


async def _search(
    queries: Queries,
    columns: str,
    filters: Filters,
    where: str,
    values: list[Any],
    keys: list[tuple[str, bool]],
    tail: str,
    limit: int,
    skip: int,
) -> list[Row]:
    """What the index finds and what is pending, merged in the order of `tail`; or, of the few who pass the other filters, those that match."""
    q = filters.q
    assert q is not None  # or it is no search
    qualified = ", ".join(f"users.{name}" for name in columns.split(", ")) + ", users.email_key"
    if await _are_few(queries, filters):
        few = await queries.all(f"SELECT {columns}, email_key FROM users WHERE true{where}", *values)
        return _ordered([row for row in few if search.matches((row[0], row[2], row[3]), q)], keys, tail)[skip : skip + limit]
    by_age = keys[0][0] == "seq"
    # In the order of age the index is read in its own order and stops when the page is full.
    order = tail.replace("ORDER BY seq", "ORDER BY s.rowid") if by_age else tail
    found_where = where.replace(" AND seq ", " AND s.rowid ") if by_age else where
    sql = FOUND.format(columns=qualified) + found_where + order + " LIMIT ?"
    found = await queries.all(sql, search.phrase(q), *values, skip + limit)
    pending = await queries.all(PENDING.format(columns=qualified) + where, *values)
    rows = found + [row for row in pending if search.matches((row[0], row[2], row[3]), q)]
    return _ordered(rows, keys, tail)[skip : skip + limit]


def _ordered(rows: list[Row], keys: list[tuple[str, bool]], tail: str) -> list[Row]:
    # Sorting by the last key first leaves the first key's order on top (Python's sort is stable).
    for (column, _), term in reversed(list(zip(keys, tail.split(","), strict=True))):
        rows.sort(key=lambda row, at=_ROW_INDEX[column]: row[at], reverse=term.endswith(" DESC"))  # type: ignore[misc]
    return rows


async def _are_few(queries: Queries, filters: Filters) -> bool:
    """Whether so few pass the filters beside `q` that they are looked at sooner than what the search finds, which may be all but them."""
    if filters.email is not None or filters.external_id is not None or filters.ids is not None:
        return True
    for column in FEW:
        value = getattr(filters, column)
        if value is not None and await count_few(queries, column, value, FEW_ENOUGH + 1) <= FEW_ENOUGH:
            return True
    return False


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


def _neighbour(
    rows: list[Row], limit: int, position: Position, total: int | None, values_of: Callable[[Row], tuple[Any, ...]]
) -> Page:
    more = len(rows) > limit
    rows = rows[:limit]
    if not rows:
        return Page([], total, None, None)
    if position.backwards:
        rows.reverse()
    first, last = Position(values_of(rows[0]), True), Position(values_of(rows[-1]), False)
    if position.backwards:
        return Page(rows, total, first if more else None, last)
    return Page(rows, total, first, last if more else None)
