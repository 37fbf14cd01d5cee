"""PATH CALLERS EACH: adds things and writes one byte to the output for each that is acknowledged."""

from __future__ import annotations

import asyncio
import os
import sys

from rollbook.storage.database import Tx
from rollbook.storage.sqlite import SQLite

path, callers, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


async def add(tx: Tx, name: str) -> None:
    await tx.run("INSERT INTO things (name) VALUES (?)", name)


async def main() -> None:
    db = SQLite.open(path)
    await db.one("SELECT 1")
    os.write(2, b"")  # an empty write marks the beginning

    async def caller(caller: int) -> None:
        for number in range(each):
            await db.write(add, f"{caller} {number}")
            os.write(1, b".")

    await asyncio.gather(*(caller(number) for number in range(callers)))
    os.write(2, b"")
    db.close()


asyncio.run(main())
