"""Writes that share a transaction, and its statements, on PostgreSQL: only those that ask for it.

Calls of the same function about different things (`write_together`) are driven side by side in one transaction. When
all of them wait for a statement, those that wait for the same one ask it once, in its form for many
(`Statement.together`). A write that needs any other statement leaves and is done alone. After an error each is done
again, alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, NamedTuple, TypeVar

from rollbook.errors import OutcomeUnknown, Overloaded, Stopping
from rollbook.storage.database import Engine, Row, Statement
from rollbook.storage.postgres_connection import Connection, Pool
from rollbook.storage.postgres_text import numbered
from rollbook.storage.postgres_writer import MAX_WAITING, Writer

T = TypeVar("T")

MAX_TOGETHER = 64
TRANSACTIONS = 2
"""While PostgreSQL writes the log for one, the next one is on its way; a third would only make each of them smaller."""


class Job(NamedTuple):
    future: asyncio.Future[Any]
    about: str
    fn: Callable[..., Awaitable[Any]]
    args: tuple[Any, ...]


class _Ask:
    """Request of a write that waits for a batch. Its rows are sent back into the coroutine."""

    __slots__ = ("sql", "values")

    def __init__(self, sql: str, values: tuple[Any, ...]) -> None:
        self.sql = sql
        self.values = values

    def __await__(self) -> Generator[_Ask, list[Row], list[Row]]:
        return (yield self)


class _Alone(Exception):
    """The write, or with it the whole batch, cannot share its transaction."""


class _Transaction:
    """The `Tx` of a write in a batch."""

    engine: Engine = "postgresql"

    def __init__(self, dialect: Any) -> None:
        self.dialect = dialect
        self.channels: list[str] = []
        self.wrote = False

    async def one(self, sql: str, *values: Any) -> Row | None:
        rows = await _Ask(sql, values)
        return rows[0] if rows else None

    async def all(self, sql: str, *values: Any) -> list[Row]:
        return await _Ask(sql, values)

    async def run(self, sql: str, *values: Any) -> int:
        return len(await _Ask(sql, values))

    async def many(self, sql: str, rows: Any) -> None:
        raise _Alone

    async def insert(self, table: str, columns: Any, rows: Any) -> None:
        raise _Alone

    async def attempt(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        raise _Alone

    async def number(self, counter: str, at: int, how_many: int = 1) -> tuple[int, int]:
        raise _Alone

    async def reserve(self, counter: str, at: int, how_many: int) -> None:
        raise _Alone

    def notify(self, channel: str) -> None:
        self.channels.append(channel)


class _Running:
    """A write on its way: what it waits for, or how it ended."""

    def __init__(self, job: Job, dialect: Any) -> None:
        self.job = job
        self.tx = _Transaction(dialect)
        self.ask: _Ask | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        self._coroutine: Coroutine[Any, Any, Any] = job.fn(self.tx, *job.args)  # type: ignore[assignment]
        self.go_on(None)

    def go_on(self, rows: list[Row] | None) -> None:
        try:
            self.ask = self._coroutine.send(rows)
        except StopIteration as end:
            self.ask, self.result = None, end.value
        except Exception as problem:
            self.ask, self.error = None, problem

    def drop(self) -> None:
        self._coroutine.close()


class Batches:
    def __init__(self, pool: Pool, writer: Writer) -> None:
        """`writer` does those that do not share."""
        self._pool = pool
        self._writer = writer
        self._jobs: deque[Job] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        return len(self._jobs)

    async def write(self, about: str, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        if self._writer.closed:
            raise Stopping()
        if len(self._jobs) >= MAX_WAITING:
            raise Overloaded("Too many changes are waiting to be written. Try again shortly.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.append(Job(future, about, fn, args))
        if len(self._tasks) < TRANSACTIONS:
            self._tasks.add(loop.create_task(self._work()))
        # A caller that is cancelled leaves its write in the queue: it is done once, whether or not it is still wanted.
        return await future

    async def close(self) -> None:
        """Commits what waits."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        try:
            while self._jobs:
                jobs = self._next()
                alone = jobs if len(jobs) == 1 else await self._together(jobs)
                await asyncio.gather(*map(self._alone, alone))
        finally:
            # In the same turn in which it saw that nothing waits: a write that comes right after must find it gone, and
            # begin another.
            self._tasks.discard(asyncio.current_task())  # type: ignore[arg-type]

    def _next(self) -> list[Job]:
        """The job that has waited longest, and others of its function that are about other things. In the order of
        these, so that two transactions that lock the same rows wait in turn."""
        first = self._jobs.popleft()
        jobs, later = {first.about: first}, []
        while self._jobs and len(jobs) < MAX_TOGETHER:
            job = self._jobs.popleft()
            if job.fn is first.fn and job.about not in jobs:
                jobs[job.about] = job
            else:
                later.append(job)
        self._jobs.extendleft(reversed(later))
        return sorted(jobs.values(), key=lambda job: job.about)

    async def _alone(self, job: Job) -> None:
        try:
            result = await self._writer.alone(job.fn, job.args)
        except BaseException as problem:
            _settle(job, None, problem)
        else:
            _settle(job, result, None)

    async def _together(self, jobs: list[Job]) -> list[Job]:
        """All in one transaction, and their callers answered; those that have to be done alone are returned."""
        running = [_Running(job, self._writer.dialect) for job in jobs]
        try:
            async with self._pool.taken() as connection:
                await connection.execute(self._writer.begin)
                try:
                    shared = await _drive(connection, running)
                except BaseException as problem:
                    await connection.roll_back(after=problem)
                    raise
                try:
                    await connection.commit()
                except OutcomeUnknown as problem:
                    for each in shared:  # one for each: a raised exception gathers its caller's traceback
                        unknown = OutcomeUnknown()
                        unknown.__cause__ = problem.__cause__
                        _settle(each.job, None, unknown)
                    return [each.job for each in running if each not in shared]
        except Exception:  # whatever it is, each finds out for itself
            for each in running:
                each.drop()
            return jobs
        good = [each for each in shared if each.error is None]
        self._writer.done(len(good), [channel for each in good for channel in each.tx.channels])
        for each in shared:
            _settle(each.job, each.result, each.error)
        return [each.job for each in running if each not in shared]


