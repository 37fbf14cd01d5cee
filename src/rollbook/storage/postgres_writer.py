"""Writes to PostgreSQL: those that wait at the same moment share a transaction and, step by step, its statements.

A write is a function over `tx` that awaits nothing but statements. Up to MOST_TOGETHER calls of the same function, each about another
thing (its first argument), are driven side by side: when all of them wait for a statement, those that wait for the same one are asked in
one. Twenty updates are then five round trips and one fsync. What one of them does wrong fails the others' transaction too, so after an
error each is done again, alone; so is a transaction that PostgreSQL asks to repeat (40001, 40P01).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from typing import Any, NamedTuple, TypeVar

import asyncpg

from rollbook.errors import OutcomeUnknown, Overloaded, Stopping, StorageUnavailable
from rollbook.storage.database import Engine, Row
from rollbook.storage.postgres_connection import AGAIN, FAILING, Connection, Group, meaning
from rollbook.storage.postgres_reads import TRIES, Texts, failure, pause, repeated
from rollbook.storage.postgres_text import Statement

T = TypeVar("T")
log = logging.getLogger(__name__)

MOST_TOGETHER = 64
MOST_WAITING = 10_000
"""Writes that may wait in a worker; beyond it, the caller gets Overloaded."""


class Job(NamedTuple):
    future: asyncio.Future[Any]
    fn: Callable[..., Awaitable[Any]]
    args: tuple[Any, ...]


class Ask:
    """A statement that a job waits for. The driver sends its rows, or its count, back into the coroutine."""

    __slots__ = ("counts", "rows", "statement", "values")

    def __init__(
        self, statement: Statement, values: tuple[Any, ...], counts: bool = False, rows: Sequence[Row] | None = None
    ) -> None:
        self.statement = statement
        self.values = values
        self.counts = counts
        self.rows = rows  # of `many`

    def __await__(self) -> Generator[Ask, Any, Any]:
        return (yield self)


class Number:
    """A number that a job waits for, see `Transaction.number`."""

    __slots__ = ("at", "counter", "how_many")

    def __init__(self, counter: str, how_many: int, at: int) -> None:
        self.counter = counter
        self.how_many = how_many
        self.at = at

    def __await__(self) -> Generator[Number, Any, tuple[int, int]]:
        return (yield self)  # type: ignore[no-any-return]


class Transaction:
    """The `Tx` of one job."""

    engine: Engine = "postgresql"
    __slots__ = ("_texts", "channels", "dialect", "wrote")

    def __init__(self, texts: Texts, dialect: Any) -> None:
        self.dialect = dialect
        self._texts = texts
        self.channels: list[str] = []
        self.wrote = False

    async def one(self, sql: str, *values: Any) -> Row | None:
        rows = await Ask(self._statement(sql), values)
        return rows[0] if rows else None

    async def all(self, sql: str, *values: Any) -> list[Row]:
        return await Ask(self._statement(sql), values)

    async def run(self, sql: str, *values: Any) -> int:
        return await Ask(self._statement(sql), values, counts=True)

    async def many(self, sql: str, rows: Sequence[Row]) -> None:
        if rows:
            await Ask(self._statement(sql), (), rows=rows)

    async def number(self, counter: str, at: int, how_many: int = 1) -> tuple[int, int]:
        """Numbers that no transaction on any server was given before, and a time for each, `at` or later, that rises with the number.

        The first of `how_many` of both; the others follow one by one. They are taken at once, whatever becomes of this transaction, so that
        nobody waits for its end: some numbers are never used.
        """
        return await Number(counter, how_many, at)

    def notify(self, channel: str) -> None:
        self.channels.append(channel)

    def _statement(self, sql: str) -> Statement:
        found = self._texts.locking(sql)
        if not found.reads and not found.locks:
            self.wrote = True
        return found


class _Running:
    """A job on its way: what it waits for, or how it ended."""

    __slots__ = ("asks", "coroutine", "error", "job", "result", "tx")

    def __init__(self, job: Job, texts: Texts, dialect: Any) -> None:
        self.job = job
        self.tx = Transaction(texts, dialect)
        self.coroutine: Coroutine[Any, Any, Any] = job.fn(self.tx, *job.args)  # type: ignore[assignment]
        self.asks: Ask | Number | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.go_on(None)

    def go_on(self, answer: Any) -> None:
        self._step(self.coroutine.send, answer)

    def fail(self, problem: BaseException) -> None:
        self._step(self.coroutine.throw, problem)

    def _step(self, step: Callable[[Any], Any], value: Any) -> None:
        try:
            self.asks = step(value)
        except StopIteration as end:
            self.asks, self.result = None, end.value
        except BaseException as problem:
            self.asks, self.error = None, problem
        else:
            if not isinstance(self.asks, (Ask, Number)):
                self.coroutine.close()
                self.asks, self.error = None, RuntimeError(f"{self.job.fn} suspended inside a write: await only statements there")

    def drop(self) -> None:
        self.coroutine.close()
        self.asks = None


class _Alone(Exception):
    """The transaction cannot be finished for all: each job is to be done by itself."""


class _Unknown(Exception):
    """The connection broke while the transaction was being committed."""


class Writer:
    def __init__(
        self, group: Group, aside: Group, texts: Texts, timeout: float, committed: Callable[[int], None], dialect: Any
    ) -> None:
        """`aside` are the connections on which numbers are given."""
        self._group = group
        self._aside = aside
        self._texts = texts
        self._dialect = dialect
        self._committed = committed
        milliseconds = int(timeout * 1000)
        # In the transaction, not in the session: behind PgBouncer the session is somebody else's.
        self._begin = f"BEGIN; SET LOCAL statement_timeout = {milliseconds}; SET LOCAL idle_in_transaction_session_timeout = {2 * milliseconds}"
        self._jobs: deque[Job] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None  # found once, see Lookups
        self._listeners: dict[str, list[Callable[[], None]]] = {}

    async def write(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Raises StorageUnavailable, OutcomeUnknown, Overloaded, Stopping, and what `fn` raises."""
        if self._closed:
            raise Stopping()
        if len(self._jobs) >= MOST_WAITING:
            raise Overloaded("Too many changes are waiting to be written. Try again shortly.")
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.append(Job(future, fn, args))
        if len(self._tasks) < self._group.size:
            self._tasks.add(loop.create_task(self._work()))
        # A caller that is cancelled here leaves its job in the queue: it is done once, and nobody hears of it.
        return await future

    def listen(self, channel: str, callback: Callable[[], None]) -> None:
        self._listeners.setdefault(channel, []).append(callback)

    async def close(self) -> None:
        """Commits what waits."""
        self._closed = True
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        try:
            while self._jobs:
                jobs = self._next()
                try:
                    await self._together(jobs)
                except _Alone:
                    for job in jobs:
                        await self._alone(job)
                except BaseException as problem:  # whatever it is, nobody may be left waiting
                    for job in jobs:
                        _settle(job, None, failure(problem))
                    if not isinstance(problem, Exception):
                        raise
        finally:
            # In the same turn in which it saw that nothing waits: a write that comes right after must find it gone, and begin another.
            self._tasks.discard(asyncio.current_task())  # type: ignore[arg-type]

    def _next(self) -> list[Job]:
        """The job that has waited longest, and others of its kind that are about other things."""
        first = self._jobs.popleft()
        together, things, later = [first], {_thing(first)}, []
        while self._jobs and len(together) < MOST_TOGETHER:
            job = self._jobs.popleft()
            if job.fn == first.fn and _thing(job) not in things:
                things.add(_thing(job))
                together.append(job)
            else:
                later.append(job)
        self._jobs.extendleft(reversed(later))
        return together

    async def _alone(self, job: Job) -> None:
        try:
            for attempt in range(TRIES):
                try:
                    return await self._together([job])
                except _Alone:
                    await pause(attempt)
            raise StorageUnavailable("Too many changes of the same things at once. Nothing was changed.")
        except BaseException as problem:
            _settle(job, None, failure(problem))
            if not isinstance(problem, Exception):
                raise

    async def _together(self, jobs: list[Job]) -> None:
        """All in one transaction, and their callers answered. Raises _Alone, and what the database does when nothing was done."""
        try:
            done, later = await self._transaction(jobs)
        except _Unknown as problem:
            for job in jobs:
                unknown = OutcomeUnknown()
                unknown.__cause__ = problem.__cause__
                _settle(job, None, unknown)
            return
        except AGAIN:
            raise _Alone from None
        for channel in dict.fromkeys(channel for each in done if each.error is None for channel in each.tx.channels):
            for callback in self._listeners.get(channel, ()):
                try:
                    callback()
                except Exception:  # what was committed is committed
                    log.exception("a listener of %s failed", channel)
        for each in done:
            _settle(each.job, each.result, each.error)
        self._jobs.extendleft(reversed(later))

    async def _transaction(self, jobs: list[Job]) -> tuple[list[_Running], list[Job]]:
        """What was committed, or failed by itself, and the jobs that must wait for those."""
        running = [_Running(job, self._texts, self._dialect) for job in jobs]
        try:
            # Those who begin with a number get it before the transaction: a pooler with few sessions may have none for it while this one,
            # and others like it, are held.
            if numbers := [each for each in running if isinstance(each.asks, Number)]:
                await self._number(numbers)
            for last_try in (False, True):
                async with self._group.taken() as connection:
                    try:
                        await connection.execute(self._begin)
                    except FAILING:
                        if last_try or connection.is_open:
                            raise
                        continue  # it had broken while it was idle: nothing was done on it, so a new one may be tried
                    return await self._run(connection, running)
        except BaseException:
            for each in running:
                each.drop()
            raise
        raise AssertionError("the second try returns or raises")

    async def _run(self, connection: Connection, running: list[_Running]) -> tuple[list[_Running], list[Job]]:
        later: list[Job] = []
        locked: set[tuple[str, tuple[Any, ...]]] = set()
        try:
            while waiting := [each for each in running if each.asks is not None]:
                await self._step(connection, running, waiting, later, locked)
            if any(each.error is not None and each.tx.wrote for each in running):
                if len(running) > 1:
                    raise _Alone
                await connection.execute("ROLLBACK")
                return running, later
        except BaseException as problem:
            await connection.roll_back(after=problem)
            raise
        try:
            await connection.execute("COMMIT")
        except (*FAILING, asyncpg.StatementCompletionUnknownError) as problem:
            connection.terminate()
            raise _Unknown from problem
        if written := sum(each.error is None for each in running):
            self._committed(written)
        return running, later

    async def _step(
        self,
        connection: Connection,
        running: list[_Running],
        waiting: list[_Running],
        later: list[Job],
        locked: set[tuple[str, tuple[Any, ...]]],
    ) -> None:
        """Answer everybody who waits. Jobs that want what another of them has locked leave for the next transaction."""
        groups: dict[str, list[_Running]] = {}
        locking: set[str] = set()
        numbers: list[_Running] = []
        for each in waiting:
            ask = each.asks
            if isinstance(ask, Number):
                numbers.append(each)
                continue
            assert ask is not None  # it waits
            if ask.statement.locks:
                if (ask.statement.text, ask.values) in locked and len(running) > 1:
                    if each.tx.wrote:
                        raise _Alone
                    each.drop()
                    running.remove(each)
                    later.append(each.job)
                    continue
                locked.add((ask.statement.text, ask.values))
                locking.add(ask.statement.text)
            groups.setdefault(ask.statement.text, []).append(each)
        if numbers:
            await self._number(numbers)
        for sql, members in groups.items():
            if sql in locking:  # always in the same order, so that two transactions that lock the same rows wait in turn
                members.sort(key=lambda each: str(each.asks.values))  # type: ignore[union-attr]
            try:
                answers = await _ask(connection, sql, members)
            except Exception as problem:
                if isinstance(problem, AGAIN) or isinstance(meaning(problem), StorageUnavailable):
                    raise
                if len(running) > 1:
                    raise _Alone from None
                members[0].tx.wrote = True  # the transaction is lost, whatever the job makes of it
                members[0].fail(meaning(problem))
                if members[0].error is None:
                    raise
                return
            for each, answer in zip(members, answers, strict=True):
                each.go_on(answer)

    async def _number(self, members: list[_Running]) -> None:
        asks: list[Number] = [each.asks for each in members]  # type: ignore[misc]
        for counter in dict.fromkeys(ask.counter for ask in asks):
            of_it = [(each, ask) for each, ask in zip(members, asks, strict=True) if ask.counter == counter]
            total = sum(ask.how_many for _, ask in of_it)
            rows = await repeated(self._aside, NUMBER, (total, max(ask.at for _, ask in of_it), counter))
            number, at = rows[0][0] - total, rows[0][1] - total
            for each, ask in of_it:
                each.go_on((number, at))
                number, at = number + ask.how_many, at + ask.how_many


