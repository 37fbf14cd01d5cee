"""The list of users on SQLite, where reads run on the event loop: only those that an index bounds may."""

from __future__ import annotations

from rollbook.records import event_log
from rollbook.records.event_log import NEWEST
from rollbook.records.user_counts import sqlite as user_counts
from rollbook.records.user_list import Page, read
from rollbook.records.user_list.query import Filters, Order, Position, Query
from rollbook.storage.database import Database, Queries

BY_METADATA = "user_metadata AS m CROSS JOIN users USING (seq)"
INDEX_METADATA = """
    INSERT INTO user_metadata SELECT key, value, seq FROM user_metadata_pairs WHERE seq > ? AND seq <= ? ON CONFLICT DO NOTHING"""
BY_NAME = "users INDEXED BY users_name"
NEAR = 1_000
"""Rows that may be skipped on the event loop."""

# Made into JSON by SQLite: one value instead of a hundred crosses over to Python, which halves the cost of a page.
PAGE_AT = f"""
    SELECT CAST(json_group_array(json_object('id', id, 'name', name, 'email', email, 'created_at', created)) AS BLOB), count(*), min(seq), max(seq), {NEWEST}
    FROM (SELECT seq, id, name, email, created FROM users WHERE seq >= ? ORDER BY seq LIMIT ? OFFSET ?)"""
PAGE_AFTER = f"""
    SELECT CAST(json_group_array(json_object('id', id, 'name', name, 'email', email, 'created_at', created)) AS BLOB), count(*), min(seq), max(seq), {NEWEST}
    FROM (SELECT seq, id, name, email, created FROM users WHERE seq > ? ORDER BY seq LIMIT ?)"""
ANY_AFTER = "SELECT 1 FROM users WHERE seq > ? LIMIT 1"


async def page(db: Database, query: Query) -> Page:
    if query.is_plain:
        return await db.read(_as_json if query.listed and not query.is_backwards else read, query)
    is_short = (
        query.filters.q is None
        and query.filters.metadata is None
        and not query.count
        and query.offset <= NEAR
        and _is_indexed(query.filters, query.order)
    )
    return await (db.read if is_short else db.read_aside)(read, query)


async def _as_json(queries: Queries, query: Query) -> Page:
    if query.position is not None:
        row = await queries.one(PAGE_AFTER, *query.position.values, query.limit)
        assert row is not None  # an aggregate always has a row
        json, users, first, last, position = row
        total = await user_counts.total(queries)
        if not users:
            return Page([], json, total, None, None, position)
        more = users == query.limit and await queries.one(ANY_AFTER, last) is not None
        return Page([], json, total, Position((first,), True), Position((last,), False) if more else None, position)
    place = await user_counts.seek(queries, query.offset)
    if place.seq is None:
        return Page([], b"[]", place.total, None, None, await event_log.position(queries))
    row = await queries.one(PAGE_AT, place.seq, query.limit, place.skip)
    assert row is not None  # an aggregate always has a row
    json, users, first, last, position = row
    before = Position((first,), True) if query.offset else None
    after = Position((last,), False) if query.offset + users < place.total else None
    return Page([], json, place.total, before, after, position)


def _is_indexed(filters: Filters, order: tuple[Order, ...]) -> bool:
    """Whether an index leads to the page at once, so that the read is short for any number of users."""
    if filters.deleted_since is not None:
        return False
    if filters.email is not None or filters.external_id is not None or filters.ids is not None:
        return True
    several = (filters.role is not None) + (filters.status is not None)
    if order[0].name == "created_at":
        return several <= 1
    # In order of email the index gives all users, and those that pass the filters may be few and far between. A name may be that of half
    # of them, which are then walked, or sorted, to find the place among equals.
    return order[0].name == "email" and several == 0 and filters.created_after is None and filters.created_before is None
