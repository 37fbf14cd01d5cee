"""The list of users: pages at any offset, filters, orders, search and totals, always of the newest state.

A page is read in one of these ways, which `_way` chooses, so that an index bounds what it costs:

| way | lists | what is read |
| --- | --- | --- |
| `_found` | with `q` | the indexes of `user_search` |
| `_at_offset` | all users or persons, as added, at an offset | `user_counts`, which knows where the page begins |
| `_led` | as added, of a group or with metadata | its index, which is in this order, up to the end of the page |
| `_dated` | as added, with dates that are not in this order | the first users; if too few match, the index of dates |
| `_in_order` | all others | the index of the order; of few, that of a filter, and they are sorted |
| `_in_order_far` | the same, far from the beginning | the index up to the page, from the nearer end, then its users |
| `_deleted` | deleted users | their table |

From a page to its neighbors, the list goes on by the values of its last or first row (keyset), so that no row shows
twice or is skipped when others come or go. On SQLite, a page of the plain list is made into JSON (`sqlite.py`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from rollbook import clock, roles
from rollbook.records import event_log, groups, user_dates, user_metadata, users
from rollbook.records.dialect import dialect
from rollbook.records.user_list.query import (
    ANY,
    END,
    LAST_ACTIVE,
    PERSONS,
    RANGES,
    Filters,
    Order,
    Part,
    Position,
    Query,
    beyond,
    count_rows,
    from_number,
    has_range,
    order_by,
    passing,
    settled,
    settled_filters,
    sort_keys,
)
from rollbook.records.users import COLUMNS, User
from rollbook.roles import DELETED
from rollbook.storage.database import Database, Queries, Row, scalar

# A list's rows hold what it shows and no more: each column costs as much as finding its row. Both begin with seq, id,
# name.
LISTED = "seq, id, name, email, created_at"
WHOLE = COLUMNS
HELD = f"{COLUMNS}, password_hash"
"""WHOLE and the hash of the password."""
# Of the deleted, `status` says so. The one they had comes back with them.
_OF_DELETED = {
    LISTED: LISTED,
    WHOLE: ", ".join([f"'{DELETED}'" if name == "status" else name for name in User._fields]),
}

METADATA = "user_metadata AS m"
MEMBERS = "(SELECT group_id, user_seq AS seq FROM group_members) AS m"
FIRST = "SELECT seq FROM users WHERE seq >= ?{} ORDER BY seq LIMIT 1 OFFSET ?"
RANKS = (LAST_ACTIVE, END)
"""Sort values that are no columns: pages in their order have them behind what they show."""
FEW = 2_000
"""Users that are looked at one by one: 5 ms."""
FAR = 1_000
"""Offset beyond which the numbers of the page are looked for first, then its users."""
LOOKED_AT = 50
"""Users compared by date, per user of the page, before the index of dates is used: 2 ms for 50."""
COUNT_FEW = {
    column: f"SELECT count(*) FROM (SELECT 1 FROM users WHERE {column} = ? LIMIT ?) AS few"
    for column in ("role", "status")
}
# What an index of applications alone answers.
COUNT_FEW_APPLICATIONS = "SELECT count(*) FROM (SELECT 1 FROM users WHERE kind = 'application' LIMIT ?) AS few"
# As the plus sign keeps SQLite from asking the index of dates.
APPLICATION_DATES = """
    SELECT created_at FROM users WHERE kind = 'application' AND seq >= ? AND +created_at > ? ORDER BY 1"""
COUNT_APPLICATIONS_BEFORE = "SELECT count(*) FROM users WHERE kind = 'application' AND seq < ?"


class UserPage(NamedTuple):
    """Rows of LISTED or WHOLE; or `json`, an array of objects with id, name, email and created_at, in list order.
    `total` is None when it was not asked for. `before` and `after` say where the neighboring pages begin, None where
    there is none. `deleted_at` is when each user was deleted, in a page of deleted users."""

    rows: list[Row]
    json: bytes | None
    total: int | None
    before: Position | None
    after: Position | None
    position: int = 0
    """Position of the event log: the page has all changes up to there."""
    deleted_at: tuple[int, ...] = ()


class UserList(Protocol):
    def is_application(self, seq: str) -> str:
        """Condition on users, where `seq` is the column of that number: they are applications, to whom an index
        leads."""
        ...

    def past_pair(self, column: str, sign: str, value: Any, seq: int) -> tuple[Part, ...]:
        """Users past the one with this value and number, `sign` being < or >, in parts that follow one another: the
        index of the column leads to each, however many have the value."""
        ...

    async def table(self, queries: Queries, query: Query) -> str:
        """`users`, to be read in the order of the query unless one of its filters leads to few."""
        ...

    async def page(self, db: Database, query: Query) -> UserPage: ...


Found = tuple[list[Row], int | None]
"""Rows of a page with `email_key` at their end, one more than the limit where there are more; and the total, where it
was read on the way."""
Way = Callable[[Queries, str, Query], Awaitable[Found]]


async def page(db: Database, query: Query) -> UserPage:
    """A page of users: read on the event loop if an index bounds its cost, otherwise in a thread or from a standby."""
    return await dialect(db).user_list.page(db, query)


async def read(queries: Queries, query: Query) -> UserPage:
    """The page, from the caller's own snapshot."""
    position = await event_log.position(queries)
    return (await _read(queries, LISTED if query.listed else WHOLE, query))._replace(position=position)


