"""The list of users on PostgreSQL, where pages are rows: making them into JSON there would cost more than it saves
here."""

from __future__ import annotations

from typing import Any

from rollbook.records.event_log import NEWEST
from rollbook.records.user_counts import NEAR
from rollbook.records.user_counts import postgres as user_counts
from rollbook.records.user_list import LISTED, UserPage, page_of, read
from rollbook.records.user_list.query import BEYOND_ALL, Part, Query
from rollbook.storage.database import Database, Queries, Row

# The plain list from a user on, and the total before each row: one statement, and so of one moment. A single row
# without a user past the end.
PAGE_AFTER = f"""
    SELECT CAST((SELECT coalesce(sum(n), 0) FROM user_blocks WHERE level = 3)
        + (SELECT coalesce(sum(change), 0) FROM user_block_deltas) AS bigint), {NEWEST}, page.*
    FROM (SELECT 1) AS always LEFT JOIN LATERAL (
        SELECT seq, id, name, email, created_at, email_key FROM users WHERE seq > ?
          ORDER BY seq LIMIT ? OFFSET ?) AS page ON true"""


def is_application(seq: str) -> str:
    """It knows how few they are."""
    return "kind = 'application'"


def past_pair(column: str, sign: str, value: Any, seq: int) -> tuple[Part, ...]:
    """Compare as a pair: asked for one value, PostgreSQL may rather go through the index of positions, however far."""
    return (Part(f" AND ({column}, seq) {sign} (?, ?)", [value, seq]),)


async def table(queries: Queries, query: Query) -> str:
    """It knows what is rare."""
    return "users"


async def page(db: Database, query: Query) -> UserPage:
    if query.eventual:
        return await db.read_eventually(read, query)
    if query.is_plain and query.listed and not query.is_backwards:
        if query.offset > NEAR:
            return await db.read(_at_offset, query)
        after = 0 if query.position is None else query.position.values[0]
        return _page(query, await db.all(PAGE_AFTER, after, query.limit + 1, query.offset))
    return await db.read(read, query)


async def _at_offset(queries: Queries, query: Query) -> UserPage:
    start = await user_counts.seek(queries, query.offset)
    after = BEYOND_ALL if start.seq is None else start.seq - 1
    return _page(query, await queries.all(PAGE_AFTER, after, query.limit + 1, start.skip))


def _page(query: Query, rows: list[Row]) -> UserPage:
    total, position = rows[0][:2]
    users = [row[2:] for row in rows] if rows[0][2] is not None else []
    return page_of(LISTED, query, users, total)._replace(position=position)
