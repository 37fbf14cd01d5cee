"""PATH NAME SECONDS: 16 callers add things as fast as they can; each acknowledged one is a line `NAME caller number` on
the output.

SECONDS 0: until killed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from rollbook.storage.database import Tx
from rollbook.storage.sqlite import SQLite

path, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
db = SQLite.open(path)


async def add(tx: Tx, thing: str) -> None:
    row = await tx.one("INSERT INTO things (name) VALUES (?) RETURNING id", thing)
    assert row is not None
    await tx.run("INSERT INTO changes (thing) VALUES (?)", row[0])


async def caller(caller: int, until: float) -> None:
    number = 0
    while True:
        if seconds and time.monotonic() > until:
            return
        await db.write(add, f"{name} {caller} {number}")
        os.write(1, f"{name} {caller} {number}\n".encode())
        number += 1


async def main() -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(*(caller(number, until) for number in range(16)))


asyncio.run(main())
db.close()