NUMBER = "UPDATE numbers SET next = next + $1, at = greatest(at, $2) + $1 WHERE counter = $3 RETURNING next, at"


async def _ask(connection: Connection, sql: str, members: list[_Running]) -> list[Any]:
    """The same statement for several jobs: one round trip where it has such a form."""
    asks: list[Ask] = [each.asks for each in members]  # type: ignore[misc]
    if asks[0].rows is not None:
        await _many(connection, sql, [row for ask in asks for row in ask.rows or ()])
        return [None] * len(asks)
    form = await connection.form(sql) if len(asks) > 1 else None
    if form is None or (form.skips and asks[0].counts):
        answers = []
        for ask in asks:
            rows, count = await connection.run(sql, ask.values)
            answers.append(count if ask.counts else rows)
        return answers
    rows = await connection.fetch(form.text, list(map(list, zip(*(ask.values for ask in asks), strict=True))))
    if not form.numbered:
        return [1 if ask.counts else [] for ask in asks]
    found: list[list[Row]] = [[] for _ in asks]
    for row in rows:
        found[row[0] - 1].append(row[1:])
    return [len(rows) if ask.counts else rows for ask, rows in zip(asks, found, strict=True)]


async def _many(connection: Connection, sql: str, rows: Sequence[Row]) -> None:
    form = await connection.form(sql)
    if form is None:
        for row in rows:
            await connection.fetch(sql, row)
    else:
        await connection.fetch(form.text, list(map(list, zip(*rows, strict=True))))


def _thing(job: Job) -> Any:
    """What a write is about: its first argument, or the job itself where that says nothing."""
    first = job.args[0] if job.args else None
    return first if isinstance(first, (str, bytes)) else id(job)


def _settle(job: Job, result: Any, error: BaseException | None) -> None:
    if job.future.done():  # the caller has gone
        return
    if error is None:
        job.future.set_result(result)
    else:
        job.future.set_exception(error)
