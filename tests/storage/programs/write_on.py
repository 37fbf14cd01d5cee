"""PATH NAME SECONDS: 16 callers add things as fast as they can; each acknowledged one is a line `NAME caller number` on the output.

The last line is `end LONGEST`, the longest wait in milliseconds. SECONDS 0: until killed.
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
longest = 0.0


async def add(tx: Tx, thing: str) -> None:
    row = await tx.one("INSERT INTO things (name) VALUES (?) RETURNING id", thing)
    assert row is not None
    await tx.run("INSERT INTO changes (thing) VALUES (?)", row[0])


async def caller(caller: int, until: float) -> None:
    global longest
    number = 0
    while True:
        start = time.monotonic()
        if seconds and start > until:
            return
        await db.write(add, f"{name} {caller} {number}")
        longest = max(longest, time.monotonic() - start)
        os.write(1, f"{name} {caller} {number}\n".encode())
        number += 1


async def main() -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(*(caller(number, until) for number in range(16)))


asyncio.run(main())
db.close()
print("end", round(longest * 1000))
