"""What `Database` promises of reads, of single writes and of the file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from things import add, make_tables, names

from rollbook.errors import Overloaded, Stopping, StorageUnavailable
from rollbook.storage import sqlite, sqlite_connection
from rollbook.storage.database import DatabaseUnusable, Duplicate, Queries, Tx, scalar
from rollbook.storage.sqlite import SQLite
from rollbook.storage.sqlite_checkpoint import restart_log
from rollbook.storage.sqlite_connection import check_version, connect_writer


async def test_a_write_is_seen_by_every_read_that_follows_it(db: SQLite) -> None:
    for number in range(50):
        await db.write(add, f"name {number}")
        assert await db.one("SELECT count(*) FROM things") == (number + 1,)
        assert len(await db.read(names)) == number + 1
        assert len(await db.read_aside(names)) == number + 1


async def test_one_all_and_run_are_single_reads(db: SQLite) -> None:
    await db.write(add, "a")
    await db.write(add, "b")
    assert await db.one("SELECT name FROM things WHERE name = ?", "b") == ("b",)
    assert await db.one("SELECT name FROM things WHERE name = ?", "c") is None
    assert await db.all("SELECT name FROM things ORDER BY id") == [("a",), ("b",)]


async def test_a_read_sees_one_snapshot_to_its_end(db: SQLite) -> None:
    other = SQLite.open(db.path)

    async def twice(queries: Queries) -> tuple[list[str], list[str]]:
        before = await names(queries)
        other.write_now(add, "late")
        return before, await names(queries)

    assert await db.read(twice) == ([], [])
    assert await db.read_aside(names) == ["late"]
    other.close()


async def test_reads_complete_without_suspending(db: SQLite) -> None:
    await db.write(add, "a")
    for read in (db.one("SELECT name FROM things"), db.all("SELECT name FROM things"), db.read(names)):
        with pytest.raises(StopIteration):
            read.send(None)  # type: ignore[attr-defined]


async def test_read_aside_leaves_the_event_loop_free(db: SQLite) -> None:
    async def slow(queries: Queries) -> int:
        assert threading.current_thread() is not threading.main_thread()
        rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT sum(i) FROM n"
        row = await queries.one(rows)
        assert row is not None
        return int(row[0])

    reading = asyncio.ensure_future(db.read_aside(slow))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    assert reading.result() == 300000 * 300001 // 2
    assert turns > 2


async def test_read_aside_refuses_when_too_many_wait(db: SQLite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "ASIDE_WAITING", 3)
    results = await asyncio.gather(*(db.read_aside(names) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [list, list, list, Overloaded, Overloaded]
    assert await db.read_aside(names) == []


async def test_a_failed_read_leaves_nothing_open(db: SQLite) -> None:
    await db.write(add, "a")

    async def fails(queries: Queries) -> None:
        await queries.one("SELECT name FROM things")
        raise LookupError

    with pytest.raises(LookupError):
        await db.read(fails)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await db.one("SELECT * FROM nowhere")
    with pytest.raises(sqlite3.OperationalError, match="integer overflow"):
        await db.all("SELECT abs(-9223372036854775808) FROM things")
    await db.write(add, "b")
    assert await db.read(names) == ["a", "b"]
    writer = connect_writer(db.path, "full")
    assert restart_log(writer, 0), "a statement still holds its snapshot"
    writer.close()


async def test_a_first_row_that_is_not_the_last_holds_no_snapshot(db: SQLite) -> None:
    for name in "abc":
        await db.write(add, name)
    assert await db.one("SELECT name FROM things ORDER BY id") == ("a",)
    await db.write(add, "d")
    assert await db.one("SELECT count(*) FROM things") == (4,)
    writer = connect_writer(db.path, "full")
    assert restart_log(writer, 0)
    writer.close()


@pytest.mark.parametrize("method", ["one", "all"])
async def test_a_write_given_to_a_read_fails_and_is_no_fault_of_the_disk(db: SQLite, method: str) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await getattr(db, method)("DELETE FROM things")


@pytest.mark.parametrize("method", ["read", "read_aside", "write"])
async def test_a_function_that_suspends_is_refused_and_undone(db: SQLite, method: str) -> None:
    async def suspends(queries: Tx) -> None:
        if method == "write":
            await add(queries, "half")
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="suspended inside a"):
        await getattr(db, method)(suspends)
    await db.write(add, "next")
    assert await db.read(names) == ["next"]


async def test_a_refused_row_is_called_a_duplicate_and_named(db: SQLite) -> None:
    async def tables(tx: Tx) -> None:
        await tx.run("CREATE TABLE pairs (a, b, c, UNIQUE (b, a))")
        await tx.run("CREATE UNIQUE INDEX pairs_c ON pairs (lower(c))")
        await tx.run("INSERT INTO pairs VALUES (1, 2, 'x')")

    async def insert(tx: Tx, sql: str) -> None:
        await tx.run(sql)

    await db.write(tables)
    await db.write(add, "a")
    for sql, constraint in (
        ("INSERT INTO things (name) VALUES ('a')", "things.name"),
        ("INSERT INTO things (id) VALUES (1)", "things.id"),
        ("INSERT INTO pairs VALUES (1, 2, 'y')", "pairs.b"),
        ("INSERT INTO pairs VALUES (2, 2, 'X')", "pairs_c"),
    ):
        with pytest.raises(Duplicate) as refused:
            await db.write(insert, sql)
        assert refused.value.constraint == constraint
    with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
        await db.write(insert, "INSERT INTO changes (thing) VALUES (NULL)")


async def test_run_tells_how_many_rows_it_changed_and_many_does_all(db: SQLite) -> None:
    async def fill(tx: Tx) -> int:
        await tx.many("INSERT INTO things (name) VALUES (?)", [(f"n{number}",) for number in range(10)])
        return await tx.run("UPDATE things SET colour = 'red' WHERE id > ?", 4)

    assert await db.write(fill) == 6
    assert await db.one("SELECT count(*) FROM things") == (10,)


def test_writes_and_reads_work_without_an_event_loop(db: SQLite) -> None:
    assert db.write_now(add, "a")[1] == "a"
    assert db.read_now(names) == ["a"]
    with pytest.raises(Duplicate):
        db.write_now(add, "a")


def test_one_database_serves_one_event_loop_after_the_other(db: SQLite) -> None:
    async def write(name: str) -> None:
        await asyncio.gather(db.write(add, name), db.write(add, f"{name}2"))

    asyncio.run(write("a"))
    asyncio.run(write("b"))
    assert db.read_now(names) == ["a", "a2", "b", "b2"]


async def test_close_commits_what_waits_and_refuses_what_comes_later(path: Path) -> None:
    db = SQLite.open(path)
    db.write_now(make_tables)
    writes = [asyncio.ensure_future(db.write(add, f"n{number}")) for number in range(500)]
    await asyncio.sleep(0)
    db.close()
    await asyncio.gather(*writes)
    with pytest.raises(Stopping):
        await db.write(add, "late")
    with pytest.raises(Stopping):
        db.write_now(add, "late")
    db = SQLite.open(path)
    assert len(db.read_now(names)) == 500
    db.close()


def test_closing_the_last_one_leaves_a_single_file_without_a_log(path: Path) -> None:
    first, second = SQLite.open(path), SQLite.open(path)
    first.write_now(make_tables)
    first.close()
    assert second.read_now(names) == []
    assert path.with_name("rollbook.db-wal").exists()
    second.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["rollbook.db", "writer.lock"]


def test_the_files_are_for_their_owner_only(db: SQLite) -> None:
    db.write_now(add, "a")
    assert stat.S_IMODE(db.path.parent.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in db.path.parent.iterdir()}
    assert modes == dict.fromkeys(("rollbook.db", "rollbook.db-wal", "rollbook.db-shm", "writer.lock"), 0o600)


def test_a_file_that_is_no_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "rollbook.db"
    path.write_bytes(b"certainly not a database" * 1000)
    with pytest.raises(DatabaseUnusable, match="cannot be used as a database: file is not a database"):
        SQLite.open(path)
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnusable, match="cannot be used as a database"):
        SQLite.open(tmp_path / "file" / "rollbook.db")


def test_an_old_sqlite_is_refused_with_a_sentence() -> None:
    check_version()
    with pytest.raises(DatabaseUnusable, match=r"SQLite 3\.43\.0 or newer is needed, this Python has 3\.40\.1"):
        check_version((3, 40, 1))


def test_describe_tells_what_a_doctor_asks(db: SQLite) -> None:
    db.write_now(add, "a")
    found = db.describe()
    assert found["journal_mode"] == "wal"
    assert found["synchronous"] == "full"
    assert found["wal_size"] > 0
    assert found["size"] >= 4096
    assert found["page_count"] > 0
    assert found["network_file_system"] is False
    assert db.read_now(names) == ["a"]


def test_a_process_of_the_server_has_sqlite_without_mutexes_and_statistics() -> None:
    """Where it is no part of Python: then nothing is set up, and databases open all the same."""
    program = """
