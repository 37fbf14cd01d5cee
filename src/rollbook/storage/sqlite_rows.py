"""Many rows for SQLite, hundreds in one statement: a quarter of the work of one for each, and the interpreter is free
meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice

from rollbook.storage.database import Row, Tx

VALUES = 20_000
"""Of one statement. SQLite takes 32,766."""


async def insert(tx: Tx, table: str, columns: Sequence[str], rows: Iterable[Row], end: str = "") -> None:
    """`end` is a clause behind VALUES."""
    start = f"INSERT INTO {table} ({', '.join(columns)})"
    row = f"({', '.join('?' * len(columns))})"
    together = VALUES // len(columns)
    left = iter(rows)
    while len(part := list(islice(left, together))) == together:
        await tx.run(f"{start} VALUES {', '.join([row] * together)} {end}", *chain.from_iterable(part))
    # A statement for each number of rows would be kept, prepared.
    await tx.many(f"{start} VALUES {row} {end}", part)