async def read_held(queries: Queries, query: Query) -> UserPage:
    """The page with rows of HELD, from the caller's own snapshot. Not of deleted users."""
    return await _read(queries, HELD, query)


async def _read(queries: Queries, columns: str, query: Query) -> UserPage:
    query = await settled(queries, query)
    way = await _way(queries, query)
    width, ranks = len(columns.split(", ")), [column for column, _ in sort_keys(query.order) if column in RANKS]
    columns = ", ".join([columns, *ranks])
    rows, total = await way(queries, columns, query)
    if total is None and (query.count or query.filters in (ANY, PERSONS)):
        total = await read_count(queries, query.filters)
    page = page_of(columns, query, rows, total)
    return page._replace(rows=[row[:width] for row in page.rows]) if ranks else page


async def _way(queries: Queries, query: Query) -> Way:
    """The way to read the page of a settled query."""
    filters, is_as_added = query.filters, query.order[0].name == "added"
    if filters.deleted_since is not None:
        return _deleted
    if filters.q is not None:
        return _found
    if is_as_added and query.offset and filters in (ANY, PERSONS):
        return _at_offset
    if is_as_added and _is_led(filters) and not await are_few(queries, filters):
        return _led
    if is_as_added and has_range(filters):
        return _dated
    return _in_order_far if query.offset > FAR else _in_order


async def _deleted(queries: Queries, columns: str, query: Query) -> Found:
    where, past = await passing(queries, query.filters), beyond(query)
    users = f"deleted_users WHERE true{where.sql}{past.sql}{order_by(query)} LIMIT ? OFFSET ?"
    sql = f"SELECT {_OF_DELETED[columns]}, deleted_at FROM {users}"
    return await queries.all(sql, *where.values, *past.values, query.limit + 1, query.offset), None


async def _found(queries: Queries, columns: str, query: Query) -> Found:
    return await dialect(queries).user_search.find(queries, columns, query), None


async def _at_offset(queries: Queries, columns: str, query: Query) -> Found:
    total = await read_count(queries, query.filters)
    if query.offset >= total:
        return [], total
    is_rising, of_kind = not query.order[0].descending, (await passing(queries, query.filters)).sql
    start = await dialect(queries).user_counts.seek(queries, query.offset if is_rising else total - 1 - query.offset)
    skip = start.skip
    if query.filters == PERSONS:  # of all users, there are also the applications before
        skip += await scalar(queries, COUNT_APPLICATIONS_BEFORE, start.seq)
    first = Part(f" AND seq {'>=' if is_rising else '<='} ({FIRST.format(of_kind)})", [start.seq, skip])
    users = Part(f"users WHERE true{of_kind}{first.sql}", first.values)
    return await _select(queries, columns, query._replace(offset=0), users), total


