"""Places in the list of users: which one stands at an offset, and how many there are, at the same small cost for any offset.

Every user has a number, `seq`, that rises with its age. Living users are counted for each run of 64, 4,096 and 262,144 numbers, by the
code that adds and removes users. A row of `user_blocks` counts a run of the larger two and the 64 runs inside it. A page is found by
walking the largest runs, then those inside the one it falls into, then those inside that; at most 63 rows are stepped over. Deleting
lowers counts, nothing is renumbered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
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

# On PostgreSQL writers append, and the background folds what they appended into runs of all three levels. One more row, of level 0, has a
# number that is drawn anew with each fold: who remembers counts can tell by it whether they still hold.
VERSION_LEVEL = 0
APPEND = "INSERT INTO user_block_deltas (run, change) VALUES (?, ?)"
ANY_APPENDED = "SELECT 1 FROM user_block_deltas LIMIT 1"
FOLD = f"""
    WITH gone AS (DELETE FROM user_block_deltas RETURNING run, change),
    folded AS (
        SELECT level, run >> (6 * (level - 1)) AS block, sum(change) AS n FROM gone, generate_series(1, 3) AS level GROUP BY 1, 2
        UNION ALL SELECT {VERSION_LEVEL}, 0, floor(random() * 2000000000) + 1)
    INSERT INTO user_blocks (level, block, n) SELECT level, block, n FROM folded ORDER BY 1, 2
    ON CONFLICT (level, block) DO UPDATE
    SET n = CASE WHEN excluded.level = {VERSION_LEVEL} THEN excluded.n ELSE user_blocks.n + excluded.n END"""

_counts = Struct(f"<{WIDTH}H")
_NONE = (0,) * WIDTH


async def count(tx: Tx, seq: int, change: int) -> None:
    """A user came to this place (+1) or left it (-1)."""
    await count_many(tx, (seq,), change)


async def count_many(tx: Tx, seqs: Iterable[int], change: int) -> None:
    """The same for many, with one row written for each run they touch."""
    smallest = Counter(seq >> BITS for seq in seqs)
    if tx.engine == "postgresql":
        return await tx.many(APPEND, [(run, change * users) for run, users in smallest.items()])
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
        for n in _inside(row[0]):
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
        users += sum(_inside(row[0])[: (seq >> BITS * (level - 1)) & WIDTH - 1])
    row = await queries.one(SMALLEST, seq >> BITS << BITS, seq)
    assert row is not None  # count(*) always has a row
    return users + row[0]


async def is_appended(queries: Queries) -> bool:
    """Whether there is anything to `fold`; never on SQLite, whose only writer counts at once."""
    return queries.engine == "postgresql" and await queries.one(ANY_APPENDED) is not None


async def fold(tx: Tx) -> None:
    """Count what was appended by now into its runs."""
    await tx.run(FOLD)


def _inside(counts: bytes | Sequence[int]) -> Sequence[int]:
    """How many users each run inside another one has: packed on SQLite, an array on PostgreSQL."""
    return _counts.unpack(counts) if isinstance(counts, bytes) else counts
