"""Places in the list of users on PostgreSQL, where a count that all writers change would make them wait for each other.

So each writer appends what it changed to `user_block_deltas`, and one server folds these rows into `user_blocks`, a row
for each block of each level. Readers add up both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rollbook.records.user_counts import BITS, OffsetPosition
from rollbook.storage.database import EACH, Database, Queries, Statement, Statements, Tx, scalar

APPEND = Statement("INSERT INTO user_block_deltas (run, change) VALUES (?, ?)", together=EACH)
ANY_APPENDED = "SELECT 1 FROM user_block_deltas LIMIT 1"
FOLD = """
    WITH gone AS (DELETE FROM user_block_deltas RETURNING run, change)
    INSERT INTO user_blocks (level, block, n)
    SELECT level, run >> (6 * (level - 1)) AS block, sum(change)
      FROM gone, generate_series(1, 3) AS level GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (level, block) DO UPDATE SET n = user_blocks.n + excluded.n"""
TOTAL = """
    SELECT CAST((SELECT coalesce(sum(n), 0) FROM user_blocks WHERE level = 3)
        + (SELECT coalesce(sum(change), 0) FROM user_block_deltas) AS bigint)"""
# The walk down all three levels, with `level` 4 as the whole list. `skip` is the offset within the block.
SEEK = """
    WITH RECURSIVE deltas AS MATERIALIZED (SELECT run, sum(change) AS n FROM user_block_deltas GROUP BY run),
    walk (level, block, skip) AS (
        SELECT 4, CAST(0 AS bigint), CAST(? AS bigint)
        UNION ALL
        SELECT walk.level - 1, inside.block, CAST(walk.skip - inside.before AS bigint)
        FROM walk, LATERAL (
            SELECT block, sum(n) AS n, sum(sum(n)) OVER (ORDER BY block) - sum(n) AS before FROM (
                SELECT block, n FROM user_blocks
                WHERE level = walk.level - 1 AND block BETWEEN walk.block << 6
                    AND CASE walk.level WHEN 4 THEN CAST(1 AS bigint) << 62 ELSE (walk.block << 6) + 63 END
                UNION ALL
                SELECT run >> 6 * (walk.level - 2), n FROM deltas
                WHERE walk.level = 4 OR run >> 6 * (walk.level - 1) = walk.block) AS counted
            GROUP BY block) AS inside
        WHERE walk.level > 1 AND inside.before <= walk.skip AND walk.skip < inside.before + inside.n)
    SELECT block << 6, skip FROM walk WHERE level = 1"""
# Of many times in one round trip: the first user created later than each, the total, and that user's rank.
ADDED_SINCE = """
    WITH deltas AS MATERIALIZED (SELECT run, sum(change) AS n FROM user_block_deltas GROUP BY run)
    SELECT first.seq,
           CAST((SELECT coalesce(sum(n), 0) FROM user_blocks WHERE level = 3) + (SELECT coalesce(sum(n), 0)
             FROM deltas) AS bigint),
           CAST((SELECT coalesce(sum(n), 0) FROM user_blocks WHERE level = 3 AND block < seq >> 18)
              + (SELECT coalesce(sum(n), 0) FROM user_blocks WHERE level = 2 AND block >= seq >> 18 << 6
                AND block < seq >> 12)
              + (SELECT coalesce(sum(n), 0) FROM user_blocks WHERE level = 1 AND block >= seq >> 12 << 6
                AND block < seq >> 6)
              + (SELECT coalesce(sum(n), 0) FROM deltas WHERE run < seq >> 6)
              + (SELECT count(*) FROM users WHERE users.seq >= first.seq >> 6 << 6 AND users.seq < first.seq) AS bigint)
    FROM unnest(CAST(? AS bigint[])) WITH ORDINALITY AS times (at, number)
    LEFT JOIN LATERAL (SELECT seq FROM users WHERE created_at > at ORDER BY created_at LIMIT 1) AS first ON true
      ORDER BY number"""

COUNTER = "users"
"""The row of `numbers` that new users take theirs from."""


async def assign(tx: Tx, now: int, how_many: int = 1) -> tuple[int, int]:
    return await tx.number(COUNTER, now, how_many)


async def reserve(tx: Tx, now: int, how_many: int) -> None:
    await tx.reserve(COUNTER, now, how_many)


async def adjust(tx: Statements, seqs: Iterable[int], change: int) -> None:
    await tx.many(APPEND, [(block, change * users) for block, users in Counter(seq >> BITS for seq in seqs).items()])


async def total(queries: Queries) -> int:
    return await scalar(queries, TOTAL)


async def seek(queries: Queries, offset: int) -> OffsetPosition:
    row = await queries.one(SEEK, offset)
    return OffsetPosition(None, 0) if row is None else OffsetPosition(*row)


async def added_since(queries: Queries, times: list[int]) -> list[int]:
    return [0 if first is None else total - before for first, total, before in await queries.all(ADDED_SINCE, times)]


async def fold(tx: Statements) -> None:
    """Count what was appended by now into its blocks."""
    await tx.run(FOLD)


async def fold_appended(db: Database) -> bool:
    """`fold`, where there is anything. A job."""
    if await db.one(ANY_APPENDED) is not None:
        await db.write(fold)
    return False
