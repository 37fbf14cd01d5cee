"""Places in the list of users on SQLite, whose only writer counts at once.

A row of `user_blocks` counts a block of level 3 or 2 and, packed, the 64 blocks inside it. Those of level 1 have no
rows of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from struct import Struct

from rollbook.records import user_dates
from rollbook.records.user_counts import BITS, NEAR, OffsetPosition
from rollbook.storage.database import Queries, Row, Statements, Tx, scalar

WIDTH = 1 << BITS
LEVELS = (3, 2)

NEWEST = """
    SELECT max((SELECT coalesce(max(seq), 0) FROM users), (SELECT coalesce(max(seq), 0) FROM sqlite_sequence
      WHERE name = 'users')),
           (SELECT max(created_at) FROM users)"""
TOP = "SELECT block, n FROM user_blocks WHERE level = 3 ORDER BY block"
TOTAL = "SELECT coalesce(sum(n), 0) FROM user_blocks WHERE level = 3"
INSIDE = "SELECT inside FROM user_blocks WHERE level = ? AND block = ?"
WITHIN = "SELECT count(*) FROM users WHERE seq >= ? AND seq < ?"
PUT = (
    "INSERT INTO user_blocks VALUES (?, ?, ?, ?) ON CONFLICT (level, block) DO UPDATE SET n = excluded.n, "
    "inside = excluded.inside"
)

_counts = Struct(f"<{WIDTH}H")
_NONE = (0,) * WIDTH


async def assign(tx: Tx, now: int, how_many: int = 1) -> tuple[int, int]:
    row = await tx.one(NEWEST)
    assert row is not None  # it has no FROM
    # Later than every user, also when the machine's clock is set back: so the order of dates is that of `seq` for all
    # who are created.
    return row[0] + 1, max(now, (row[1] or 0) + 1)


async def reserve(tx: Tx, now: int, how_many: int) -> None:
    """The only writer needs none."""


async def adjust(tx: Statements, seqs: Iterable[int], change: int) -> None:
    blocks = Counter(seq >> BITS for seq in seqs)
    for level in LEVELS:
        around: dict[int, dict[int, int]] = {}
        for block, users in blocks.items():
            block >>= BITS * (level - 2)
            inside = around.setdefault(block >> BITS, {})
            inside[block & WIDTH - 1] = inside.get(block & WIDTH - 1, 0) + users
        for block, changes in around.items():
            row = await tx.one(INSIDE, level, block)
            counts = list(_counts.unpack(row[0]) if row else _NONE)
            for at, users in changes.items():
                counts[at] += change * users
            await tx.run(PUT, level, block, sum(counts), _counts.pack(*counts))


async def total(queries: Queries) -> int:
    return int(await scalar(queries, TOTAL))


async def seek(queries: Queries, offset: int) -> OffsetPosition:
    if offset <= NEAR:
        return OffsetPosition(0, offset)
    block = None
    for number, n in await queries.all(TOP):
        if offset < n:
            block = number
            break
        offset -= n
    if block is None:
        return OffsetPosition(None, 0)
    for level in LEVELS:
        row = await queries.one(INSIDE, level, block)
        assert row is not None  # the block around it has users
        block <<= BITS
        for n in _counts.unpack(row[0]):
            if offset < n:
                break
            offset -= n
            block += 1
    return OffsetPosition(block << BITS, offset)


async def added_since(queries: Queries, times: list[int]) -> list[int]:
    blocks = await queries.all(TOP)
    total = sum([n for _, n in blocks])
    counts = []
    for at in times:
        first = await user_dates.first_after(queries, at)
        counts.append(0 if first is None else total - await _rank(queries, blocks, first))
    return counts


async def _rank(queries: Queries, blocks: list[Row], seq: int) -> int:
    """Rank of `seq` among all users: how many have a lower number. Inverse of `seek`."""
    users = sum([n for block, n in blocks if block < seq >> 3 * BITS])
    for level in LEVELS:
        row = await queries.one(INSIDE, level, seq >> level * BITS)
        if row is None:
            return users  # no user was ever in this block
        users += sum(_counts.unpack(row[0])[: (seq >> (level - 1) * BITS) & WIDTH - 1])
    return users + await scalar(queries, WITHIN, seq >> BITS << BITS, seq)
