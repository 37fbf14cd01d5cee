"""Who waits for the event log hears of each commit, whichever process made it, and keeps waiting while the database
fails."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rollbook.actions import event_feeds
from rollbook.actions.event_feeds import CHECK, EventReader, Feed, Feeds, Tail
from rollbook.actions.principal import CLI, SYSTEM
from rollbook.config import Settings
from rollbook.limits.slots import Slots
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
                assert time.monotonic() - began < 30  # of 60
                assert [tuple(row) for row in await mine.all("SELECT seq FROM events WHERE seq > ?", seq)] == [
                    (seq + 1,)
                ]
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
            feeds = Feeds(mine, Tail(mine), EventReader(mine), Slots.create(1))
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


@pytest.mark.parametrize("seed", range(2))
def test_everyone_gets_each_event_once_and_in_order_whoever_reads_ahead(
    engine: str, tmp_path: Path, url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients and webhooks share what was read last, and are served in any order, also from before what is kept."""
    monkeypatch.setattr(event_feeds, "BATCH", 3)
    monkeypatch.setattr(event_feeds, "RECENT", 8)
    monkeypatch.setattr(event_feeds, "BATCH", 2)
    chance = random.Random(seed)

    async def main() -> None:
        async with two(engine, tmp_path, url) as (mine, _):
            reader = EventReader(mine)
            feeds = Feeds(mine, Tail(mine), reader, Slots.create(1))
            first = await events.newest(mine)
            kept: list[tuple[int, str]] = []

            async def write() -> None:
                for _ in range(chance.choice((1, 2, 7, 20))):
                    type = chance.choice(("user.updated", "user.suspended"))
                    await mine.write(happen, type)
                    kept.append((await events.newest(mine), type))

            webhooks = [Webhook(None, first), Webhook(frozenset({"user.updated"}), first)]
            clients: list[tuple[frozenset[str] | None, Feed, int, list[int]]] = []

            async def step() -> None:
                what = chance.randrange(6)
                if what == 0:
                    await write()
                elif what == 1 and len(clients) < 6:
                    types = chance.choice((None, frozenset({"user.updated"}), frozenset({"user.suspended"})))
                    newest = await events.newest(mine)
                    begin = chance.choice((first, newest, chance.randint(first, newest)))
                    clients.append((types, feeds.add(CLI, Selection(types), begin, newest), begin, []))
                elif what == 2 and clients:
                    _, feed, _, got = chance.choice(clients)
                    got += [entry.event.seq for entry in await feed.read()]
                elif what == 3:
                    await asyncio.gather(*[webhook.read(reader) for webhook in chance.sample(webhooks, 2)])
                elif what == 4 and len(webhooks) < 5:
                    webhooks.append(
                        Webhook(chance.choice((None, frozenset({"user.updated"}))), await events.newest(mine))
                    )
                else:
                    await asyncio.sleep(chance.choice((0, 0.01, 0.05)))

            for _ in range(150):
                await step()
            await write()
            newest = kept[-1][0]
            for webhook in webhooks:
                while webhook.seq < newest:
                    await webhook.read(reader)
                assert webhook.got == [seq for seq, type in kept if seq > webhook.first and webhook.wants(type)]
            for types, feed, begin, got in clients:
                until = time.monotonic() + 60
                while feed.seq < newest:
                    assert time.monotonic() < until
                    got += [entry.event.seq for entry in await feed.read()]
                    await feed.wait(0.05)
                got += [entry.event.seq for entry in await feed.read()]
                assert got == [seq for seq, type in kept if seq > begin and (types is None or type in types)]
                feed.close()

    asyncio.run(main())


class Webhook:
    """Reads as webhooks do."""

    def __init__(self, types: frozenset[str] | None, seq: int) -> None:
        self.first = self.seq = seq
        self.got: list[int] = []
        self._types = types

    def wants(self, type: str) -> bool:
        return self._types is None or type in self._types

    async def read(self, reader: EventReader) -> None:
        batch = await reader.after(self.seq, self._types)
        assert batch.last >= self.seq
        self.seq = batch.last
        self.got += [entry.event.seq for entry in batch.entries if self.wants(entry.event.type)]


async def happen(tx: Tx, type: str) -> None:
    await events.record(tx, type, "user_1", SYSTEM.actor, {"id": "user_1"})


async def take_over(tx: Tx, last: int, log: str) -> None:
    await rename(tx, "log_away", log)
    await rename(tx, "away", "access")
    await tx.run("DELETE FROM events WHERE seq > ?", last)
    if log == "numbers":
        await tx.run("UPDATE numbers SET next = ? WHERE counter = 'events'", last + 1)


async def rename(tx: Tx, table: str, to: str) -> None:
    await tx.run(f"ALTER TABLE {table} RENAME TO {to}")
