"""The list of users on PostgreSQL, where pages are rows: making them into JSON there would cost more than it saves
here."""

from __future__ import annotations

from rollbook.records.event_log import NEWEST
from rollbook.records.user_counts import NEAR
from rollbook.records.user_list import LISTED, UserPage, page_of, read
from rollbook.records.user_list.query import Part, Query
from rollbook.storage.database import Database

WITH_USERS = "{} JOIN users USING (seq)"
BY_NAME = BY_DATE = "users"

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


def beyond_date(sign: str, date: int, seq: int) -> tuple[Part, ...]:
    """Compare as a pair: asked for one date, PostgreSQL may rather go through the index of positions, however far."""
    return (Part(f" AND (created_at, seq) {sign} (?, ?)", [date, seq]),)


async def page(db: Database, query: Query) -> UserPage:
    if query.eventual:
        return await db.read_eventually(read, query)
    if query.is_plain and query.listed and query.offset <= NEAR and not query.is_backwards:
        after = 0 if query.position is None else query.position.values[0]
        rows = await db.all(PAGE_AFTER, after, query.limit + 1, query.offset)
        total, position = rows[0][:2]
        return page_of(LISTED, query, [row[2:] for row in rows] if rows[0][2] is not None else [], total)._replace(
            position=position
        )
    return await db.read(read, query)
