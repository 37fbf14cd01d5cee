"""Jobs beside the requests: none stops another, none ends because it failed, and of several servers one does each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rollbook import config
from rollbook.errors import StorageUnavailable
from rollbook.jobs.schedule import Job, Jobs
from rollbook.records.connect import SQLITE, connect
from rollbook.storage import migrate
from rollbook.storage.database import Database
from rollbook.storage.sqlite import SQLite
from tests.postgres import new_database


async def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


class Counted:
    """A step that counts how often it was done."""

    def __init__(self, more: bool = False) -> None:
        self.done = 0
        self.more = more

    async def __call__(self) -> bool:
        self.done += 1
        return self.more


def test_a_slow_job_and_one_that_fails_stop_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    quick, busy, failed = Counted(), Counted(more=True), Counted()

    async def slow() -> bool:
        await asyncio.sleep(3600)
        return False

    async def failing() -> bool:
        await failed()
        raise StorageUnavailable if failed.done % 2 else ValueError("broken")

    async def run() -> None:
        db = SQLite.open(tmp_path / "rollbook.db", dialect=SQLITE)
        last = Counted()
        jobs = Jobs(
            db,
            [
                Job("slow", 0.01, slow),
                Job("failing", 0.01, failing),
                Job("quick", 0.01, quick),
                Job("busy", 3600.0, busy),
            ],
            last=[failing, last],
        )
        jobs.start()
        await until(lambda: min(quick.done, busy.done, failed.done) >= 3)
        await jobs.stop()
        # Not even what fails at the end keeps the rest from being stored.
        assert last.done == 1
        db.close()

    asyncio.run(run())
    assert "failing: broken" in caplog.text


def shared_database(url: str, data: Path) -> Database:
    return connect(config.load({"database": url, "data": data})[0])


def test_of_several_servers_one_does_a_job_until_it_stops(tmp_path: Path) -> None:
    url = new_database("jobs")

    async def run() -> None:
        dbs = [shared_database(url, tmp_path) for _ in range(2)]
        steps = [(Counted(), Counted()), (Counted(), Counted())]
        servers = [
            Jobs(db, [Job("shared", 0.01, shared, leased=True), Job("own", 0.01, own)])
            for db, (shared, own) in zip(dbs, steps, strict=True)
        ]
        servers[0].start()
        await until(lambda: steps[0][0].done > 0)
        servers[1].start()
        await until(lambda: steps[1][1].done >= 20)
        assert steps[1][0].done == 0
        # A server that stops gives its leases back; the other one takes the job over before they end by themselves.
        await servers[0].stop()
        await until(lambda: steps[1][0].done > 0)
        await servers[1].stop()
        for db in dbs:
            await db.stop()

    migrated = connect(config.load({"database": url, "data": tmp_path})[0], for_migration=True)
    migrate.migrate(migrated)
    migrated.close()
    asyncio.run(run())
