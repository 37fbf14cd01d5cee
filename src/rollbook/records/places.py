"""Places in the list of users: which one stands at an offset, and how many there are, at the same small cost for any offset.

Every user has a number, `seq`, that rises with its age. Living users are counted for each run of 64, 4,096 and 262,144 numbers, by the
code that adds and removes users. A row of `user_blocks` counts a run of the larger two and the 64 runs inside it. A page is found by
walking the largest runs, then those inside the one it falls into, then those inside that; at most 63 rows are stepped over. Deleting
lowers counts, nothing is renumbered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from struct import Struct

from rollbook.storage.database import Queries, Row, Tx

BITS = 6
WIDTH = 1 << BITS
TOP_LEVEL = 3
LEVELS = (3, 2)  # those with rows; a run of level 1 is counted inside its level 2

TOP = f"SELECT block, n FROM user_blocks WHERE level = {TOP_LEVEL} ORDER BY block"
SMALLEST = "SELECT count(*) FROM users WHERE seq >= ? AND seq < ?"
INSIDE = "SELECT inside FROM user_blocks WHERE level = ? AND block = ?"
PUT = "INSERT INTO user_blocks VALUES (?, ?, ?, ?) ON CONFLICT (level, block) DO UPDATE SET n = excluded.n, inside = excluded.inside"

_counts = Struct(f"<{WIDTH}H")
_NONE = (0,) * WIDTH


async def count(tx: Tx, seq: int, change: int) -> None:
    """A user came to this place (+1) or left it (-1)."""
    await count_many(tx, (seq,), change)


async def count_many(tx: Tx, seqs: Iterable[int], change: int) -> None:
    """The same for many, with one row written for each run they touch."""
    smallest = Counter(seq >> BITS for seq in seqs)
    for level in LEVELS:
        runs: dict[int, dict[int, int]] = {}
        for child, users in smallest.items():
            child >>= BITS * (level - 2)
            inside = runs.setdefault(child >> BITS, {})
            inside[child & WIDTH - 1] = inside.get(child & WIDTH - 1, 0) + users
        for block, changes in runs.items():
            row = await tx.one(INSIDE, level, block)
            counts = list(_counts.unpack(row[0]) if row else _NONE)
            for place, users in changes.items():
                counts[place] += change * users
            await tx.run(PUT, level, block, sum(counts), _counts.pack(*counts))


async def top(queries: Queries) -> list[Row]:
    """The largest runs with their counts: `total` and `find` start from them."""
    return await queries.all(TOP)


def total(runs: list[Row]) -> int:
    """How many users there are, exactly."""
    return sum([n for _, n in runs])


async def find(queries: Queries, runs: list[Row], offset: int) -> tuple[int, int] | None:
    """The first `seq` of the small run that holds the user at this offset, and how many of its users stand before it. None past the end."""
    block = None
    for run, n in runs:
        if offset < n:
            block = run
            break
        offset -= n
    if block is None:
        return None
    for level in LEVELS:
        row = await queries.one(INSIDE, level, block)
        assert row is not None  # its run has users
        block <<= BITS
        for n in _counts.unpack(row[0]):
            if offset < n:
                break
            offset -= n
            block += 1
    return block << BITS, offset


async def before(queries: Queries, runs: list[Row], seq: int) -> int:
    """How many users stand before this place, exactly: the other way round than `find`."""
    users = sum([n for run, n in runs if run < seq >> BITS * TOP_LEVEL])
    for level in LEVELS:
        row = await queries.one(INSIDE, level, seq >> BITS * level)
        if row is None:
            return users  # nobody was ever in this run
        users += sum(_counts.unpack(row[0])[: (seq >> BITS * (level - 1)) & WIDTH - 1])
    row = await queries.one(SMALLEST, seq >> BITS << BITS, seq)
    assert row is not None  # count(*) always has a row
    return users + row[0]