async def _drive(connection: Connection, running: list[_Running]) -> list[_Running]:
    """All to their ends; those that did not leave. Raises _Alone when one that wrote something fails, or would have to
    leave."""
    shared = list(running)
    while waiting := [each for each in shared if each.ask is not None]:
        groups: dict[str, list[_Running]] = {}
        for each in waiting:
            groups.setdefault(each.ask.sql, []).append(each)  # type: ignore[union-attr]
        for sql, members in groups.items():
            if not isinstance(sql, Statement) or sql.together is None:
                if any(each.tx.wrote for each in members):
                    raise _Alone
                for each in members:
                    each.drop()
                    shared.remove(each)
                continue
            asked: list[Any] = [each.ask for each in members]
            columns = list(map(list, zip(*(each.values for each in asked), strict=True)))
            found: list[list[Row]] = [[] for _ in members]
            for row in await connection.fetch(numbered(sql.together), columns):
                found[row[0] - 1].append(row[1:])
            for each, rows in zip(members, found, strict=True):
                each.tx.wrote = each.tx.wrote or not sql.locks
                each.go_on(rows)
    if any(isinstance(each.error, _Alone) or (each.error is not None and each.tx.wrote) for each in shared):
        raise _Alone
    return shared


def _settle(job: Job, result: Any, error: BaseException | None) -> None:
    if job.future.done():  # the caller has gone
        return
    if error is None:
        job.future.set_result(result)
    else:
        job.future.set_exception(error)
