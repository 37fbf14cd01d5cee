"""Writes that share a commit: each succeeds or fails as if it were alone."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from things import add, names, problems

from rollbook.errors import Overloaded, StorageUnavailable
from rollbook.storage import sqlite_writer
from rollbook.storage.database import Duplicate, Tx
from rollbook.storage.sqlite import SQLite


@pytest.fixture
def together(db: SQLite) -> Iterator[Callable[..., Awaitable[list[Any]]]]:
    """Does writes in one commit: a first one holds the writer until the others wait."""

    async def run(*writes: tuple[Any, ...]) -> list[Any]:
        held, all_wait, runs = threading.Event(), threading.Event(), []

        async def hold(tx: Tx) -> None:
            held.set()
            all_wait.wait(60)

        async def last(tx: Tx) -> None:
            runs.append(1)

        holding = asyncio.ensure_future(db.write(hold))
        while not held.is_set():  # noqa: ASYNC110 - the writer's thread brings it about
            await asyncio.sleep(0.001)
        waiting = [asyncio.ensure_future(db.write(*write)) for write in writes]
        await asyncio.sleep(0)
        all_wait.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        await holding
        return results

    return run  # type: ignore[return-value]


async def change_then_fail(tx: Tx, name: str) -> None:
    await add(tx, name)
    raise LookupError(name)


async def fail_at_once(tx: Tx) -> None:
    await tx.one("SELECT 1")
    raise LookupError


async def test_a_failing_write_is_undone_alone_wherever_it_stands(db: SQLite, together: Any) -> None:
    for position in range(3):
        writes: list[tuple[Any, ...]] = [(add, f"{position} a"), (add, f"{position} b")]
        writes.insert(position, (change_then_fail, f"{position} lost"))
        results = await together(*writes)
        assert isinstance(results.pop(position), LookupError)
        assert [row[1] for row in results] == [f"{position} a", f"{position} b"]
    assert await db.read(names) == ["0 a", "0 b", "1 a", "1 b", "2 a", "2 b"]
    assert await db.one("SELECT count(*) FROM changes") == (6,)


async def test_the_loser_of_a_race_is_told_and_the_others_are_not_touched(db: SQLite, together: Any) -> None:
    results = await together((add, "a"), (add, "b"), (add, "a"), (fail_at_once,), (add, "c"))
    assert [type(result) for result in results] == [tuple, tuple, Duplicate, LookupError, tuple]
    assert await db.read(names) == ["a", "b", "c"]
    assert await db.one("SELECT count(*) FROM changes") == (3,)


async def test_when_the_winner_of_a_race_is_undone_the_other_wins(db: SQLite, together: Any) -> None:
    results = await together((change_then_fail, "a"), (add, "a"))
    assert [type(result) for result in results] == [LookupError, tuple]
    assert await db.read(names) == ["a"]


async def test_a_changed_schema_is_undone_as_well(db: SQLite, together: Any) -> None:
    async def make_then_fail(tx: Tx) -> None:
        await tx.run("CREATE TABLE half (a)")
        raise LookupError

    await together((add, "a"), (make_then_fail,), (add, "b"))
    assert await db.one("SELECT count(*) FROM sqlite_schema WHERE name = 'half'") == (0,)
    assert await db.read(names) == ["a", "b"]


async def test_rows_before_a_refused_one_of_many_are_undone(db: SQLite, together: Any) -> None:
    async def fill(tx: Tx) -> None:
        await tx.many("INSERT INTO things (name) VALUES (?)", [("x",), ("y",), ("x",)])

    results = await together((add, "a"), (fill,), (add, "b"))
    assert isinstance(results[1], Duplicate)
    assert await db.read(names) == ["a", "b"]


async def test_a_write_that_minds_a_duplicate_itself_goes_on(db: SQLite, together: Any) -> None:
    async def add_or_mark(tx: Tx, name: str) -> str:
        try:
            await add(tx, name)
        except Duplicate:
            await tx.run("UPDATE things SET colour = 'seen' WHERE name = ?", name)
            return "marked"
        return "added"

    assert await together((add_or_mark, "a"), (add_or_mark, "a")) == ["added", "marked"]
    assert await db.all("SELECT name, colour FROM things") == [("a", "seen")]


async def test_a_deferred_constraint_fails_its_own_write_only(db: SQLite, together: Any) -> None:
    async def table(tx: Tx) -> None:
        await tx.run("CREATE TABLE parts (thing INTEGER REFERENCES things (id) DEFERRABLE INITIALLY DEFERRED)")

    async def part(tx: Tx, thing: int) -> None:
        await tx.run("INSERT INTO parts VALUES (?)", thing)

    await db.write(table)
    results = await together((add, "a"), (part, 99), (part, 1), (add, "b"))
    assert [type(result) for result in results] == [tuple, sqlite3.IntegrityError, type(None), tuple]
    assert await db.all("SELECT thing FROM parts") == [(1,)]
    assert await db.read(names) == ["a", "b"]


async def test_a_write_that_ends_the_transaction_itself_acknowledges_nobody_falsely(db: SQLite, together: Any) -> None:
    async def roll_back(tx: Tx) -> None:
        await tx.run("ROLLBACK")

    results = await together((add, "a"), (roll_back,), (add, "b"))
    assert all(isinstance(result, Exception) for result in results)
    await db.write(add, "after")
    assert await db.read(names) == ["after"]


async def test_a_statement_that_loses_the_transaction_fails_all_and_commits_nothing(db: SQLite, together: Any) -> None:
    """As a full disk may: SQLite rolls back by itself. A write that swallows the error must not go on outside of a
    transaction."""

    async def lose(tx: Tx) -> None:
        for sql in (
            "INSERT OR ROLLBACK INTO things (id, name) VALUES (1, 'taken')",
            "INSERT INTO things (name) VALUES ('stray')",
        ):
            with suppress(Duplicate, StorageUnavailable):
                await tx.run(sql)

    await db.write(add, "first")
    results = await together((add, "a"), (lose,), (add, "b"))
    assert all(isinstance(result, Exception) for result in results)
    assert await db.read(names) == ["first"]
    await db.write(add, "after")
    assert await db.read(names) == ["first", "after"]


async def test_a_connection_that_has_gone_bad_is_replaced(db: SQLite, together: Any) -> None:
    async def spoil(tx: Tx) -> None:
        await tx.run(
            "PRAGMA query_only = ON"
        )  # every statement that writes fails from here on, as on a disk gone read-only
        await add(tx, "never")

    results = await together((add, "a"), (spoil,), (add, "b"))
    assert [type(result) for result in results] == [StorageUnavailable] * 3
    await db.write(add, "after")
    assert await db.read(names) == ["after"]


async def test_listeners_are_called_on_the_loop_after_the_commit_and_before_the_writer_goes_on(
    db: SQLite, together: Any
) -> None:
    order: list[Any] = []

    async def add_and_tell(tx: Tx, name: str) -> None:
        tx.notify("things")
        await add(tx, name)

    async def tell_and_fail(tx: Tx) -> None:
        tx.notify("never")
        await change_then_fail(tx, "lost")

    def heard() -> None:
        assert threading.current_thread() is threading.main_thread()
        order.append(db.read_now(names))

    def broken() -> None:
        raise ZeroDivisionError

    db.listen("things", broken)  # is logged; the others are called all the same
    db.listen("things", heard)
    db.listen("never", lambda: order.append("never"))

    async def write(name: str) -> None:
        await db.write(add_and_tell, name)
        order.append(name)

    await write("a")
    assert order == [["a"], "a"]
    order.clear()
    await together((add_and_tell, "b"), (tell_and_fail,), (add_and_tell, "c"))
    assert order == [["a", "b", "c"]]


def test_listeners_hear_of_writes_made_without_a_loop(db: SQLite) -> None:
    async def tell(tx: Tx) -> None:
        tx.notify("things")

    heard: list[int] = []
    db.listen("things", lambda: heard.append(1))
    db.write_now(tell)
    assert heard == [1]

    async def on_the_loop() -> None:
        db.listen("things", lambda: heard.append(threading.get_ident()))
        await asyncio.to_thread(db.write_now, tell)
        await asyncio.sleep(0)

    asyncio.run(on_the_loop())
    assert heard[-1] == threading.get_ident()


async def test_a_caller_that_is_cancelled_neither_loses_nor_doubles_its_write(db: SQLite) -> None:
    for number in range(50):
        writing = asyncio.ensure_future(db.write(add, f"n{number}"))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    await db.write(add, "last")
    assert sorted(await db.read(names)) == sorted([*(f"n{number}" for number in range(50)), "last"])


async def test_too_many_waiting_writes_are_refused_and_the_rest_is_done(
    db: SQLite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "MAX_WAITING", 5)
    held, release = threading.Event(), threading.Event()

    async def hold(tx: Tx) -> None:
        held.set()
        release.wait(60)

    holding = asyncio.ensure_future(db.write(hold))
    while not held.is_set():  # noqa: ASYNC110 - the writer's thread brings it about
        await asyncio.sleep(0.001)
    writes = [asyncio.ensure_future(db.write(add, f"n{number}")) for number in range(8)]
    await asyncio.sleep(0)
    release.set()
    results = await asyncio.gather(*writes, return_exceptions=True)
    await holding
    assert [type(result) for result in results] == [tuple] * 5 + [Overloaded] * 3
    assert len(await db.read(names)) == 5


async def test_two_databases_in_one_process_write_to_one_file(db: SQLite) -> None:
    other = SQLite.open(db.path)
    await asyncio.gather(
        *(
            database.write(add, f"{side} {number}")
            for number in range(200)
            for side, database in (("a", db), ("b", other))
        )
    )
    other.close()
    assert len(await db.read(names)) == 400
    assert db.read_now(problems) == []
