"""Copies all tables from one database to another, and compares two databases table by table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from types import ModuleType
from typing import NamedTuple

import msgspec

from rollbook.records.copying import TABLES, Positions, postgres, sqlite
from rollbook.storage.bulk import CopySession
from rollbook.storage.database import Engine, Row

Say = Callable[[int, str], None]
"""Hears how many more rows are done, and of what."""
BITS = 128

_sides: dict[Engine, ModuleType] = {"sqlite": sqlite, "postgresql": postgres}
_packed = msgspec.msgpack.Encoder().encode


class Sum(NamedTuple):
    """All rows of a table in two numbers: how many, and the sum of their digests modulo 2^128, whatever their order."""

    rows: int = 0
    checksum: int = 0

    def plus(self, rows: Iterable[Row]) -> Sum:
        digests = [int.from_bytes(blake2b(_packed(tuple(row)), digest_size=BITS // 8).digest()) for row in rows]
        return Sum(self.rows + len(digests), (self.checksum + sum(digests)) % (1 << BITS))

    @property
    def hex(self) -> str:
        return f"{self.checksum:032x}"


Sums = dict[str, Sum]
"""By the name of the table."""


class CopyState(NamedTuple):
    """State that nearly every write to a database changes: the rows of its tables, and its counters."""

    rows: dict[str, int]
    positions: Positions


async def state(session: CopySession) -> CopyState:
    side = _sides[session.engine]
    rows = {}
    for table in TABLES:
        ((rows[table.name],),) = await session.all(f"SELECT count(*) FROM {side.source(table)}")
    (positions,) = await session.all(side.POSITIONS)
    return CopyState(rows, Positions(*positions))


async def copy(
    source: CopySession, target: CopySession, positions: Positions, fingerprint: bytes | None, say: Say
) -> Sums:
    """All rows and what follows from them; the caller commits. The sums of the rows that were read. Raises
    DatabaseUnusable."""
    ours, theirs = _sides[source.engine], _sides[target.engine]
    await theirs.begin(target)
    totals = {}
    for table in TABLES:
        total = Sum()
        async for rows in source.batches(
            f"SELECT {', '.join(table.columns)} FROM {ours.source(table)} ORDER BY {table.order}"
        ):
            await theirs.put(target, table, rows)
            total = total.plus(rows)
            say(len(rows), table.name)
        totals[table.name] = total
    say(0, "indexes")
    await theirs.finish(target, positions, fingerprint)
    return totals


async def sums(session: CopySession, say: Say) -> Sums:
    """Sums of the rows of each table, as this session sees them."""
    totals = {}
    for table in TABLES:
        total = Sum()
        async for rows in session.batches(
            f"SELECT {', '.join(table.columns)} FROM {_sides[session.engine].source(table)}"
        ):
            total = total.plus(rows)
            say(len(rows), table.name)
        totals[table.name] = total
    return totals
