"""Reads from PostgreSQL: single statements whose callers wait at the same moment go together; several statements share
a snapshot."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from rollbook.errors import Overloaded, StorageUnavailable, Unavailable
from rollbook.storage.database import Engine, Row
from rollbook.storage.postgres_connection import AGAIN, BROKEN, Connection, Pool, translate_error
from rollbook.storage.postgres_text import numbered

T = TypeVar("T")

MAX_TOGETHER = 128
"""Callers of one statement."""
MAX_WAITING = 10_000
TRIES = 12
"""The number of times that a statement or transaction is tried again after a conflict with others."""
SNAPSHOT = """BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL work_mem = '32MB'"""
"""PostgreSQL takes the snapshot at the first query (its manual, 13.2.2). Each statement is planned for its values:
whether an index is of use to a search depends on what is searched. What an index finds is kept row by row in
`work_mem`; where that is too small, whole pages are, and all their users are compared again: a hundred times the cost
for a short search term of many users."""

# By the values, those who asked for them.
_Asked = dict[tuple[Any, ...], list["asyncio.Future[list[Row]]"]]


class ReadBatcher:
    """Single reads. The first goes at once; those that come while it is under way share the next statement, equal ones
    one row of it.

    This is what halves the cost of a busy server: 7 µs a look-up on either side of the wire where one statement for
    each takes 30.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._asked: dict[str, _Asked] = {}
        self._waiting = 0
        self._running = 0
        # Found once: until Python 3.12, to ask for the running loop is to ask the system for the process id.
        self._loop: asyncio.AbstractEventLoop | None = None

    def ask(self, sql: str, values: tuple[Any, ...]) -> asyncio.Future[list[Row]]:
        """Its rows: the same list for callers of the same. Raises Overloaded, and in the future DatabaseTimeout,
        StorageUnavailable."""
        if self._waiting >= MAX_WAITING:
            raise Overloaded()
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Row]] = loop.create_future()
        self._asked.setdefault(sql, {}).setdefault(values, []).append(future)
        self._waiting += 1
        if self._running < self._pool.size:
            self._running += 1
            loop.create_task(self._run())  # noqa: RUF006 - it ends by itself, and its callers hold its futures
        return future

    async def _run(self) -> None:
        try:
            while self._asked:
                sql, reads = next(iter(self._asked.items()))
                del self._asked[sql]
                if len(reads) > MAX_TOGETHER:
                    more = list(reads.items())
                    reads = dict(more[:MAX_TOGETHER])
                    self._asked[sql] = dict(more[MAX_TOGETHER:])
                self._waiting -= sum(map(len, reads.values()))
                try:
                    await self._answer(sql, reads)
                except BaseException as problem:
                    for futures in reads.values():
                        for future in futures:
                            if not future.done():
                                future.set_exception(translate_error(problem))
                    if not isinstance(problem, Exception):
                        raise
        finally:
            self._running -= 1

    async def _answer(self, sql: str, reads: _Asked) -> None:
        if len(reads) == 1:
            return await self._one_by_one(sql, reads)
        try:
            rows = await repeated(self._pool, sql, list(map(list, zip(*reads, strict=True))), batched=True)
        except Exception as problem:
            if isinstance(translate_error(problem), Unavailable):
                raise
            # One of them asks for what cannot be: the others have a right to their rows.
            return await self._one_by_one(sql, reads)
        answers: list[list[Row]] = [[] for _ in reads]
        for row in rows:
            answers[row[0] - 1].append(row[1:])
        for futures, rows in zip(reads.values(), answers, strict=True):
            _settle(futures, rows)

    async def _one_by_one(self, sql: str, reads: _Asked) -> None:
        for values, futures in reads.items():
            try:
                _settle(futures, await repeated(self._pool, numbered(sql), values))
            except Exception as problem:
                for future in futures:
                    if not future.done():
                        future.set_exception(translate_error(problem))


class Snapshot:
    """`Queries` inside one transaction, or of one statement each outside of any."""

    engine: Engine = "postgresql"

    def __init__(self, connection: Connection, dialect: Any) -> None:
        self.dialect = dialect
        self._connection = connection

    async def one(self, sql: str, *values: Any) -> Row | None:
        rows = await self._connection.fetch(numbered(sql), values)
        return rows[0] if rows else None

    async def all(self, sql: str, *values: Any) -> list[Row]:
        return await self._connection.fetch(numbered(sql), values)


async def in_snapshot(
    pool: Pool, dialect: Any, fn: Callable[..., Awaitable[T]], args: tuple[Any, ...], within: float | None = None
) -> T:
    """`await fn(queries, *args)`, all of it of one moment. `within`: seconds that each statement may take, instead of
    the usual time. Raises DatabaseTimeout, StorageUnavailable, and what `fn` raises."""
    begin = SNAPSHOT if within is None else f"{SNAPSHOT}; SET LOCAL statement_timeout = {int(within * 1_000)}"
    for attempt in range(TRIES):
        try:
            async with pool.taken() as connection:
                await connection.execute(begin)
                try:
                    value = await fn(Snapshot(connection, dialect), *args)
                except BaseException as problem:
                    await connection.roll_back(after=problem)
                    raise
                await connection.execute("COMMIT")
                return value
        except AGAIN:  # on a standby, what was read has been cleared away by the primary
            await pause(attempt)
        except Exception as problem:
            if isinstance(problem, BROKEN) and attempt == 0:
                continue
            raise translate_error(problem)  # noqa: B904 - it knows its cause
    raise StorageUnavailable("The database did not get to the end of a search. Nothing was changed.")


async def repeated(pool: Pool, sql: str, values: Sequence[Any], batched: bool = False) -> list[Row]:
    """Rows of one statement that is a transaction by itself: done again when others were in its way, or when an idle
    connection had broken.

    With numbered parameters; or with `batched`, one that `Connection.fetch_batched` takes.
    """
    for attempt in range(TRIES):
        try:
            async with pool.taken() as connection:
                if batched:
                    return await connection.fetch_batched(sql, values)
                return await connection.fetch(sql, values)
        except AGAIN:
            await pause(attempt)
        except BROKEN:
            if attempt:
                raise
    raise StorageUnavailable("Too many changes of the same things at once. Nothing was changed.")


async def pause(attempt: int) -> None:
    """Before the same is tried again: longer each time, up to a quarter of a second, and never the same for two."""
    await asyncio.sleep(random.uniform(0, 0.002 * 2 ** min(attempt, 7)))


def _settle(futures: list[asyncio.Future[list[Row]]], rows: list[Row]) -> None:
    for future in futures:
        if not future.done():  # the caller has gone
            future.set_result(rows)
