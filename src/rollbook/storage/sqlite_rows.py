"""Many rows for SQLite, hundreds in one statement: a quarter of the work of one for each, and the interpreter is free meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice

from rollbook.storage.database import Row, Tx

VALUES = 8_000
"""Of one statement. SQLite takes 32,766."""


async def insert(tx: Tx, start: str, columns: int, rows: Iterable[Row], end: str = "") -> None:
    """`start` is the statement in front of VALUES, `end` a clause behind it."""
    row = f"({', '.join('?' * columns)})"
    together = VALUES // columns
    left = iter(rows)
    while len(part := list(islice(left, together))) == together:
        await tx.run(f"{start} VALUES {', '.join([row] * together)} {end}", *chain.from_iterable(part))
    # A statement for each number of rows would be kept, prepared.
    await tx.many(f"{start} VALUES {row} {end}", part)
