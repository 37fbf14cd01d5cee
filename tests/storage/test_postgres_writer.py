"""Concurrent writes on PostgreSQL: each succeeds or fails as if it were alone, once, and its caller is told the
truth."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg
import pytest

from rollbook.errors import DatabaseTimeout, OutcomeUnknown, Overloaded, Stopping, StorageUnavailable
from rollbook.storage import postgres_reads, postgres_writer
from rollbook.storage.database import Duplicate, Queries, Statement, Tx
from rollbook.storage.postgres import Postgres
from rollbook.storage.postgres_connection import Connection
from tests import postgres

THING = Statement("SELECT n FROM things WHERE name = ?", locks=True)
TABLES = (
    'CREATE TABLE things (name text COLLATE "C" NOT NULL CONSTRAINT "things.name" PRIMARY KEY, n bigint NOT NULL '
    "DEFAULT 0)",
    "CREATE TABLE numbers (counter text PRIMARY KEY, next bigint NOT NULL, at bigint NOT NULL)",
    "INSERT INTO numbers VALUES ('things', 1, 0)",
)


async def make_tables(tx: Tx) -> None:
    for sql in TABLES:
        await tx.run(sql)


async def add(tx: Tx, name: str) -> str:
    await tx.run("INSERT INTO things (name) VALUES (?)", name)
    return name


async def count_up(tx: Tx, name: str) -> int:
    row = await tx.one(THING, name)
    assert row is not None
    await tx.run("UPDATE things SET n = ? WHERE name = ?", row[0] + 1, name)
    return row[0] + 1


async def change_then_fail(tx: Tx, name: str) -> None:
    await add(tx, name)
    if "bad" in name:
        raise LookupError(name)


async def names(queries: Queries) -> list[str]:
    return [row[0] for row in await queries.all("SELECT name FROM things ORDER BY name")]


@pytest.fixture
def url() -> str:
    return postgres.new_database("writer")


@asynccontextmanager
async def opened(url: str, timeout: float = 60, **options: Any) -> AsyncIterator[Postgres]:  # noqa: ASYNC109
    """With time enough for a busy machine, unless the test says otherwise."""
    db = Postgres(url, timeout=timeout, **options)
    try:
        yield db
    finally:
        await db.stop()


@asynccontextmanager
async def fresh(url: str, **options: Any) -> AsyncIterator[Postgres]:
    async with opened(url, **options) as db:
        await db.write(make_tables)
        yield db


def outcomes(results: list[Any]) -> list[Any]:
    return [type(result) if isinstance(result, BaseException) else result for result in results]


async def together(db: Postgres, *writes: tuple[Any, ...]) -> list[Any]:
    return await asyncio.gather(*(db.write(*write) for write in writes), return_exceptions=True)


# ---- side by side


async def test_writes_one_after_the_other_are_done_without_another_to_wake_the_writer(url: str) -> None:
    async with fresh(url) as db:

        async def some() -> None:
            for number in range(200):
                await db.write(add, f"{number}")

        await asyncio.wait_for(some(), 60)
        assert len(await db.read(names)) == 200


async def test_a_failing_write_is_undone_alone_wherever_it_stands(url: str) -> None:
    async with fresh(url) as db:
        for position in range(3):
            writes: list[tuple[Any, ...]] = [(change_then_fail, f"{position} a"), (change_then_fail, f"{position} b")]
            writes.insert(position, (change_then_fail, f"{position} bad"))
            results = await together(db, *writes)
            assert isinstance(results[position], LookupError)
            assert outcomes(results).count(type(None)) == 0 and results.count(None) == 2
        assert await db.read(names) == ["0 a", "0 b", "1 a", "1 b", "2 a", "2 b"]


async def test_the_loser_of_a_race_is_told_and_the_others_are_not_touched(url: str) -> None:
    async with fresh(url) as db:
        results = await together(db, (add, "x"), (add, "a"), (add, "b"), (add, "a"), (add, "c"))
        results[1], results[3] = sorted((results[1], results[3]), key=lambda result: isinstance(result, Exception))
        assert outcomes(results) == ["x", "a", "b", Duplicate, "c"]
        assert results[3].constraint == "things.name"
        assert await db.read(names) == ["a", "b", "c", "x"]


async def test_values_that_postgresql_does_not_take_fail_their_own_write_only(url: str) -> None:
    async with fresh(url) as db:
        results = await together(
            db, (add, "first"), (add, "a"), (add, "nul \0"), (add, "b"), (add, "lone \ud800"), (add, "c")
        )
        assert [type(result) is str for result in results] == [True, True, False, True, False, True]
        assert await db.read(names) == ["a", "b", "c", "first"]


async def test_values_that_postgresql_does_not_take_fail_their_own_look_up_only(url: str) -> None:
    async with fresh(url) as db:
        for name in ("a", "b", "c"):
            await db.write(add, name)
        asked = ["first", "a", "nul \0", "b", "lone \ud800", "c", "a"]
        answers = await asyncio.gather(
            *(db.all("SELECT name FROM things WHERE name = ?", name) for name in asked), return_exceptions=True
        )
        found = [[tuple(row) for row in rows] if isinstance(rows, list) else type(rows) for rows in answers]
        assert [each for each in found if isinstance(each, list)] == [[], [("a",)], [("b",)], [("c",)], [("a",)]]
        assert all(issubclass(each, asyncpg.DataError) for each in found if not isinstance(each, list))


async def test_a_write_that_minds_a_duplicate_itself_is_not_half_done(url: str) -> None:
    """PostgreSQL has lost the transaction by then: it is an error, not a write that lacks its beginning."""

    async def add_or_mark(tx: Tx, name: str) -> str:
        await tx.run("INSERT INTO things (name) VALUES (?)", f"{name} before")
        try:
            await add(tx, name)
        except Duplicate:
            await tx.run("UPDATE things SET n = 1 WHERE name = ?", name)
            return "marked"
        return "added"

    async with fresh(url) as db:
        await db.write(add, "a")
        (result,) = await together(db, (add_or_mark, "a"))
        assert isinstance(result, Exception)
        assert await db.read(names) == ["a"]
        await db.write(add, "after")


async def test_two_writes_about_the_same_thing_are_both_counted(url: str) -> None:
    async def by_any_name(tx: Tx, options: dict[str, str]) -> int:  # nothing tells the writer what it is about
        return await count_up(tx, options["name"])

    async with fresh(url) as db:
        await together(db, (add, "a"), (add, "b"))
        results = await together(db, *((count_up, "ab"[number % 2]) for number in range(40)))
        assert sorted(results) == sorted([*range(1, 21)] * 2)
        results = await together(db, *((by_any_name, {"name": "ab"[number % 2]}) for number in range(40)))
        assert sorted(results) == sorted([*range(21, 41)] * 2)


async def test_writers_of_several_servers_about_the_same_things_lose_no_change(url: str) -> None:
    """Waits and deadlocks are PostgreSQL's and the writer's to resolve; no caller sees one."""
    async with fresh(url) as db, opened(url) as second, opened(url) as third:
        things = [f"t{number}" for number in range(8)]
        await together(db, *((add, name) for name in things))

        async def server(each: Postgres, step: int) -> None:
            for turn in range(10):
                order = [things[(at * step + turn) % 8] for at in range(8)]
                await asyncio.gather(*(each.write(count_up, name) for name in order))

        await asyncio.gather(server(db, 1), server(second, 7), server(third, 3))
        assert {tuple(row)[1] for row in await db.all("SELECT name, n FROM things")} == {30}


async def both_ways(tx: Tx, pair: tuple[str, str]) -> None:
    for name in pair:
        await count_up(tx, name)


@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
async def test_deadlocks_and_refused_serializations_are_done_again_unseen(url: str, isolation: str) -> None:
    name = url.rpartition("/")[2]
    postgres.shared().ask(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = '{isolation}'")
    postgres.shared().ask(f"ALTER DATABASE \"{name}\" SET deadlock_timeout = '20ms'")
    async with fresh(url) as db, opened(url) as second:
        await together(db, (add, "a"), (add, "b"))
        for _ in range(15):
            await asyncio.gather(db.write(both_ways, ("a", "b")), second.write(both_ways, ("b", "a")))
        assert [tuple(row) for row in await db.all("SELECT name, n FROM things ORDER BY name")] == [
            ("a", 30),
            ("b", 30),
        ]


# ---- writes that ask to share a transaction


RENAME = Statement(
    "UPDATE things SET n = ? WHERE name = ?",
    together="""
        UPDATE things SET n = writes.n
          FROM unnest(CAST(? AS bigint[]), CAST(? AS text[])) WITH ORDINALITY AS writes(n, name, number)
        WHERE things.name = writes.name RETURNING number""",
)
FIND = Statement(
    "SELECT n FROM things WHERE name = ?",
    locks=True,
    together="""
        SELECT number, things.n FROM unnest(CAST(? AS text[])) WITH ORDINALITY AS writes(name, number),
        LATERAL (SELECT n FROM things WHERE things.name = writes.name FOR UPDATE) AS things""",
)


async def count_up_together(tx: Tx, name: str) -> int:
    row = await tx.one(FIND, name)
    if row is None:
        raise LookupError(name)
    assert await tx.run(RENAME, row[0] + 1, name) == 1
    if name == "fails":
        raise LookupError(name)
    if name == "adds":
        await add(tx, "added")
    return row[0] + 1


async def test_writes_that_share_a_transaction_fail_alone_and_count_each_once(url: str) -> None:
    """Of the same thing, of none, one that fails after it wrote, one that needs a statement which cannot be shared."""
    async with fresh(url) as db, opened(url) as second:
        await together(db, *((add, name) for name in ("a", "b", "c", "fails", "adds")))
        about = ["a", "b", "none", "a", "fails", "c", "adds", "b", "c", "a"]
        results: list[Any] = await asyncio.gather(
            *((db, second)[at % 2].write_together(name, count_up_together, name) for at, name in enumerate(about)),
            return_exceptions=True,
        )
        assert [name for name, result in zip(about, results, strict=True) if isinstance(result, LookupError)] == [
            "none",
            "fails",
        ]
        assert sorted(result for name, result in zip(about, results, strict=True) if name == "a") == [1, 2, 3]
        counts = dict(map(tuple, await db.all("SELECT name, n FROM things")))
        assert counts == {"a": 3, "b": 2, "c": 2, "fails": 0, "adds": 1, "added": 0}


async def test_writes_that_share_a_transaction_ask_each_statement_once(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    fetch = Connection.fetch

    async def noted(self: Connection, sql: str, values: Any) -> Any:
        fetched.append(sql)
        return await fetch(self, sql, values)

    async with fresh(url) as db:
        names = [f"n{number:02}" for number in range(20)]
        await together(db, *((add, name) for name in names))
        monkeypatch.setattr(Connection, "fetch", noted)
        assert await asyncio.gather(*(db.write_together(name, count_up_together, name) for name in names)) == [1] * 20
        assert len(fetched) == 2, "one to find all of them, one to change all of them"


# ---- what callers hear


async def test_a_caller_that_is_cancelled_neither_loses_nor_doubles_its_write(url: str) -> None:
    async with fresh(url) as db:
        for number in range(50):
            writing = asyncio.ensure_future(db.write(add, f"n{number:02}"))
            await asyncio.sleep(0.001 * (number % 4))
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        while db.writes_waiting:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
        assert await db.read(names) == [f"n{number:02}" for number in range(50)]


async def test_a_reader_that_is_cancelled_leaves_no_connection_in_a_transaction(url: str) -> None:
    async def slow(queries: Queries) -> None:
        await queries.all("SELECT 1 FROM pg_sleep(0.2)")

    async with fresh(url) as db:
        for _ in range(10):
            reading = asyncio.ensure_future(db.read(slow))
            await asyncio.sleep(0.02)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        assert await asyncio.wait_for(db.read(names), 60) == []
        await found(
            db, "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
        )


async def test_too_many_waiting_writes_are_refused_and_the_rest_is_done(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fresh(url) as db:
        monkeypatch.setattr(postgres_writer, "MAX_WAITING", 5)
        results = await together(db, *((add, f"n{number}") for number in range(8)))
        assert outcomes(results) == [*(f"n{number}" for number in range(5)), *[Overloaded] * 3]
        assert len(await db.read(names)) == 5


async def test_too_many_waiting_look_ups_are_refused_and_the_rest_is_answered(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fresh(url) as db:
        monkeypatch.setattr(postgres_reads, "MAX_WAITING", 5)
        asked = [db.one("SELECT CAST(? AS text)", f"{number}") for number in range(8)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert [row[0] if not isinstance(row, BaseException) and row else type(row) for row in results] == [
            *(f"{number}" for number in range(5)),
            *[Overloaded] * 3,
        ]


async def test_listeners_hear_after_the_commit_and_one_that_fails_takes_nothing_back(url: str) -> None:
    async def add_and_tell(tx: Tx, name: str) -> None:
        tx.notify("things")
        await change_then_fail(tx, name)

    async with fresh(url) as db:
        heard: list[str] = []

        def broken() -> None:
            raise ZeroDivisionError

        db.listen("things", broken)
        db.listen("things", lambda: heard.append("things"))
        await db.write(add_and_tell, "a")
        assert heard == ["things"]
        with pytest.raises(LookupError):
            await db.write(add_and_tell, "bad")
        assert heard == ["things"]
        assert await db.read(names) == ["a"]


async def test_a_database_that_was_closed_takes_no_more_and_has_done_what_waited(url: str) -> None:
    async with fresh(url) as db:
        waiting = [asyncio.ensure_future(db.write(add, f"n{number}")) for number in range(20)]
        await asyncio.sleep(0)
        await db.stop()
        assert len(await asyncio.gather(*waiting)) == 20
        with pytest.raises(Stopping):
            await db.write(add, "late")
    async with opened(url) as again:
        assert len(await again.read(names)) == 20


# ---- connections that break


KILL = (
    "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid != "
    "pg_backend_pid()"
)


async def terminate(url: str) -> None:
    connection = await asyncpg.connect(url)
    killed = [row[0] for row in await connection.fetch(KILL)]
    deadline = time.monotonic() + 60
    while await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1::int[])", killed):
        assert time.monotonic() < deadline, "they do not end"
        await asyncio.sleep(0.01)
    await connection.close()


async def found(db: Postgres, sql: str) -> None:
    """Wait until this is true."""
    deadline = time.monotonic() + 60
    while tuple(await db.one(sql) or ()) != (True,):
        assert time.monotonic() < deadline, f"it did not become true: {sql}"
        await asyncio.sleep(0.02)


async def test_after_connections_were_cut_while_idle_nobody_notices(url: str) -> None:
    async with fresh(url, connections=16) as db:
        for round in range(3):
            await asyncio.gather(*(db.read(names) for _ in range(8)), *(db.all("SELECT 1") for _ in range(8)))
            await together(db, *((add, f"{round} {number}") for number in range(8)))
            await terminate(url)
            await asyncio.sleep(0.05)
            await asyncio.gather(*(db.read(names) for _ in range(8)), *(db.one("SELECT 1") for _ in range(8)))
        assert len(await db.read(names)) == 24


async def test_a_transaction_cut_before_its_end_is_undone_and_its_caller_told_so(url: str) -> None:
    async def add_and_wait(tx: Tx, name: str) -> None:
        await add(tx, name)
        await tx.all("SELECT 1 FROM pg_sleep(60)")

    async with fresh(url) as db:
        writing = asyncio.ensure_future(db.write(add_and_wait, "lost"))
        waits = (
            "datname = current_database() AND query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid != "
            "pg_backend_pid()"
        )
        await found(db, f"SELECT count(*) > 0 FROM pg_stat_activity WHERE {waits}")
        await terminate(url)
        with pytest.raises(StorageUnavailable) as told:
            await writing
        assert not isinstance(told.value, OutcomeUnknown)
        assert await db.read(names) == []
        await db.write(add, "after")


class Cut:
    """Stands between a server and PostgreSQL, and hangs up when the server says a word: before PostgreSQL hears it, or
    after."""

    def __init__(self, to: int) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._to = to
        self.word = b""
        self.passes_on = False
        self._is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._between, args=(client,), daemon=True).start()

    def _between(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._to)) as server:
            back = threading.Thread(target=self._carry, args=(server, client, False), daemon=True)
            back.start()
            self._carry(client, server, True)
            back.join()

    def _carry(self, source: socket.socket, target: socket.socket, asks: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                if asks and self.word and self.word in data:
                    self._is_cut = True
                    if self.passes_on:
                        target.sendall(data)
                        time.sleep(0.3)  # until it is done
                    break
                if not asks and self._is_cut:
                    break
                target.sendall(data)
        except OSError:
            pass
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def heal(self) -> None:
        self.word, self._is_cut = b"", False

    def close(self) -> None:
        self._listening.close()


@contextmanager
def cut(url: str) -> Iterator[tuple[Cut, str]]:
    between = Cut(postgres.shared().port)
    try:
        yield between, url.replace(f":{postgres.shared().port}/", f":{between.port}/")
    finally:
        between.close()


@pytest.mark.parametrize("arrives", [False, True], ids=["before PostgreSQL hears it", "after it was done"])
async def test_when_the_connection_breaks_at_the_commit_the_outcome_is_unknown_and_the_write_is_never_done_twice(
    url: str, arrives: bool
) -> None:
    with cut(url) as (between, through):
        async with fresh(through) as db:
            await db.write(add, "first")
            between.word, between.passes_on = b"COMMIT", arrives
            results = await asyncio.wait_for(together(db, (add, "a")), 60)
            between.heal()
            assert outcomes(results) == [OutcomeUnknown]
            async with opened(url) as look:
                deadline = time.monotonic() + 60
                while True:  # PostgreSQL may still be at it
                    there = [name for name in await look.read(names) if name != "first"]
                    if ("a" in there) == arrives or time.monotonic() > deadline:
                        break
                    await asyncio.sleep(0.02)
                assert there == (["a"] if arrives else [])
            await db.write(add, "after")


async def test_a_statement_that_takes_too_long_is_stopped_and_its_caller_told_so(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """All wait for a lock of another transaction. Their connections are used on."""
    async with fresh(url, timeout=3) as db:
        await db.write(add, "a")
        other = await asyncpg.connect(url)
        await other.execute("BEGIN; LOCK TABLE things IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        results = [
            *await asyncio.gather(
                db.write(count_up, "a"),
                db.all("SELECT name FROM things WHERE name = ?", "a"),
                db.read(names),
                return_exceptions=True,
            )
        ]
        assert time.monotonic() - began < 60  # told from one that waits for the lock
        assert outcomes(results) == [DatabaseTimeout] * 3
        await other.execute("ROLLBACK")
        await other.close()
        assert await db.write(count_up, "a") == 1
        assert await db.read(names) == ["a"]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


# ---- what was prepared


async def test_statements_prepared_before_the_schema_changed_are_prepared_anew_unseen(url: str) -> None:
    async def rows(queries: Queries) -> list[Any]:
        return await queries.all("SELECT * FROM things WHERE name = ?", "a")

    async with fresh(url, connections=8) as db:
        await db.write(add, "a")
        other = await asyncpg.connect(url)
        for width, change in ((2, "ADD COLUMN x int"), (3, "ALTER COLUMN n TYPE numeric"), (3, "DROP COLUMN x")):
            everything: list[Callable[[], Awaitable[Any]]] = [
                lambda: db.read(rows),
                lambda: db.all("SELECT * FROM things WHERE name = ?", "a"),
                lambda: db.write(rows),
            ]
            for ask in everything * 2:
                assert len((await ask())[0]) == width
            await other.execute(f"ALTER TABLE things {change}")
            for ask in everything * 2:
                assert len((await ask())[0]) in (2, 3)
            await asyncio.gather(*(ask() for ask in everything * 10))
        await other.close()


async def test_statements_that_the_session_has_forgotten_are_prepared_anew_unseen(url: str) -> None:
    async with fresh(url) as db:
        for number in range(3):
            await db.write(add, f"{number}")
            with pytest.raises(LookupError):
                await db.write(forget_and_fail)
            await db.write(add, f"{number} again")
        assert len(await db.read(names)) == 6


async def forget_and_fail(tx: Tx) -> None:
    await tx.run("DEALLOCATE ALL")
    raise LookupError


# ---- numbers


async def numbered(tx: Tx, how_many: int) -> tuple[int, int]:
    first = await tx.number("things", 5, how_many)
    await tx.run("INSERT INTO things (name, n) VALUES (?, ?)", f"{first[0]:08}", how_many)
    return first


async def reserved(tx: Tx, how_many: int, used: int) -> list[tuple[int, int]]:
    await tx.reserve("things", 5, how_many)
    return [await tx.number("things", 5) for _ in range(used)]


async def test_reserved_numbers_are_taken_at_once_and_never_given_twice(url: str) -> None:
    async with fresh(url) as db:
        assert await db.write(reserved, 3, 3) == [(1, 5), (2, 6), (3, 7)]
        assert await db.one("SELECT next FROM numbers WHERE counter = 'things'") == (4,)
        assert await db.write(reserved, 3, 2) == [(4, 8), (5, 9)]
        assert await db.write(reserved, 2, 4) == [(7, 11), (8, 12), (9, 13), (10, 14)]


# ---- many rows at once


WAITING = (
    "SELECT pid FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = "
    "current_database())"
)


async def insert(tx: Tx, rows: list[tuple[str, int]]) -> None:
    await tx.insert("things", ("name", "n"), rows)


async def test_rows_that_are_added_together_are_all_there_or_none_is(url: str) -> None:
    async with fresh(url) as db:
        await db.write(insert, [("a", 1), ("b", 2)])
        with pytest.raises(Duplicate) as refused:
            await db.write(insert, [("c", 3), ("b", 4), ("d", 5)])
        assert refused.value.constraint == "things.name"
        assert await db.read(names) == ["a", "b"]


@pytest.mark.parametrize("how", ["cut", "silent"])
async def test_a_connection_that_is_lost_while_rows_are_added_is_noticed(url: str, how: str) -> None:
    async with fresh(url, timeout=3 if how == "silent" else 60) as db:
        other = await asyncpg.connect(url)
        async with other.transaction():
            await other.execute(
                "LOCK TABLE things IN SHARE MODE"
            )  # the columns can be asked for, but no row can be added
            # More than the buffers of the connection hold: the rest waits until the database reads on.
            adding = asyncio.ensure_future(
                db.write(insert, [("x" * 1_000 + f"{number}", number) for number in range(50_000)])
            )
            while (pid := await other.fetchval(WAITING)) is None:  # noqa: ASYNC110 - only the database knows
                await asyncio.sleep(0.01)
            os.kill(pid, signal.SIGSTOP if how == "silent" else signal.SIGTERM)
            try:
                with pytest.raises(StorageUnavailable):
                    await asyncio.wait_for(adding, 60)
            finally:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        await other.close()
        assert await db.read(names) == []


def _take_numbers(url: str, sent: Any) -> None:
    async def take() -> list[tuple[int, int, int]]:
        async with opened(url) as db:
            found = []
            for turn in range(25):
                sizes = [1 + (turn + at) % 3 for at in range(8)]
                for size, first in zip(
                    sizes, await asyncio.gather(*(db.write(numbered, size) for size in sizes)), strict=True
                ):
                    found.append((*first, size))
            return found

    sent.put(asyncio.run(take()))


def test_numbers_are_given_once_over_processes_and_times_rise_with_them(url: str) -> None:
    async def prepare() -> None:
        async with fresh(url):
            pass

    asyncio.run(prepare())
    context = multiprocessing.get_context("spawn")
    sent = context.Queue()
    processes = [context.Process(target=_take_numbers, args=(url, sent)) for _ in range(4)]
    for process in processes:
        process.start()
    found = sorted(each for _ in processes for each in sent.get(timeout=60))
    for process in processes:
        process.join(60)
    given = [number + at for number, _, size in found for at in range(size)]
    assert len(given) == len(set(given)) == sum(size for *_, size in found)
    times = [at + more for _, at, size in found for more in range(size)]
    assert times == sorted(set(times)), "two have the same time, or a later number an earlier one"
