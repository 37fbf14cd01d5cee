"""FOLDER limit|mount: writes until the disk is full, then until there is room again. Exits with 0 when all was as
promised.

`limit` makes the kernel refuse to let a file grow (RLIMIT_FSIZE, an I/O error to SQLite); `mount` means FOLDER is a
small file system of its own, filled by a file `ballast` there.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from pathlib import Path

from rollbook.errors import StorageUnavailable
from rollbook.storage.database import Queries, Row, Tx
from rollbook.storage.sqlite import SQLite

folder, how = Path(sys.argv[1]), sys.argv[2]
ballast = folder / "ballast"


async def quick_check(queries: Queries) -> list[Row]:
    return await queries.all("PRAGMA quick_check")


async def make_tables(tx: Tx) -> None:
    await tx.run("CREATE TABLE things (name TEXT UNIQUE, body TEXT)")


async def add(tx: Tx, name: str) -> None:
    await tx.run("INSERT INTO things VALUES (?, ?)", name, "x" * 3000)


async def add_greatly(tx: Tx, name: str) -> None:
    """More than the writer's cache holds: SQLite meets the full disk inside of a statement, not at the commit."""
    await add(tx, name)
    await tx.many("INSERT INTO things VALUES (?, ?)", [(f"{name} {number}", "x" * 100_000) for number in range(300)])


async def change(tx: Tx, number: int) -> None:
    await tx.run("UPDATE things SET body = ? WHERE name = 'one'", f"{number}" * 1000)


async def fill_with_log(db: SQLite) -> None:
    """A log may fill the disk though the database is small: then it is moved into the database, and nobody has to make
    room."""
    for number in range(10_000):
        try:
            await db.write(change, number)
        except StorageUnavailable:
            break
    else:
        raise AssertionError("the log was to fill the disk")
    until = time.monotonic() + 60
    while True:
        try:
            return await db.write(change, 0)
        except StorageUnavailable:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)


def fill() -> None:
    if how == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    else:
        ballast.write_bytes(b"x" * 700_000)


def empty() -> None:
    if how == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        ballast.unlink()


async def main() -> None:
    fill()
    db = SQLite.open(folder / "data" / "rollbook.db")
    await db.write(make_tables)
    await db.write(add, "one")
    db.close()  # moves the log, so that the database has its pages
    db = SQLite.open(folder / "data" / "rollbook.db")
    await fill_with_log(db)
    acknowledged = {"one"}
    refused: set[str] = set()

    async def caller(caller: int, stop_at_refusals: int) -> None:
        number = 0
        while len(refused) < stop_at_refusals:
            name = f"{len(refused)} {caller} {number}"
            number += 1
            try:
                await db.write(add, name)
                acknowledged.add(name)
            except StorageUnavailable:
                refused.add(name)

    async def check(when: str) -> None:
        kept = {row[0] for row in await db.all("SELECT name FROM things")}
        assert kept == acknowledged, (when, kept - acknowledged, acknowledged - kept)

    await asyncio.gather(*(caller(number, 100) for number in range(8)))
    assert acknowledged
    await check("full")
    results = await asyncio.gather(
        db.write(add, "before"), db.write(add_greatly, "great"), db.write(add, "behind"), return_exceptions=True
    )
    assert isinstance(results[1], StorageUnavailable), results
    acknowledged.update(
        name for name, result in zip(("before", "great", "behind"), results, strict=True) if result is None
    )
    await check("a statement met the full disk")

    empty()
    before = len(acknowledged)
    await db.write(add, "first after")
    acknowledged.add("first after")
    await asyncio.gather(*(caller_once(db, acknowledged, number) for number in range(8)))
    assert len(acknowledged) == before + 9
    await check("room again")
    db.close()

    db = SQLite.open(folder / "data" / "rollbook.db")
    await check("opened anew")
    assert [tuple(row) for row in db.read_now(quick_check)] == [("ok",)]
    db.close()


async def caller_once(db: SQLite, acknowledged: set[str], number: int) -> None:
    await db.write(add, f"after {number}")
    acknowledged.add(f"after {number}")


asyncio.run(main())