async def _led(queries: Queries, columns: str, query: Query) -> Found:
    source = await _leading(queries, query.filters)
    past = beyond(query, "m.seq")
    users = f"{source.sql}{past.sql}{order_by(query, 'm.seq')} LIMIT ? OFFSET ?"
    numbers = Part(f"SELECT m.seq FROM {users}", [*source.values, *past.values, query.limit + 1, query.offset])
    return await _select_numbered(queries, columns, query, numbers), None


async def _leading(queries: Queries, filters: Filters) -> Part:
    """Clause behind FROM for `m.seq` of members of the group, or of users with the rarest of the values, who pass the
    other filters as well. Users are only looked at where these are about them."""
    pairs, is_rare = [], False
    if filters.metadata is not None:
        pairs, is_rare = await user_metadata.rarest_first(queries, filters.metadata, user_metadata.MANY)
    if filters.group is not None and not is_rare:
        others, source, led, values = filters._replace(group=None), MEMBERS, "m.group_id = ?", [filters.group]
    else:
        others, source, led = filters._replace(metadata=None), METADATA, "m.key = ? AND m.value = ?"
        led += "".join(user_metadata.condition(pairs[1:], "m.seq"))
        values = [text for pair in pairs for text in pair]
    if others != Filters(first_seq=filters.first_seq, last_seq=filters.last_seq):
        source, led = (
            f"{source} CROSS JOIN users",
            f"users.seq = m.seq AND {led}",
        )  # SQLite never turns CROSS JOIN around
    where = await passing(queries, others, "m.seq")
    return Part(f"{source} WHERE {led}{where.sql}", values + where.values)


async def _dated(queries: Queries, columns: str, query: Query) -> Found:
    past = from_number(1) if query.position is None else beyond(query)
    where = await passing(queries, query.filters, "page.seq")
    looked = min(LOOKED_AT * (query.limit + query.offset), LOOKED_AT * FAR)
    first = f"(SELECT * FROM users WHERE true{past.sql}{order_by(query)} LIMIT ?) AS page"
    users = Part(f"{first} WHERE true{where.sql}", [*past.values, looked, *where.values])
    rows = await _select(queries, columns, query, users)
    if len(rows) > query.limit:
        return rows, None
    if query.filters != _only_dates(query.filters):  # another filter leads to them
        return await (_in_order_far if query.offset > FAR else _in_order)(queries, columns, query)
    where = await passing(queries, query.filters)
    # The LIMIT, which cuts off none, makes the index of dates what finds them.
    dated = f"(SELECT seq FROM users WHERE true{where.sql} LIMIT {1 << 62}) AS dated"
    page = f"SELECT seq FROM {dated} WHERE true{past.sql}{order_by(query)} LIMIT ? OFFSET ?"
    numbers = Part(page, [*where.values, *past.values, query.limit + 1, query.offset])
    return await _select_numbered(queries, columns, query, numbers), None


def _only_dates(filters: Filters) -> Filters:
    """These filters without all others."""
    return Filters(**{name: getattr(filters, name) for name in (*RANGES, "first_seq", "last_seq")})


async def _in_order(queries: Queries, columns: str, query: Query) -> Found:
    table = await dialect(queries).user_list.table(queries, query)
    where = await passing(queries, query.filters)
    rows: list[Row] = []
    parts = _beyond_in_parts(queries, query)
    for number, past in enumerate(parts):
        users = Part(f"{table} WHERE true{where.sql}{past.sql}", [*where.values, *past.values])
        # The first of two has users of one value: what is the order of their numbers needs no sorting.
        order = (Order("added", query.order[0].descending),) if number < len(parts) - 1 else query.order
        rows += await _select(queries, columns, query._replace(order=order, limit=query.limit - len(rows)), users)
        if len(rows) > query.limit:
            break
    return rows, None


