"""Copies all records from one database to another, goes on where a copy ended, and compares the two row by row."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from rollbook.records import copy_tables
from rollbook.records.copy_tables import TABLES, USERS, Table
from rollbook.records.copy_targets import Positions, Say, Target
from rollbook.storage.bulk import Reading
from rollbook.storage.database import DatabaseUnusable, Row

Open = Callable[[], Awaitable[Reading]]
"""Opens a snapshot of the state at that moment."""

READ = 5_000
"""Rows that are read at a time to be compared."""
BITS = 128
MOST_NAMED = 3
CHANGED = "The source was written to meanwhile: something is still at work on it. Stop all servers on it, make an empty database and copy again."

_packed = msgspec.msgpack.Encoder().encode


class Sum(NamedTuple):
    """All rows of a table in two numbers: how many, and the sum of their digests modulo 2^128, whatever their order."""

    rows: int
    checksum: int

    @property
    def shown(self) -> str:
        return f"{self.checksum:032x}"


class Compared(NamedTuple):
    table: str
    source: Sum
    target: Sum
    differences: list[str]
    """The keys of the first rows that are not the same, and which columns are not."""

    @property
    def same(self) -> bool:
        return self.source == self.target


async def count(reading: Reading, indexed: bool = False) -> int:
    """All rows that would be copied; users twice, where each is brought into the search index afterwards."""
    total = 0
    for table in TABLES:
        rows = (await reading.all(table.counted(reading.engine)))[0][0]
        total += 2 * rows if indexed and table is USERS else rows
    return total


async def mark(reading: Reading) -> str:
    """By which the source is known again, unless it was changed."""
    return copy_tables.as_text((await reading.all(copy_tables.mark(reading.engine)))[0])


async def copy(source: Reading, target: Target, fingerprint: bytes | None, say: Say) -> None:
    """All of it, or what is left of it. `say(rows, table)` hears of each step. Raises DatabaseUnusable."""
    come = await target.begin(await mark(source))
    for table in TABLES:
        was = come.get(table.name, "")
        values = copy_tables.from_text(was) if was else []
        batches = source.batches(table.select(source.engine, bool(was)), values, target.batch)
        if was:
            say((await _behind(source, table, values)), table.name)
        async with aclosing(batches), aclosing(_ahead(batches)) as ready:
            async for rows in ready:
                now = copy_tables.key_of(table, source.engine, rows[-1])
                await target.put(table, rows, was, now)
                was = now
                say(len(rows), table.name)
    positions = (await source.all(copy_tables.POSITIONS[source.engine]))[0]
    await target.finish(Positions(*positions), fingerprint, say)


async def compare(source: Open, target: Open, say: Say) -> list[Compared]:
    """Every table as both databases hold it now, read anew."""
    ours, theirs = await source(), await target()
    try:
        found = []
        for table in TABLES:
            sums = await asyncio.gather(_sum(ours, table, say), _sum(theirs, table, say))
            differences = await _differences(ours, theirs, table) if sums[0] != sums[1] else []
            found.append(Compared(table.name, *sums, differences))
        return found
    finally:
        await ours.close()
        await theirs.close()


async def _behind(source: Reading, table: Table, values: list[object]) -> int:
    """How many rows of it are there already."""
    key = ", ".join(table.key_on(source.engine))
    marks = ", ".join("?" * len(values))
    rows = await source.all(f"{table.counted(source.engine)} WHERE ({key}) <= ({marks})", *values)
    return int(rows[0][0])


async def _ahead(batches: AsyncGenerator[list[Row], None]) -> AsyncGenerator[list[Row], None]:
    """The same, the next one being read while one is written."""

    async def following() -> list[Row]:
        return await anext(batches, [])

    task = asyncio.create_task(following())
    try:
        while rows := await task:
            task = asyncio.create_task(following())
            yield rows
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _sum(reading: Reading, table: Table, say: Say) -> Sum:
    rows = total = 0
    async for batch in reading.batches(table.all(reading.engine), (), READ):
        for row in batch:
            total += int.from_bytes(blake2b(_packed(tuple(row)), digest_size=BITS // 8).digest())
        rows += len(batch)
        say(len(batch), table.name)
    return Sum(rows, total % (1 << BITS))


async def _differences(ours: Reading, theirs: Reading, table: Table) -> list[str]:
    """The first few, by a walk along both in the order of their keys. Names rows and columns, never what is in them."""
    if not table.has_own_key():
        return []
    found: list[str] = []
    left, right = _rows(ours, table), _rows(theirs, table)
    size = len(table.key)
    one, other = await anext(left, None), await anext(right, None)
    while (one is not None or other is not None) and len(found) < MOST_NAMED:
        if other is None or (one is not None and one[-size:] < other[-size:]):
            assert one is not None  # one of the two is there
            found.append(f"{_named(table, one)} is missing in the target")
            one = await anext(left, None)
        elif one is None or other[-size:] < one[-size:]:
            found.append(f"{_named(table, other)} is only in the target")
            other = await anext(right, None)
        else:
            if one != other:
                columns = [name for name, a, b in zip(table.columns, one, other, strict=False) if a != b]
                found.append(f"{_named(table, one)} differs in {', '.join(columns)}")
            one, other = await anext(left, None), await anext(right, None)
    return found


async def _rows(reading: Reading, table: Table) -> AsyncIterator[tuple[object, ...]]:
    async for batch in reading.batches(table.select(reading.engine, False), (), READ):
        for row in batch:
            yield tuple(row)


def _named(table: Table, row: tuple[object, ...]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(table.key, row[-len(table.key) :], strict=True))


def refuse_changed(before: str, after: str) -> None:
    """Raises DatabaseUnusable when the source is not what it was."""
    if before != after:
        raise DatabaseUnusable(CHANGED)
