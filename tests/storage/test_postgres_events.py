"""The log of changes on PostgreSQL: brought up to date for a reader in bounded time, though others never stop
writing."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from rollbook.actions.principal import SYSTEM
from rollbook.config import Settings
from rollbook.records import events
from rollbook.records.connect import connect
from rollbook.storage.database import Tx
from tests.engines import migrated


async def many(tx: Tx) -> None:
    for number in range(50):
        await events.record(tx, "user.updated", f"user_{number}", SYSTEM.actor, {"id": number})


async def busy(url: str, ended: asyncio.Event) -> int:
    db = connect(Settings(database=url))
    written = 0
    try:
        while not ended.is_set():
            await db.write(many)
            written += 50
    finally:
        await db.stop()
    return written


def test_a_reader_is_not_kept_waiting_by_writers_who_never_stop(tmp_path: Path) -> None:
    async def main(url: str) -> int:
        ended = asyncio.Event()
        db = connect(Settings(database=url))
        writers = [asyncio.ensure_future(busy(url, ended)) for _ in range(4)]
        await asyncio.sleep(0.5)
        try:
            turns, enough = 0, False
            until = time.monotonic() + 60
            while turns < 20 or not (enough or time.monotonic() > until):
                await asyncio.wait_for(events.settle(db), 30)  # told from one that waits for as long as they write
                turns += 1
                enough = await db.one("SELECT 1 FROM events WHERE seq > 500") is not None
        finally:
            ended.set()
            written = sum(await asyncio.gather(*writers))
        await events.settle(db)
        found = await db.one("SELECT count(*), max(seq) FROM events")
        await db.stop()
        assert found is not None
        assert tuple(found) == (written, written), "a place is missing or was given twice"
        return written

    with migrated("postgresql", tmp_path) as db:
        assert asyncio.run(main(db.address.url)) > 500  # type: ignore[attr-defined]
