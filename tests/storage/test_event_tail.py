"""Who waits for the event log hears of each commit, whichever process made it, and keeps waiting while the database fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rollbook.actions.event_feeds import CHECK, Feeds
from rollbook.actions.event_tail import Tail
from rollbook.actions.principal import CLI, SYSTEM
from rollbook.config import Settings
from rollbook.records import events
from rollbook.records.connect import connect
from rollbook.records.events import Selection
from rollbook.storage.database import Database, Tx
from tests.engines import engine, migrated

__all__ = ["engine"]


async def change(tx: Tx) -> None:
    await events.record(tx, "user.updated", "user_1", SYSTEM.actor, {"id": "user_1"})


@asynccontextmanager
async def two(engine: str, folder: Path, url: str) -> AsyncIterator[tuple[Database, Database]]:
    """The database as two processes have it."""
    settings = Settings(data=folder / "data", database=url if engine == "postgresql" else "")
    both = connect(settings), connect(settings)
    try:
        yield both
    finally:
        for db in both:
            await db.stop()


@pytest.fixture
def url(engine: str, tmp_path: Path) -> str:
    with migrated(engine, tmp_path) as db:
        return "" if engine == "sqlite" else db.address.url  # type: ignore[attr-defined]


def test_a_commit_of_any_process_ends_the_wait_and_can_be_read(engine: str, tmp_path: Path, url: str) -> None:
    async def main() -> None:
        async with two(engine, tmp_path, url) as (mine, other):
            tail = Tail(mine)
            seq = await events.newest(mine)
            for db in (mine, other) * 5:
                waiting = [asyncio.ensure_future(tail.changed(seq, 60)) for _ in range(3)]
                next_one = asyncio.ensure_future(tail.changed(seq + 1, 60))
                await asyncio.sleep(0)
                began = time.monotonic()
                await db.write(change)
                assert await asyncio.gather(*waiting) == [True, True, True]
                assert time.monotonic() - began < 5
                assert [tuple(row) for row in await mine.all("SELECT seq FROM events WHERE seq > ?", seq)] == [(seq + 1,)]
                assert not next_one.done()
                next_one.cancel()
                seq += 1
            assert await tail.changed(seq - 1, 60), "what is there already is not waited for"

    asyncio.run(main())


def test_no_one_looks_while_no_one_waits(engine: str, tmp_path: Path, url: str) -> None:
    async def main() -> None:
        async with two(engine, tmp_path, url) as (mine, _):
            tail = Tail(mine)
            before = asyncio.all_tasks()
            assert not await tail.changed(10, 0.05)
            until = time.monotonic() + 60
            while asyncio.all_tasks() != before:
                assert time.monotonic() < until
                await asyncio.sleep(0.01)

    asyncio.run(main())


def test_a_database_that_fails_is_asked_again_until_it_answers(
    engine: str, tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with two(engine, tmp_path, url) as (mine, other):
            await other.write(change)
            tail = Tail(mine)
            seq = await events.newest(mine)
            waiting = asyncio.ensure_future(tail.changed(seq, 60))
            table = "events" if engine == "sqlite" else "numbers"
            await other.write(rename, table, "away")
            until = time.monotonic() + 60
            while not caplog.records:
                assert time.monotonic() < until
                await asyncio.sleep(0.01)
            assert not await tail.changed(seq, 0.3), "a wait ends in time"
            await other.write(rename, "away", table)
            await other.write(change)
            assert await waiting

    asyncio.run(main())
    assert len(caplog.records) == 1, "one line tells of it"


def test_who_follows_gets_what_comes_after_a_failure_in_which_the_newest_events_were_lost(
    engine: str, tmp_path: Path, url: str
) -> None:
    async def main() -> None:
        async with two(engine, tmp_path, url) as (mine, other):
            for _ in range(5):
                await other.write(change)
            newest = await events.newest(mine)
            feeds = Feeds(mine, Tail(mine))
            feed = feeds.add(CLI, Selection(), newest, newest)
            # As a standby that takes over and lacks the last two.
            log = "events" if engine == "sqlite" else "numbers"
            await other.write(rename, log, "log_away")
            await other.write(rename, "access", "away")
            await asyncio.sleep(3 * CHECK)
            await other.write(take_over, newest - 2, log)
            until = time.monotonic() + 60
            while feed.seq != newest - 2:
                assert time.monotonic() < until
                await asyncio.sleep(0.01)
            await other.write(change)
            assert await feed.wait(60)
            assert [item.event.seq for item in await feed.read()] == [newest - 1]
            feed.close()

    asyncio.run(main())


async def take_over(tx: Tx, last: int, log: str) -> None:
    await rename(tx, "log_away", log)
    await rename(tx, "away", "access")
    await tx.run("DELETE FROM events WHERE seq > ?", last)
    if log == "numbers":
        await tx.run("UPDATE numbers SET next = ? WHERE counter = 'events'", last + 1)


async def rename(tx: Tx, table: str, to: str) -> None:
    await tx.run(f"ALTER TABLE {table} RENAME TO {to}")