def _beyond_in_parts(queries: Queries, query: Query) -> tuple[Part, ...]:
    """Rows past the position, in parts that follow one another: of equal names or dates there may be many."""
    (column, falls), *others = sort_keys(query.order)
    if query.position is None or others != [("seq", falls)]:
        return (beyond(query),)
    sign = "<" if falls != query.is_backwards else ">"
    return dialect(queries).user_list.past_pair(column, sign, *query.position.values)


async def _in_order_far(queries: Queries, columns: str, query: Query) -> Found:
    table = await dialect(queries).user_list.table(queries, query)
    where = await passing(queries, query.filters, walks_far=True)
    total, limit, skip, from_end = None, query.limit + 1, query.offset, False
    if query.filters in (ANY, PERSONS) or _is_counted(query.filters):
        total = await read_count(queries, query.filters)
        if query.offset > total // 2:
            limit, from_end = max(0, min(limit, total - query.offset)), True
            skip = max(0, total - query.offset - limit)
    end = f"{order_by(query, turned=from_end)} LIMIT ? OFFSET ?"
    numbers = Part(f"SELECT seq FROM {table} WHERE true{where.sql}{end}", [*where.values, limit, skip])
    return await _select_numbered(queries, columns, query, numbers), total


async def _select(queries: Queries, columns: str, query: Query, users: Part) -> list[Row]:
    """The page of the users behind FROM."""
    sql = f"SELECT {columns}, email_key FROM {users.sql}{order_by(query)} LIMIT ? OFFSET ?"
    return await queries.all(sql, *users.values, query.limit + 1, query.offset)


async def _select_numbered(queries: Queries, columns: str, query: Query, numbers: Part) -> list[Row]:
    """Users whose numbers are selected: where an index has these by itself, no others are looked at."""
    users = f"users WHERE seq IN (SELECT seq FROM ({numbers.sql}) AS page)"
    return await queries.all(f"SELECT {columns}, email_key FROM {users}{order_by(query)}", *numbers.values)


def _is_counted(filters: Filters) -> bool:
    """Test whether it is known without counting how many pass."""
    return filters == Filters(group=filters.group)


def _is_led(filters: Filters) -> bool:
    """Test whether an index has those who pass in the order in which they were added."""
    return filters.metadata is not None or filters.group is not None


@lru_cache
def column_indexes(columns: str) -> dict[str, int]:
    """Indexes of the columns one can sort by in a row of these columns with `email_key`, of deleted users `deleted_at`,
    at its end."""
    names = columns.split(", ")
    return {
        "seq": 0,
        "name": 2,
        "created_at": names.index("created_at"),
        "email_key": -1,
        "deleted_at": -1,
        **{rank: names.index(rank) for rank in RANKS if rank in names},
    }


def page_of(columns: str, query: Query, rows: list[Row], total: int | None) -> UserPage:
    """From rows of these columns with `email_key` (of deleted users, `deleted_at`) at their end, one more than the
    limit where there are more."""
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    if query.is_backwards:
        rows.reverse()
    if not rows:
        return UserPage([], None, total, None, None)
    where = column_indexes(columns)
    at = [where[column] for column, _ in sort_keys(query.order)]
    first = Position(tuple([rows[0][index] for index in at]), True)
    last = Position(tuple([rows[-1][index] for index in at]), False)
    has_before = more if query.is_backwards else query.position is not None or query.offset > 0
    has_after = query.is_backwards or more
    deleted_at = tuple([row[-1] for row in rows]) if query.filters.deleted_since is not None else ()
    return UserPage(
        [row[:-1] for row in rows],
        None,
        total,
        first if has_before else None,
        last if has_after else None,
        deleted_at=deleted_at,
    )


