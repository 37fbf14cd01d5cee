"""The list of users on SQLite, where reads run on the event loop: only those that an index bounds may."""

from __future__ import annotations

from typing import Any

from rollbook.records.event_log import NEWEST
from rollbook.records.user_counts import sqlite as user_counts
from rollbook.records.user_list import UserPage, are_few, read
from rollbook.records.user_list.query import (
    AS_ADDED,
    LAST_ADDED_FIRST,
    PERSONS,
    Filters,
    Part,
    Position,
    Query,
    has_range,
    settled,
)
from rollbook.roles import APPLICATION
from rollbook.storage.database import Database, Queries, Row

INDEXES = {
    "name": "users_name",
    "created_at": "users_created_at",
    "email": "sqlite_autoindex_users_2",
    "last_active_at": "users_last_active_at",
    "ends_at": "users_ends_at",
}
"""Of each order, the index that has all users in it."""
BOUNDS = {
    "added": ("first_seq", "last_seq"),
    "created_at": ("created_after", "created_before", "first_seq", "last_seq"),
    "last_active_at": ("active_after", "active_before"),
    "ends_at": ("ends_after", "ends_before"),
}
"""Of an order, the filters that say where in its index to begin and to end."""
MANY = 20_000
"""Users whom a filter leaves, beyond which the index of the order is read instead: sorting so many takes 30 ms."""
NEAR = 1_000
"""Rows that may be skipped on the event loop."""


def _made_json(users: str) -> str:
    """Made into JSON by SQLite: one value instead of a hundred crosses over to Python, which halves the cost of a
    page."""
    return f"""
        SELECT CAST(json_group_array(json_object('id', id, 'name', name, 'email', email, 'created_at',
          created)) AS BLOB), count(*), min(seq), max(seq),
               {NEWEST}, ({user_counts.TOTAL})
        FROM (SELECT seq, id, name, email, created FROM users WHERE {users})"""


PAGE_AT = _made_json("seq >= ? ORDER BY seq LIMIT ? OFFSET ?")
PAGE_AFTER = _made_json("seq > ? ORDER BY seq LIMIT ?")
ANY_AFTER = "SELECT 1 FROM users WHERE seq > ? LIMIT 1"


def is_application(seq: str) -> str:
    """It has no statistics, and would walk all users in their order, or all with a role or status."""
    return f"{seq} IN (SELECT seq FROM users INDEXED BY users_applications WHERE kind = 'application')"


def past_pair(column: str, sign: str, value: Any, seq: int) -> tuple[Part, ...]:
    """SQLite compares no pair with an index and the number of a row."""
    return Part(f" AND {column} = ? AND seq {sign} ?", [value, seq]), Part(f" AND {column} {sign} ?", [value])


async def table(queries: Queries, query: Query) -> str:
    """It has no statistics, and would rather sort half of the users than walk an index until the page is full."""
    by, filters = query.order[0].name, query.filters
    if by in BOUNDS:
        if _has_others(filters, by):  # their index may lead to few
            return "users"
        filters = filters._replace(**dict.fromkeys(BOUNDS[by]))
    elif filters not in (
        Filters(kind=filters.kind, role=filters.role),
        Filters(kind=filters.kind, status=filters.status),
    ):
        return "users"  # who passes several filters may be far between
    if by not in INDEXES or filters.metadata is not None or await are_few(queries, filters, MANY):
        return "users"
    return f"users INDEXED BY {INDEXES[by]}"


async def page(db: Database, query: Query) -> UserPage:
    if query.is_plain:
        if not query.listed or query.is_backwards:
            return await db.read(read, query)
        if query.position is None and query.offset <= user_counts.NEAR:  # one statement is a snapshot by itself
            return _page(query, await db.one(PAGE_AT, 0, query.limit, query.offset))
        return await db.read(_as_json, query)
    return await (db.read if await _is_short(db, query) else db.read_aside)(read, query)


async def _is_short(db: Database, query: Query) -> bool:
    filters = query.filters
    if filters.kind is not None and not await are_few(db, Filters(kind=APPLICATION), NEAR):
        return False
    if filters == PERSONS and query.order in (AS_ADDED, LAST_ADDED_FIRST):
        return True
    return (
        filters.q is None
        and filters.metadata is None
        and not query.count
        and query.offset <= NEAR
        and _is_indexed(await settled(db, query))
    )


async def _as_json(queries: Queries, query: Query) -> UserPage:
    if query.position is None:
        start = await user_counts.seek(queries, query.offset)
        return _page(query, await queries.one(PAGE_AT, start.seq, query.limit, start.skip))
    result = _page(query, await queries.one(PAGE_AFTER, *query.position.values, query.limit))
    is_last = result.after is None or await queries.one(ANY_AFTER, *result.after.values) is None
    return result._replace(after=None) if is_last else result


def _page(query: Query, row: Row | None) -> UserPage:
    """Page from a row of PAGE_AT; of PAGE_AFTER, a full page may be the last one."""
    assert row is not None  # an aggregate always has a row
    json, users, first, last, position, total = row
    before = Position((first,), True) if users and (query.position is not None or query.offset) else None
    has_after = query.offset + users < total if query.position is None else users == query.limit
    return UserPage([], json, total, before, Position((last,), False) if has_after else None, position)


def _is_indexed(query: Query) -> bool:
    """Test whether an index leads to the page at once, so that the read is short for any number of users. The query is
    `settled`."""
    filters, by = query.filters, query.order[0].name
    if filters.deleted_since is not None:
        return False
    if filters.email is not None or filters.external_id is not None or filters.ids is not None:
        return True
    looks = filters.email_verified, filters.second_factor, filters.status_since_before
    if looks != (None, None, None):  # who passes may be far between
        return False
    has_dates = _has_others(filters, by)
    several = (filters.role is not None) + (filters.status is not None)
    if filters.group is not None:
        return by == "added" and several == 0 and not has_dates
    if by == "added":
        return several <= 1 and not has_dates
    if by in BOUNDS:  # of users with one date there may be many, who are sorted by what follows it
        return several == 0 and not has_dates and len(query.order) == 1
    # In order of email the index gives all users, and those that pass the filters may be few and far between. A name
    # may be that of half of them, which are then walked, or sorted, to find the place among equals.
    return by == "email" and several == 0 and not has_dates


def _has_others(filters: Filters, by: str) -> bool:
    """Test whether there are other bounds than those of the order."""
    others = filters._replace(**dict.fromkeys(BOUNDS.get(by, ())))
    return has_range(others) or others.first_seq is not None or others.last_seq is not None
