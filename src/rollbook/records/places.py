"""Places in the list of users: which one stands at an offset, and how many there are, at the same small cost for any offset.

Every user has a number, `seq`, that rises with its age. Living users are counted for each run of 64, 4,096 and 262,144 numbers
(`user_blocks`), by the code that adds and removes users. A page is found by walking the large runs, then those inside the one it falls
into, then the small ones; at most 63 rows are stepped over. Deleting lowers counts, nothing is renumbered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rollbook.storage.database import Queries, Row, Tx

BITS = 6
LEVELS = (3, 2, 1)

ADD = "INSERT INTO user_blocks VALUES (?, ?, ?) ON CONFLICT (level, block) DO UPDATE SET n = n + excluded.n"
TOP = f"SELECT block, n FROM user_blocks WHERE level = {LEVELS[0]} ORDER BY block"
INSIDE = "SELECT block, n FROM user_blocks WHERE level = ? AND block BETWEEN ? AND ? ORDER BY block"


async def count(tx: Tx, seq: int, change: int) -> None:
    """A user came to this place (+1) or left it (-1)."""
    for level in LEVELS:
        await tx.run(ADD, level, seq >> BITS * level, change)


async def count_many(tx: Tx, seqs: Iterable[int], change: int) -> None:
    """The same for many, with one statement for each run they touch."""
    runs: Counter[tuple[int, int]] = Counter()
    for seq in seqs:
        for level in LEVELS:
            runs[level, seq >> BITS * level] += change
    await tx.many(ADD, [(level, block, n) for (level, block), n in sorted(runs.items())])


async def top(queries: Queries) -> list[Row]:
    """The largest runs with their counts: `total` and `find` start from them."""
    return await queries.all(TOP)


def total(runs: list[Row]) -> int:
    """How many users there are, exactly."""
    if len(runs) == 1:
        return runs[0][1]
    return sum([n for _, n in runs])


async def find(queries: Queries, runs: list[Row], offset: int) -> tuple[int, int] | None:
    """The first `seq` of the small run that holds the user at this offset, and how many of its users stand before it. None past the end."""
    for level in LEVELS:
        for block, n in runs:
            if offset < n:
                break
            offset -= n
        else:
            return None
        if level > 1:
            runs = await queries.all(INSIDE, level - 1, block << BITS, (block << BITS) + (1 << BITS) - 1)
    return block << BITS, offset
