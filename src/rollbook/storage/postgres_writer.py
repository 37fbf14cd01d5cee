"""Writes to PostgreSQL: each has a connection and a transaction of its own.

What PostgreSQL asks to repeat (40001, 40P01) is done again, unseen by the caller. A connection that breaks while it
commits leaves the outcome unknown, and the caller hears just that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeVar

import asyncpg

from rollbook.errors import ApiError, Overloaded, Stopping, StorageUnavailable, Unavailable
from rollbook.storage.database import Call, Duplicate, Engine, Row, Statement, Undone, attempted
from rollbook.storage.postgres_connection import AGAIN, FAILING, Connection, Pool, translate_error
from rollbook.storage.postgres_reads import TRIES, pause, repeated
from rollbook.storage.postgres_text import numbered
from rollbook.storage.postgres_together import Alone, Running, drive

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_WAITING = 10_000
"""Writes that may wait in a worker; beyond it, the caller gets Overloaded."""
NUMBER = """
    UPDATE numbers SET next = next + $1, at = greatest(at, $2) + $1 WHERE counter = $3
    RETURNING next, at, set_config('synchronous_commit', 'off', true)"""
"""It waits neither for the disk nor for a standby: what is acknowledged with such a number is committed after it, and
so is never there without it."""


class PostgresTransaction:
    """The `Tx` of one write. It takes a connection with its first statement."""

    engine: Engine = "postgresql"

    def __init__(self, pool: Pool, aside: Pool, begin: str, dialect: Any) -> None:
        """`aside` are the connections on which numbers are assigned."""
        self.dialect = dialect
        self.channels: list[str] = []
        self._pool = pool
        self._aside = aside
        self._begin = begin
        self._connection: Connection | None = None
        self._failure: BaseException | None = None
        """First error: PostgreSQL has lost the transaction since, whatever the write makes of it."""
        self._reserved: dict[str, list[tuple[int, int]]] = {}
        """Numbers and their times, the next one last."""

    async def one(self, sql: str, *values: Any) -> Row | None:
        rows = await self.all(sql, *values)
        return rows[0] if rows else None

    async def all(self, sql: str, *values: Any) -> list[Row]:
        return (await self._run(sql, values))[0]

    async def run(self, sql: str, *values: Any) -> int:
        return (await self._run(sql, values))[1]

    async def many(self, sql: str, rows: Iterable[Row]) -> None:
        if not rows:
            return
        connection = self._connection or await self._open()
        try:
            await connection.run_many(numbered(sql), rows)
        except Exception as problem:
            self._fail(problem)

    async def insert(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        if not rows:
            return
        connection = self._connection or await self._open()
        try:
            await connection.copy(table, columns, rows)
        except Exception as problem:
            self._fail(problem)

    async def attempt(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        connection = self._connection or await self._open()
        channels = len(self.channels)
        await connection.execute("SAVEPOINT attempt")
        try:
            value = await fn(self, *args)
        except (ApiError, Duplicate, Undone) as problem:
            if isinstance(problem, Unavailable):
                raise
            await connection.execute("ROLLBACK TO attempt; RELEASE attempt")
            self._failure = None
            del self.channels[channels:]
            raise
        await connection.execute("RELEASE attempt")
        return value

    async def attempt_each(self, calls: Sequence[Call]) -> list[Any]:
        connection = self._connection or await self._open()
        running = [Running(call, self.dialect) for call in calls]
        shared: Sequence[Running] = ()
        await connection.execute("SAVEPOINT each")
        try:
            shared = await drive(connection, running)
        except (Alone, asyncpg.UniqueViolationError):
            await connection.execute("ROLLBACK TO each; RELEASE each")
        except Exception as problem:
            self._fail(problem)
        else:
            await connection.execute("RELEASE each")
        finally:
            for member in running:
                member.drop()
        self.channels += [channel for member in shared for channel in member.tx.channels]
        return [
            _outcome(member) if member in shared else await attempted(self.attempt, call)
            for member, call in zip(running, calls, strict=True)
        ]

    async def number(self, counter: str, at: int, how_many: int = 1) -> tuple[int, int]:
        if how_many == 1 and (reserved := self._reserved.get(counter)):
            return reserved.pop()
        # In a transaction of its own, so that no one waits for the end of this one. Before this one begins, where it is
        # asked for first: behind a pooler with few sessions, those who hold one and wait for another could wait for
        # each other.
        rows = await repeated(self._aside, NUMBER, (how_many, at, counter))
        return rows[0][0] - how_many, rows[0][1] - how_many

    async def reserve(self, counter: str, at: int, how_many: int) -> None:
        first, start = await self.number(counter, at, how_many)
        self._reserved[counter] = [(first + further, start + further) for further in reversed(range(how_many))]

    def notify(self, channel: str) -> None:
        self.channels.append(channel)

    async def commit(self) -> None:
        """Raises OutcomeUnknown, and what went wrong before."""
        if self._failure is not None:
            raise self._failure
        if self._connection is not None:
            await self._connection.commit()

    async def close(self, problem: BaseException | None) -> None:
        """After this problem, if any, which leaves the transaction undone."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        problem = self._failure or problem
        try:
            if problem is not None:
                await connection.roll_back(after=problem)
        finally:
            self._pool.give_back(connection, problem)

    async def _run(self, sql: str, values: Sequence[Any]) -> tuple[list[Row], int]:
        connection = self._connection or await self._open()
        text = numbered(sql)
        if isinstance(sql, Statement) and sql.locks:
            text += " FOR UPDATE"
        try:
            return await connection.run(text, values)
        except Exception as problem:
            self._fail(problem)

    def _fail(self, problem: Exception) -> NoReturn:
        self._failure = self._failure or problem
        raise translate_error(problem)

    async def _open(self) -> Connection:
        for last_try in (False, True):
            connection = await self._pool.take()
            try:
                await connection.execute(self._begin)
            except BaseException as problem:
                self._pool.give_back(connection, problem)
                # It had broken while it was idle: nothing was done on it, so a new one may be tried.
                if last_try or connection.is_open or not isinstance(problem, FAILING):
                    raise
            else:
                self._connection = connection
                return connection
        raise AssertionError("the second try returns or raises")