import ctypes, sys
from rollbook.storage.sqlite_library import configure
configure()
import _sqlite3, sqlite3
sqlite3.connect(":memory:").execute("SELECT 1")
used = getattr(ctypes.CDLL(_sqlite3.__file__), "sqlite3_memory_used", None)
print(0 if used is None or sys.platform != "linux" else used())
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "0\n"


def test_reads_keep_more_pages_where_there_is_more_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for memory, pages in ((512, 16), (8_192, 32), (65_536, 64)):
        monkeypatch.setattr(sqlite_connection, "available_memory", lambda memory=memory: memory)
        with closing(SQLite.open(path)) as db:
            assert db.read_now(_cache) == -pages * 1024
            assert db.write_now(_cache) == -pages * 512


async def _cache(queries: Queries) -> int:
    return int(await scalar(queries, "PRAGMA cache_size"))


async def test_reads_of_one_turn_share_a_snapshot_that_ends_with_it(db: SQLite) -> None:
    other = SQLite.open(db.path)
    with db.one_snapshot():
        assert await db.read(names) == []
        other.write_now(add, "late")
        assert await db.one("SELECT count(*) FROM things") == (0,)
        with pytest.raises(sqlite3.Error):
            await db.read(_broken)
        assert await db.read(names) == []
    assert await db.read(names) == ["late"]
    other.close()


def test_a_disk_that_fails_within_a_turn_fails_its_reads_and_no_later_ones(path: Path) -> None:
    with closing(SQLite.open(path)) as db:
        db.write_now(make_tables)
        db.write_now(_many)
    whole = path.read_bytes()  # without a log
    with closing(SQLite.open(path)) as db, closing(SQLite.open(path)) as other:
        with db.one_snapshot():
            assert db.read_now(_begun) == 1
            os.truncate(path, 8_192)
            for _ in range(2):
                with pytest.raises(StorageUnavailable):
                    db.read_now(names)
        path.write_bytes(whole)
        other.write_now(add, "late")
        with db.one_snapshot():
            assert len(db.read_now(names)) == 2_001


async def _begun(queries: Queries) -> int:
    return int(await scalar(queries, "SELECT count(*) > 0 FROM sqlite_master"))


async def _broken(queries: Queries) -> None:
    await queries.one("SELECT nothing")


async def _many(tx: Tx) -> None:
    for number in range(2_000):
        await add(tx, f"{number} {'x' * 100}")