def public(page: UserPage) -> list[dict[str, Any]]:
    """All that may be seen of the users of a page of WHOLE rows."""
    people = [users.complete(User._make(row)) for row in page.rows]
    for user, at in zip(people, page.deleted_at, strict=False):  # none, in a page of users who are not deleted
        user["deleted_at"] = clock.format_time(at)
    return people


async def count(db: Database, filters: Filters) -> int:
    """Count the users who pass the filters, exactly."""
    return await (db.read if filters == ANY else db.read_aside)(read_count, filters)


async def count_up_to(queries: Queries, filters: Filters, limit: int) -> int | None:
    """Count the users who pass the filters, exactly. None: there are more than `limit`, who would have to be
    counted."""
    number = await read_count(queries, filters, limit + 1)
    is_known = filters in (ANY, PERSONS) or _is_counted(filters)
    return number if number <= limit or is_known else None


async def read_count(queries: Queries, filters: Filters, limit: int | None = None) -> int:
    """Count the users who pass the filters, exactly, from the caller's own snapshot. With `limit`, counting ends there,
    unless their number is known."""
    filters = await settled_filters(queries, filters)
    if filters == ANY:
        return await dialect(queries).user_counts.total(queries)
    if filters.kind == roles.PERSON and filters.deleted_since is None:  # all but the few
        applications = await read_count(queries, filters._replace(kind=roles.APPLICATION))
        most = None if limit is None else limit + applications
        return await read_count(queries, filters._replace(kind=None), most) - applications
    if filters.q is not None:
        return await dialect(queries).user_search.count(queries, filters, limit)
    if filters.group is not None and _is_counted(filters):
        return await groups.size(queries, filters.group)
    few = FEW if filters.group is None else max(FEW, await groups.size(queries, filters.group) // 8)
    if _is_led(filters) and not await are_few(queries, filters, few):
        return await count_rows(queries, await _leading(queries, filters), limit)
    where = await passing(queries, filters)
    table = "users" if filters.deleted_since is None else "deleted_users"
    return await count_rows(queries, Part(f"{table} WHERE true{where.sql}", where.values), limit)


async def created_since(queries: Queries, times: list[int]) -> list[int]:
    """Count the persons who were created later than each of these times, exactly. What it costs grows with the number
    of users created from the first of them up to `user_dates.mixed_until`, and with that of applications."""
    mixed_until = await user_dates.mixed_until(queries)
    earlier = sorted({time for time in times if time < mixed_until}) if mixed_until else []
    later = [time for time in times if time not in earlier]
    bounds = [*later, mixed_until] if earlier else later
    totals = dict(zip(bounds, await dialect(queries).user_counts.added_since(queries, bounds), strict=True))
    until, users = mixed_until, totals.get(mixed_until, 0)
    for time in reversed(earlier):
        users += await user_dates.count(queries, time, until)
        totals[time] = users
        until = time
    first = 0 if earlier else await user_dates.first_after(queries, min(times))
    rows = [] if first is None else await queries.all(APPLICATION_DATES, first, min(times))
    applications = [row[0] for row in rows]
    return [totals[time] - len(applications) + bisect_right(applications, time) for time in times]


async def are_few(queries: Queries, filters: Filters, few: int | None = None) -> bool:
    """Test whether so few users, FEW unless another number is given, pass the filters on their own columns that looking
    at each of them is cheaper than a search among all."""
    few = FEW if few is None else few
    if filters.email is not None or filters.external_id is not None or filters.ids is not None:
        return True
    if filters.group is not None and await groups.size(queries, filters.group) <= few:
        return True
    if filters.kind == roles.APPLICATION and await scalar(queries, COUNT_FEW_APPLICATIONS, few + 1) <= few:
        return True
    for column in COUNT_FEW:
        value = getattr(filters, column)
        if value is not None and await count_few(queries, column, value, few + 1) <= few:
            return True
    return False


async def count_few(queries: Queries, column: str, value: str, limit: int) -> int:
    """Count the users who have this role or status; counting ends at `limit`."""
    return await scalar(queries, COUNT_FEW[column], value, limit)
