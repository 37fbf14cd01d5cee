"""Several processes on one file: turns are taken, and the log stays short however long they write."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

import pytest
from things import add, make_tables, names, problems, program

from rollbook.storage import sqlite_checkpoint, sqlite_connection, sqlite_writer
from rollbook.storage.database import Queries
from rollbook.storage.sqlite import SQLite
from rollbook.storage.sqlite_checkpoint import restart_log
from rollbook.storage.sqlite_connection import connect_writer


def test_four_processes_write_in_turns(db: SQLite, tmp_path: Path) -> None:
    """None gets less than a quarter of the turns of another. A machine that holds one of them up may bring that about,
    but not each time."""
    assert any(write_in_turns(db, tmp_path / f"{attempt}") for attempt in range(5))


def write_in_turns(db: SQLite, folder: Path) -> bool:
    folder.mkdir()
    outputs = [folder / f"{folder.name}{name}" for name in "abcd"]
    processes = []
    for output in outputs:
        with output.open("w") as file:  # not a pipe: a full one would stop its writer
            processes.append(subprocess.Popen(program("write_on", db.path, output.name, 2), stdout=file))
    assert [process.wait(90) for process in processes] == [0] * 4
    lines: list[str] = []
    counts = []
    for output in outputs:
        acknowledged = output.read_text().splitlines()
        lines += acknowledged
        counts.append(len(acknowledged))
    mine = [name for name in db.read_now(names) if name.startswith(folder.name)]
    assert sorted(mine) == sorted(lines)
    assert db.read_now(problems) == []
    print(counts)
    return min(counts) > max(counts) / 4


async def write_steadily(db: SQLite, size: int, prefix: str = "") -> int:
    """`size` bytes without a pause, so that a passive checkpoint alone never gets to the end of the log. The largest
    size of the log."""
    text = "x" * 1000
    rows = size // len(text) // 16
    largest = 0

    async def caller(caller: int) -> None:
        nonlocal largest
        for number in range(rows):
            await db.write(add, f"{prefix}{caller} {number}{text}")
            largest = max(largest, db.describe()["wal_size"])

    await asyncio.gather(*(caller(number) for number in range(16)))
    return largest


@pytest.fixture
def small_log(monkeypatch: pytest.MonkeyPatch) -> int:
    size = 1024 * 1024
    for module in (sqlite_checkpoint, sqlite_writer):
        monkeypatch.setattr(module, "RESTART_SIZE", size)
    monkeypatch.setattr(sqlite_checkpoint, "EMPTY_SIZE", size // 4)
    monkeypatch.setattr(sqlite_checkpoint, "CHECKPOINT_SIZE", size // 8)
    monkeypatch.setattr(sqlite_connection, "KEPT_LOG", size)
    return size


@pytest.mark.parametrize("checkpoints", ["checkpoints", "no checkpoints"])
def test_the_log_starts_again_under_steady_load(
    small_log: int, path: Path, monkeypatch: pytest.MonkeyPatch, checkpoints: str
) -> None:
    if checkpoints == "no checkpoints":  # as if they never got to the end: the writer alone bounds the log
        monkeypatch.setattr(sqlite_checkpoint, "CHECKPOINT_SIZE", 1 << 40)
    db = SQLite.open(path)
    db.write_now(make_tables)
    largest = asyncio.run(write_steadily(db, 4 * small_log))
    assert largest < 1.5 * small_log
    db.close()


def test_a_long_read_delays_the_restart_and_stops_no_writer(small_log: int, path: Path) -> None:
    db, reader = SQLite.open(path), SQLite.open(path)
    db.write_now(make_tables)

    async def hold(queries: Queries) -> tuple[int, int]:
        before = len(await names(queries))
        largest = asyncio.run_coroutine_threadsafe(write_steadily(db, small_log // 2), loop).result(60)
        assert len(await names(queries)) == before
        return before, largest

    async def main() -> tuple[int, int]:
        nonlocal loop
        loop = asyncio.get_running_loop()
        return await reader.read_aside(hold)

    loop: asyncio.AbstractEventLoop
    _, largest = asyncio.run(main())
    assert largest > 1.5 * small_log, "the read was to hold the log"
    asyncio.run(write_steadily(db, small_log, "later "))
    assert Path(f"{path}-wal").stat().st_size < 1.5 * small_log
    reader.close()
    db.close()


def test_a_quiet_log_is_moved_and_cut_without_the_writer(
    small_log: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "RESTART_SIZE", 1 << 40)
    monkeypatch.setattr(sqlite_checkpoint, "EMPTY_SIZE", 1 << 40)
    db = SQLite.open(path)
    db.write_now(make_tables)
    for burst in range(3):
        for number in range(60):
            db.write_now(add, f"{burst} {number}" + "x" * 3000)
        until = time.monotonic() + 60
        while db.describe()["wal_size"] > small_log // 8:
            assert time.monotonic() < until, "the log was moved, and yet the next commit did not start it again"
            time.sleep(0.05)
            db.write_now(add, f"{burst} {time.monotonic()}")
    db.close()


def test_a_log_that_starts_again_is_written_over_and_cut_by_the_clock(
    small_log: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that has to grow costs twice the CPU. What was erased must not go on standing behind what is new, also
    while others go on writing."""
    db = SQLite.open(path)
    db.write_now(make_tables)
    asyncio.run(write_steadily(db, small_log // 2))
    file, writer = Path(f"{path}-wal"), connect_writer(path, "full")
    assert restart_log(writer, 30, cut=False)
    size = file.stat().st_size
    assert size > small_log // 8
    db.write_now(add, "one")
    assert file.stat().st_size == size
    assert 0 < db.describe()["wal_size"] < 20 * 4096
    monkeypatch.setattr(sqlite_checkpoint, "EMPTY_SIZE", 1 << 40)
    monkeypatch.setattr(sqlite_checkpoint, "EMPTY_AFTER", 0.0)
    until, number = time.monotonic() + 60, 0
    while file.stat().st_size >= size:
        assert time.monotonic() < until, "the file is never cut"
        db.write_now(add, f"{number} " + "x" * 3000)
        number += 1
    writer.close()
    db.close()
