"""Several processes on one file: turns are taken, and the log stays short however long they write."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

import pytest
from things import add, make_tables, names, program

from rollbook.storage import sqlite_checkpoint, sqlite_writer
from rollbook.storage.database import Queries
from rollbook.storage.sqlite import SQLite


def test_four_processes_write_in_turns(db: SQLite) -> None:
    processes = [
        subprocess.Popen(program("write_on", db.path, name, 2), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name in "abcd"
    ]
    lines: list[str] = []
    counts, longest = [], []
    for process in processes:
        output, problems = process.communicate(timeout=60)
        assert process.returncode == 0, problems
        *acknowledged, end = output.splitlines()
        lines += acknowledged
        counts.append(len(acknowledged))
        longest.append(int(end.removeprefix("end ")))
    assert sorted(db.read_now(names)) == sorted(lines)
    assert min(counts) > max(counts) / 4, counts
    assert max(longest) < 1500, longest
    assert db.describe(quick_check=True)["problems"] == []


async def write_steadily(db: SQLite, seconds: float, prefix: str = "") -> int:
    """Without a pause, so that a passive checkpoint alone never gets to the end of the log. The largest size of the log."""
    until = time.monotonic() + seconds
    largest = 0

    async def caller(caller: int) -> None:
        nonlocal largest
        number = 0
        while time.monotonic() < until:
            await db.write(add, f"{prefix}{caller} {number}" + "x" * 1000)
            number += 1
            largest = max(largest, Path(f"{db.path}-wal").stat().st_size)

    await asyncio.gather(*(caller(number) for number in range(16)))
    return largest


@pytest.fixture
def small_log(monkeypatch: pytest.MonkeyPatch) -> int:
    size = 1024 * 1024
    for module in (sqlite_checkpoint, sqlite_writer):
        monkeypatch.setattr(module, "RESTART_SIZE", size)
    monkeypatch.setattr(sqlite_checkpoint, "CHECKPOINT_SIZE", size // 8)
    return size


def test_the_log_starts_again_under_steady_load(small_log: int, path: Path) -> None:
    db = SQLite.open(path)
    db.write_now(make_tables)
    largest = asyncio.run(write_steadily(db, 2))
    written = db.describe()["size"]
    assert written > 2 * small_log, "too little was written for the log to grow past its bound"
    assert largest < 1.5 * small_log
    db.close()


def test_a_long_read_delays_the_restart_and_stops_no_writer(small_log: int, path: Path) -> None:
    db, reader = SQLite.open(path), SQLite.open(path)
    db.write_now(make_tables)

    async def hold(queries: Queries) -> tuple[int, int]:
        before = len(await names(queries))
        largest = asyncio.run_coroutine_threadsafe(write_steadily(db, 1), loop).result(30)
        assert len(await names(queries)) == before
        return before, largest

    async def main() -> tuple[int, int]:
        nonlocal loop
        loop = asyncio.get_running_loop()
        return await reader.read_aside(hold)

    loop: asyncio.AbstractEventLoop
    _, largest = asyncio.run(main())
    assert largest > 1.5 * small_log, "the read was to hold the log"
    asyncio.run(write_steadily(db, 0.5, "later "))
    assert Path(f"{path}-wal").stat().st_size < 1.5 * small_log
    reader.close()
    db.close()


def test_a_quiet_log_is_emptied_by_the_checkpointer(small_log: int, path: Path) -> None:
    db = SQLite.open(path)
    db.write_now(make_tables)
    for number in range(100):
        db.write_now(add, f"{number}" + "x" * 3000)
    until = time.monotonic() + 10
    while Path(f"{path}-wal").stat().st_size > small_log // 8 and time.monotonic() < until:
        time.sleep(0.01)
    assert Path(f"{path}-wal").stat().st_size <= small_log // 8
    assert len(db.read_now(names)) == 100
    db.close()
