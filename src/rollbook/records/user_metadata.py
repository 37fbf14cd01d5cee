"""Users by what is in their metadata: an index of each key and value, which triggers keep in the transaction of every
change.

What counts as a value is the same on both databases: texts, numbers, booleans and null at the top level, as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rollbook.storage.database import Queries, scalar

MAX_LENGTH = 255
"""Characters of a key, and of a value, that can be asked for."""
MANY = 20_000
"""Users with a value, beyond which a list in another order than as added is walked until it is full rather than sorted:
sorting so many takes 30 ms."""
TOGETHER = 5_000
"""Users with several values that are each held by more than MANY, beyond which such a list is walked. Counting them up
to here takes 10 ms where many have them all."""
COUNT_FEW = "SELECT count(*) FROM (SELECT 1 FROM user_metadata WHERE key = ? AND value = ? LIMIT ?) AS few"
Pair = tuple[str, str]
"""A key and a value."""


def condition(pairs: Iterable[Pair], seq: str) -> list[str]:
    """Each begins with AND, and takes a pair. `seq` is the column of that number."""
    return [
        f" AND EXISTS (SELECT 1 FROM user_metadata AS has WHERE has.key = ? AND has.value = ? AND has.seq = {seq})"
        for _ in pairs
    ]


async def rarest_first(queries: Queries, pairs: Sequence[Pair], few: int) -> tuple[list[Pair], bool]:
    """The pairs, the rarest first, and whether `few` users or fewer have that."""
    counted = []
    for pair in pairs:
        counted.append((await scalar(queries, COUNT_FEW, *pair, few + 1), pair))
    counted.sort()
    return [pair for _, pair in counted], counted[0][0] <= few


async def having(queries: Queries, pairs: Sequence[Pair], seq: str) -> tuple[str, list[str]]:
    """The condition, beginning with AND, that a user has all of these, and its values, for lists in another order than
    as added. `seq` is the column of that number. Where few have them all, it leads to these; otherwise it is for a list
    that is walked."""
    pairs, are_few = await rarest_first(queries, pairs, MANY)
    values = [text for pair in pairs for text in pair]
    all_of_them = "SELECT m.seq FROM user_metadata AS m WHERE m.key = ? AND m.value = ?" + "".join(
        condition(pairs[1:], "m.seq")
    )
    if not are_few and len(pairs) > 1:
        row = await queries.one(f"SELECT count(*) FROM ({all_of_them} LIMIT ?) AS few", *values, TOGETHER + 1)
        are_few = row is not None and row[0] <= TOGETHER
    if not are_few:
        return "".join(condition(pairs, seq)), values
    # The LIMIT, which cuts off none, tells PostgreSQL that they are few; otherwise it walks the list to look for them.
    return f" AND {seq} IN (SELECT seq FROM ({all_of_them} LIMIT {max(MANY, TOGETHER)}) AS few)", values