def _outcome(done: Running) -> Any:
    """Result of a call, or its ApiError; raises other errors, and Unavailable."""
    if done.error is not None and (isinstance(done.error, Unavailable) or not isinstance(done.error, ApiError)):
        raise done.error
    return done.error or done.result


class PostgresWriter:
    def __init__(self, pool: Pool, aside: Pool, timeout: float, committed: Callable[[int], None], dialect: Any) -> None:
        self._pool = pool
        self._aside = aside
        self._committed = committed
        self.dialect = dialect
        milliseconds = int(timeout * 1000)
        # In the transaction, not in the session: behind PgBouncer the session is somebody else's.
        self.begin = (
            f"BEGIN; SET LOCAL statement_timeout = {milliseconds}; SET LOCAL "
            f"idle_in_transaction_session_timeout = {2 * milliseconds}"
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self.closed = False
        self._listeners: dict[str, list[Callable[[], None]]] = {}

    async def write(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Raises DatabaseTimeout, StorageUnavailable, OutcomeUnknown, Overloaded, Stopping, and what `fn` raises."""
        if self.closed:
            raise Stopping()
        if len(self._tasks) >= MAX_WAITING:
            raise Overloaded("Too many changes are waiting to be written. Try again shortly.")
        task = asyncio.get_running_loop().create_task(self.alone(fn, args))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A caller that is cancelled leaves its write under way: it is done once, whether or not it is still wanted.
        return await asyncio.shield(task)

    @property
    def waiting(self) -> int:
        return len(self._tasks)

    def listen(self, channel: str, callback: Callable[[], None]) -> None:
        self._listeners.setdefault(channel, []).append(callback)

    async def close(self) -> None:
        """Commits what waits. To be called once `closed` is set."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def alone(self, fn: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> T:
        """The write itself."""
        for attempt in range(TRIES):
            tx = PostgresTransaction(self._pool, self._aside, self.begin, self.dialect)
            try:
                result = await fn(tx, *args)
                await tx.commit()
            except AGAIN as problem:
                await tx.close(problem)
                await pause(attempt)
            except BaseException as problem:
                await tx.close(problem)
                raise translate_error(problem)  # noqa: B904 - it knows its cause
            else:
                await tx.close(None)
                self.done(1, tx.channels)
                return result
        raise StorageUnavailable("Too many changes of the same things at once. Nothing was changed.")

    def done(self, writes: int, channels: Sequence[str]) -> None:
        """So many were committed: tell who listens."""
        self._committed(writes)
        for channel in dict.fromkeys(channels):
            for callback in self._listeners.get(channel, ()):
                try:
                    callback()
                except Exception:  # what was committed is committed
                    log.exception("a listener of %s failed", channel)
