"""The list of users: pages at any offset, filters, orders, search and totals, always of the newest state.

The plain list (no filter, in the order in which users were added or the other way round) finds its page by
`user_counts`, at the same cost for any offset. All others read an index, and go on from where a page ended by the last
row's own values (keyset), so that no row shows twice or is skipped when others come or go.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from rollbook import clock, roles
from rollbook.records import event_log, groups, user_dates, user_metadata, users
from rollbook.records.dialect import dialect
from rollbook.records.user_list.query import (
    ANY,
    AS_ADDED,
    LAST_ADDED_FIRST,
    PERSONS,
    Filters,
    Part,
    Position,
    Query,
    beyond,
    count_rows,
    from_number,
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
NTH = "SELECT seq FROM users WHERE seq >= ?{} ORDER BY seq LIMIT 1 OFFSET ?"
FEW = 2_000
"""Users that are looked at one by one: 5 ms."""
FAR = 1_000
"""Offset up to which skipping rows is cheaper than finding the position."""
MANY = 20_000
"""Users with a role or status, beyond which a list by date is walked for them: sorting so many takes 30 ms."""
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
    @property
    def BY_NAME(self) -> str:
        """`users`, to be read in the order of names."""
        ...

    @property
    def BY_DATE(self) -> str:
        """`users`, to be read in the order of dates."""
        ...

    @property
    def WITH_USERS(self) -> str:
        """METADATA or MEMBERS, where it says {}, and the `users` of its rows, to be read in the order of the former."""
        ...

    def is_application(self, seq: str) -> str:
        """Condition on users, where `seq` is the column of that number: they are applications, to whom an index
        leads."""
        ...

    def beyond_date(self, sign: str, date: int, seq: int) -> tuple[Part, ...]:
        """Users past one with this date and position, `sign` being < or >, in parts that follow one another in the
        order of dates: the index leads to each, however many have the date."""
        ...

    async def page(self, db: Database, query: Query) -> UserPage: ...


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
    if query.filters.deleted_since is not None:
        return await _read_deleted(queries, _OF_DELETED[columns], query)
    query = await settled(queries, query)
    by = query.order[0].name
    if query.filters.q is not None:
        rows = await dialect(queries).user_search.find(queries, columns, query)
        total = await read_count(queries, query.filters) if query.count else None
        return page_of(columns, query, rows, total)
    if by == "added" and _is_led(query.filters) and not await are_few(queries, query.filters):
        return await _read_led(queries, columns, query)
    if (
        by == "added"
        and _has_dates(query.filters)
        and (rows := await _read_by_position(queries, columns, query)) is not None
    ):
        return page_of(columns, query, rows, await read_count(queries, query.filters) if query.count else None)
    if by == "created_at":
        return await _read_by_date(queries, columns, query)
    offset, total, past = query.offset, None, beyond(query)
    if offset and query.filters in (ANY, PERSONS) and query.order in (AS_ADDED, LAST_ADDED_FIRST):
        where, offset, total = await _start(queries, query)
    else:
        where = await passing(queries, query.filters)
        if offset > FAR:
            skipped = await passing(queries, query.filters, walks_far=True)
            total = await read_count(queries, query.filters) if _is_counted(query.filters) else None
            position = await _last_skipped(queries, query, skipped, total, "users")
            past, offset = from_number(None) if position is None else beyond(query._replace(position=position)), 0
    # Where the order of equal names differs from the index's, SQLite would rather sort all users than those few.
    in_order_of_names = query.order[0].name == "name" and query.filters in (ANY, PERSONS) and not past.sql
    table = dialect(queries).user_list.BY_NAME if in_order_of_names else "users"
    sql = f"SELECT {columns}, email_key FROM {table} WHERE true{where.sql}{past.sql}{order_by(query)} LIMIT ? OFFSET ?"
    rows = await queries.all(sql, *where.values, *past.values, query.limit + 1, offset)
    if total is None and (query.count or query.filters in (ANY, PERSONS)):
        total = await read_count(queries, query.filters)
    return page_of(columns, query, rows, total)


async def _read_by_position(queries: Queries, columns: str, query: Query) -> list[Row] | None:
    """Rows of a page of users with dates before `mixed_until`, in the order in which they were added: those among whom
    it is, if the list begins with enough of them; otherwise, all with these dates are read in their index, and sorted.
    None: another filter leads to them."""
    past = from_number(1) if query.position is None else beyond(query)
    end, values = f"{order_by(query)} LIMIT ? OFFSET ?", (query.limit + 1, query.offset)
    where = await passing(queries, query.filters, "page.seq")
    page = f"(SELECT * FROM users WHERE true{past.sql}{order_by(query)} LIMIT ?) AS page"
    sql = f"SELECT {columns}, email_key FROM {page} WHERE true{where.sql}{end}"
    looked = LOOKED_AT * (query.limit + query.offset)
    rows = await queries.all(sql, *past.values, min(looked, FAR * LOOKED_AT), *where.values, *values)
    if len(rows) == query.limit + 1:
        return rows
    if query.filters != _only_dates(query.filters):
        return None
    where = await passing(queries, query.filters)
    # The LIMIT, which cuts off none, makes the index of dates what finds them.
    dated = f"(SELECT seq FROM users WHERE true{where.sql} LIMIT {1 << 62}) AS dated"
    page = f"SELECT seq FROM {dated} WHERE true{past.sql}{end}"
    sql = f"SELECT {columns}, email_key FROM users WHERE seq IN (SELECT seq FROM ({page}) AS page){order_by(query)}"
    return await queries.all(sql, *where.values, *past.values, *values)


async def _read_by_date(queries: Queries, columns: str, query: Query) -> UserPage:
    """By date where positions say something else. Of users with the date of the position, there may be many: they are
    looked for by their own."""
    where = await passing(queries, query.filters)
    is_counted = query.filters in (ANY, PERSONS)
    total = await read_count(queries, query.filters) if query.count or is_counted else None
    table = dialect(queries).user_list.BY_DATE if await _is_walked(queries, query.filters) else "users"
    if query.offset > FAR:
        skipped = await passing(queries, query.filters, walks_far=True)
        position = await _last_skipped(queries, query, skipped, total if is_counted else None, table)
        if position is None:
            return page_of(columns, query, [], total)
        pasts, offset = _beyond_date(queries, query._replace(position=position)), 0
    else:
        pasts, offset = _beyond_date(queries, query), query.offset
    select, end = (
        f"SELECT {columns}, email_key FROM {table} WHERE true{where.sql}",
        f"{order_by(query)} LIMIT ? OFFSET ?",
    )
    rows: list[Row] = []
    for part in pasts:
        wanted = query.limit + 1 - len(rows)
        if wanted:
            rows += await queries.all(f"{select}{part.sql}{end}", *where.values, *part.values, wanted, offset)
    return page_of(columns, query, rows, total)


def _beyond_date(queries: Queries, query: Query) -> tuple[Part, ...]:
    """Rows past the position, in parts that follow one another."""
    keys = sort_keys(query.order)
    if query.position is None or len(keys) > 2:
        return (beyond(query),)
    return dialect(queries).user_list.beyond_date(
        "<" if keys[0][1] != query.is_backwards else ">", *query.position.values
    )


async def _is_walked(queries: Queries, filters: Filters) -> bool:
    """Test whether the index of dates is to be read, whatever else there is: no other filter leads to few users."""
    if filters == _only_dates(filters):
        return True
    if (
        filters.metadata is not None
        or filters.email is not None
        or filters.external_id is not None
        or filters.ids is not None
    ):
        return False
    return not await are_few(queries, filters, MANY)


def _has_dates(filters: Filters) -> bool:
    return filters.created_after is not None or filters.created_before is not None


def _only_dates(filters: Filters) -> Filters:
    """These filters without all others."""
    return Filters(
        created_after=filters.created_after,
        created_before=filters.created_before,
        first_seq=filters.first_seq,
        last_seq=filters.last_seq,
    )


async def _last_skipped(queries: Queries, query: Query, where: Part, total: int | None, table: str) -> Position | None:
    """The last one before the offset. Up to there only what orders the list is read, which an index may hold by itself;
    and where the total is known, from the end of the list that is nearer."""
    skipped, backwards = query.offset - 1, False
    if total is not None:
        if query.offset >= total:
            return None
        if backwards := query.offset > total // 2:
            skipped = total - query.offset
    keys = sort_keys(query.order)
    if keys[0][0] == "name" and query.filters in (ANY, PERSONS):
        table = dialect(queries).user_list.BY_NAME
    columns = ", ".join(column for column, _ in keys)
    order = order_by(query._replace(position=Position((), backwards)))
    is_falling = len(keys) == 2 and keys[0][1] and not keys[1][1]
    # equal ones rise by age, in the list and in the index: read backwards, it is right but for these, and needs no
    # sorting
    if is_falling:
        order = f" ORDER BY {', '.join(column if backwards else f'{column} DESC' for column, _ in keys)}"
    row = await queries.one(
        f"SELECT {columns} FROM {table} WHERE true{where.sql}{order} LIMIT 1 OFFSET ?", *where.values, skipped
    )
    if row is not None and is_falling:
        row = await _turned(queries, keys[0][0], where, *row)
    return None if row is None else Position(tuple(row), False)


async def _turned(queries: Queries, column: str, where: Part, value: str, seq: int) -> Row | None:
    """Return, of the users who are equal in a column, the one who is as far from the first added as this one is from
    the last."""
    equal = f"FROM users WHERE {column} = ?{where.sql}"
    after = await scalar(queries, f"SELECT count(*) {equal} AND seq > ?", value, *where.values, seq)
    return await queries.one(f"SELECT {column}, seq {equal} ORDER BY seq LIMIT 1 OFFSET ?", value, *where.values, after)


def _is_counted(filters: Filters) -> bool:
    """Test whether it is known without counting how many pass."""
    return filters == Filters(group=filters.group)


def _is_led(filters: Filters) -> bool:
    """Test whether an index has those who pass in the order in which they were added."""
    return filters.metadata is not None or filters.group is not None


async def _read_led(queries: Queries, columns: str, query: Query) -> UserPage:
    """Read users as they were added, in the order of the index of metadata or of members: no further than to the end of
    the page, whose users alone are looked at."""
    source, where = await _led(queries, query.filters)
    past = beyond(query, "m.seq")
    page = f"SELECT m.seq FROM {source}{where.sql}{past.sql}{order_by(query, 'm.seq')} LIMIT ? OFFSET ?"
    sql = f"SELECT {columns}, email_key FROM users WHERE seq IN (SELECT seq FROM ({page}) AS page){order_by(query)}"
    rows = await queries.all(sql, *where.values, *past.values, query.limit + 1, query.offset)
    return page_of(columns, query, rows, await read_count(queries, query.filters) if query.count else None)


async def _led(queries: Queries, filters: Filters) -> tuple[str, Part]:
    """Members of the group, or users with the rarest of the values, found by an index that has them in the order in
    which they were added; and the other conditions. Users are only looked at where these are about them."""
    pairs, is_rare = [], False
    if filters.metadata is not None:
        pairs, is_rare = await user_metadata.rarest_first(queries, filters.metadata, user_metadata.MANY)
    if filters.group is not None and not is_rare:
        others, led, values, source = filters._replace(group=None), "m.group_id = ?", [filters.group], MEMBERS
    else:
        others, led, source = filters._replace(metadata=None), "m.key = ? AND m.value = ?", METADATA
        led += "".join(user_metadata.condition(pairs[1:], "m.seq"))
        values = [text for pair in pairs for text in pair]
    where = await passing(queries, others, "m.seq")
    if others != Filters(first_seq=filters.first_seq, last_seq=filters.last_seq):
        source = dialect(queries).user_list.WITH_USERS.format(source)
    return source, Part(f" WHERE {led}{where.sql}", values + where.values)


async def _start(queries: Queries, query: Query) -> tuple[Part, int, int]:
    """Start of the page at an offset of all users or all persons, those to skip from there, and the total: at the same
    small cost for any offset."""
    counts, is_rising = dialect(queries).user_counts, query.order == AS_ADDED
    if query.filters == ANY and is_rising:
        found = await counts.seek(queries, query.offset)
        return from_number(found.seq), found.skip, found.total
    of_kind, total = (await passing(queries, query.filters)).sql, await read_count(queries, query.filters)
    if query.offset >= total:
        return from_number(None), 0, total
    found = await counts.seek(queries, query.offset if is_rising else total - 1 - query.offset)
    skip = found.skip
    if query.filters == PERSONS:  # of all users, there are also the applications before
        skip += await scalar(queries, COUNT_APPLICATIONS_BEFORE, found.seq)
    if is_rising:
        return Part(f"{of_kind} AND seq >= ?", [found.seq]), skip, total
    row = await queries.one(NTH.format(of_kind), found.seq, skip)
    return Part(f"{of_kind} AND seq <= ?", [row[0] if row else 0]), 0, total


async def _read_deleted(queries: Queries, columns: str, query: Query) -> UserPage:
    where, past = await passing(queries, query.filters), beyond(query)
    sql = (
        f"SELECT {columns}, deleted_at FROM deleted_users WHERE true{where.sql}{past.sql}{order_by(query)} "
        "LIMIT ? OFFSET ?"
    )
    rows = await queries.all(sql, *where.values, *past.values, query.limit + 1, query.offset)
    return page_of(columns, query, rows, await read_count(queries, query.filters) if query.count else None)


@lru_cache
def column_indexes(columns: str) -> dict[str, int]:
    """Indexes of the columns one can sort by in a row of these columns with `email_key`, of deleted users `deleted_at`,
    at its end."""
    return {
        "seq": 0,
        "name": 2,
        "created_at": columns.split(", ").index("created_at"),
        "email_key": -1,
        "deleted_at": -1,
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
    found = [users.complete(User._make(row)) for row in page.rows]
    for user, at in zip(found, page.deleted_at, strict=False):  # none, in a page of users who are not deleted
        user["deleted_at"] = clock.format_time(at)
    return found


async def count(db: Database, filters: Filters) -> int:
    """Count the users who pass the filters, exactly."""
    return await (db.read if filters == ANY else db.read_aside)(read_count, filters)


async def count_up_to(queries: Queries, filters: Filters, limit: int) -> int | None:
    """Count the users who pass the filters, exactly. None: there are more than `limit`, who would have to be
    counted."""
    found = await read_count(queries, filters, limit + 1)
    is_known = filters in (ANY, PERSONS) or _is_counted(filters)
    return found if found <= limit or is_known else None


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
        source, where = await _led(queries, filters)
        return await count_rows(queries, Part(f"{source}{where.sql}", where.values), limit)
    where = await passing(queries, filters)
    table = "users" if filters.deleted_since is None else "deleted_users"
    return await count_rows(queries, Part(f"{table} WHERE true{where.sql}", where.values), limit)


async def created_since(queries: Queries, times: list[int]) -> list[int]:
    """Count the persons who were created later than each of these times, exactly. What it costs grows with the number
    of users created from the first of them up to `user_dates.mixed_until`, and with that of applications."""
    mixed_until = await user_dates.mixed_until(queries)
    earlier = sorted({time for time in times if time < mixed_until}) if mixed_until else []
    later = [time for time in times if time not in earlier]
    asked = [*later, mixed_until] if earlier else later
    found = dict(zip(asked, await dialect(queries).user_counts.added_since(queries, asked), strict=True))
    until, users = mixed_until, found.get(mixed_until, 0)
    for time in reversed(earlier):
        users += await user_dates.count(queries, time, until)
        found[time] = users
        until = time
    first = 0 if earlier else await user_dates.first_after(queries, min(times))
    rows = [] if first is None else await queries.all(APPLICATION_DATES, first, min(times))
    applications = [row[0] for row in rows]
    return [found[time] - len(applications) + bisect_right(applications, time) for time in times]


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
