"""The one thread of a process that writes: it gathers what waits, commits it together, and only then answers."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, NoReturn, TypeVar

from rollbook.errors import Overloaded, Stopping, StorageUnavailable
from rollbook.storage.database import Call, Engine, Row, attempted
from rollbook.storage.sqlite_checkpoint import PATIENCE, RESTART_SIZE, Checkpointer, log_size, restart_log
from rollbook.storage.sqlite_connection import (
    Synchronous,
    WriterLock,
    connect_writer,
    drive,
    is_failing,
    translate_error,
)

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_TOGETHER = 256
"""Writes in one commit. More would only make the first of them wait longer: the fsync is shared well enough by then."""
MAX_WAITING = 10_000
"""Writes that can wait: about a second's worth. Beyond that, callers get Overloaded, since a longer queue helps no
one."""


class QueuedWrite(NamedTuple):
    loop: asyncio.AbstractEventLoop | None
    future: asyncio.Future[Any] | concurrent.futures.Future[Any]
    fn: Callable[..., Awaitable[Any]]
    args: tuple[Any, ...]


# Future, value, error. A plain tuple: one is made for each write.
Outcome = tuple["asyncio.Future[Any] | concurrent.futures.Future[Any]", Any, BaseException | None]


class SQLiteTransaction:
    """The `Tx` that jobs of one commit are given, one after the other."""

    engine: Engine = "sqlite"
    __slots__ = ("_connection", "_execute", "channels", "dialect", "failure", "wrote")

    def __init__(self, connection: sqlite3.Connection, dialect: Any) -> None:
        self.dialect = dialect
        self._connection = connection
        self._execute = connection.execute
        self.channels: list[str] = []
        self.wrote = False
        """`run` or `many` did something; what `one` and `all` changed is seen in `total_changes`, a changed schema is
        not."""
        self.failure: Exception | None = None
        """Set once the transaction is lost as a whole."""

    async def one(self, sql: str, *values: Any) -> Row | None:
        try:
            return self._execute(sql, values).fetchone()  # type: ignore[no-any-return]
        except sqlite3.Error as problem:
            self._raise(problem)

    async def all(self, sql: str, *values: Any) -> list[Row]:
        try:
            return self._execute(sql, values).fetchall()
        except sqlite3.Error as problem:
            self._raise(problem)

    async def run(self, sql: str, *values: Any) -> int:
        try:
            changed = self._execute(sql, values).rowcount
        except sqlite3.Error as problem:
            self._raise(problem)
        self.wrote = True
        return changed

    async def many(self, sql: str, rows: Iterable[Row]) -> None:
        if self.failure is not None:
            raise self.failure
        self.wrote = True  # beforehand: the rows before one that is refused are in
        try:
            self._connection.executemany(sql, rows)
        except sqlite3.Error as problem:
            self._raise(problem)

    async def attempt(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        channels = len(self.channels)
        self._execute("SAVEPOINT attempt")
        try:
            value = await fn(self, *args)
        except BaseException:
            if self.failure is None:
                self._execute("ROLLBACK TO attempt")
                self._execute("RELEASE attempt")
                del self.channels[channels:]
            raise
        self._execute("RELEASE attempt")
        return value

    async def attempt_each(self, calls: Sequence[Call]) -> list[Any]:
        return [await attempted(self.attempt, call) for call in calls]

    def notify(self, channel: str) -> None:
        self.channels.append(channel)

    def _raise(self, problem: sqlite3.Error) -> NoReturn:
        meant = translate_error(problem)
        if isinstance(meant, StorageUnavailable) or not self._connection.in_transaction:
            # SQLite may have rolled back all of it. A job that catches the error and goes on must not commit its next
            # statement alone.
            self.failure = problem
            self._execute = self._refuse
        raise meant

    def _refuse(self, *_: Any) -> NoReturn:
        raise StorageUnavailable() from self.failure


class SQLiteWriter:
    """Takes jobs from any thread. The thread, its connection and its lock come with the first one."""

    def __init__(self, path: Path, synchronous: Synchronous, committed: Callable[[int], None], dialect: Any) -> None:
        self._path = path
        self._dialect = dialect
        self._synchronous = synchronous
        self._jobs: SimpleQueue[QueuedWrite | None] = SimpleQueue()
        self._submitting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        self._lock: WriterLock | None = None
        self._committed = committed
        self._checkpointer = Checkpointer(path)
        self._restart_at = RESTART_SIZE
        self._failed = False
        self._next_rescue = 0.0
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self._home: asyncio.AbstractEventLoop | None = None

    async def write(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        loop = self._home = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._submit(QueuedWrite(loop, future, fn, args))
        # A caller that is canceled here leaves its job in the queue: it runs once, and its result is dropped.
        return await future

    def write_now(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._submit(QueuedWrite(None, future, fn, args))
        return future.result()

    @property
    def waiting(self) -> int:
        return self._jobs.qsize()

    def listen(self, channel: str, callback: Callable[[], None]) -> None:
        self._listeners.setdefault(channel, []).append(callback)
        with suppress(RuntimeError):  # no loop runs: then that of the first write is the one to call on
            self._home = asyncio.get_running_loop()

    def close(self) -> None:
        """Commits what waits, then ends. Blocks for that long."""
        with self._submitting:
            self._closed = True
            thread = self._thread
            self._jobs.put(None)
        if thread is not None:
            thread.join()
        self._checkpointer.close()
        self._disconnect()
        if self._lock is not None:
            self._lock.close()

    def _submit(self, job: QueuedWrite) -> None:
        with self._submitting:
            if self._closed:
                raise Stopping()
            if self._jobs.qsize() >= MAX_WAITING:
                raise Overloaded("Too many changes are waiting to be written. Try again shortly.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="rollbook-writer", daemon=True)
                self._thread.start()
            self._jobs.put(job)

    def _work(self) -> None:
        ended = False
        while not ended:
            waiting = [self._jobs.get()]
            try:
                while len(waiting) < MAX_TOGETHER:
                    waiting.append(self._jobs.get_nowait())
            except Empty:
                pass
            jobs = [job for job in waiting if job is not None]
            ended = len(jobs) < len(waiting)
            if jobs:
                outcomes: list[Outcome]
                channels: list[str] = []
                try:
                    outcomes, channels = self._commit(jobs)
                    self._committed(len(jobs))
                except (
                    BaseException
                ) as problem:  # whatever it is, nothing of it is committed, and this thread must live on
                    outcomes = [(job.future, None, _failed(problem)) for job in jobs]
                self._answer(jobs, outcomes, channels)
                self._watch_log()

    def _commit(self, jobs: list[QueuedWrite]) -> tuple[list[Outcome], list[str]]:
        try:
            if self._lock is None:
                self._lock = WriterLock(self._path.with_name("writer.lock"))
            with self._lock:
                if self._connection is None:
                    self._connection = connect_writer(self._path, self._synchronous)
                    if self._failed:
                        self._rescue(self._connection)
                return _transact(self._connection, jobs, self._dialect)
        except BaseException:
            # Nothing is known about the state of the connection after, say, a failed fsync: the next commit gets a new
            # one.
            self._failed = True
            self._disconnect()
            raise

    def _answer(self, jobs: list[QueuedWrite], outcomes: list[Outcome], channels: list[str]) -> None:
        """One wake-up of each event loop for all outcomes of a commit. Listeners are called first."""
        callbacks = [callback for channel in dict.fromkeys(channels) for callback in self._listeners.get(channel, ())]
        by_loop: dict[asyncio.AbstractEventLoop | None, list[Outcome]] = {}
        for job, outcome in zip(jobs, outcomes, strict=True):
            by_loop.setdefault(job.loop, []).append(outcome)
        if callbacks and (self._home is None or not _post(self._home, _settle, callbacks, by_loop.pop(self._home, []))):
            _settle(callbacks, [])
        for loop, settled in by_loop.items():
            if loop is None:
                _settle([], settled)
            else:
                _post(loop, _settle, [], settled)

    def _watch_log(self) -> None:
        """Under steady load the checkpointer never reaches the end of the log, so the log never restarts: then the
        writer pauses for it."""
        try:
            size = log_size(self._path)
        except OSError:
            return
        self._checkpointer.notice(size)
        if size < RESTART_SIZE:
            self._restart_at = RESTART_SIZE
        elif size >= self._restart_at and self._connection is not None and self._lock is not None:
            try:
                with self._lock:
                    restarted = restart_log(self._connection, PATIENCE, cut=False)
            except (sqlite3.Error, OSError):
                restarted = False
            if not restarted:  # a long read holds it, or the disk is full: not again after each commit
                self._restart_at = size + RESTART_SIZE // 4

    def _rescue(self, connection: sqlite3.Connection) -> None:
        """After a failure: move the log into the database. On a full disk that may make the room which the next commit
        needs, and it leaves no frames of a failed commit behind that a recovery after a crash could take for a whole
        one."""
        now = time.monotonic()
        if now >= self._next_rescue:
            self._next_rescue = now + 1.0
            with suppress(sqlite3.Error):
                self._failed = not restart_log(connection, PATIENCE)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


def _transact(connection: sqlite3.Connection, jobs: list[QueuedWrite], dialect: Any) -> tuple[list[Outcome], list[str]]:
    """All jobs in one transaction; a job that fails is undone alone.

    A savepoint for each job would cost 14 µs, half of a write: SQLite then copies each page before a job touches it.
    So jobs run without. One that fails before it changed anything leaves nothing to undo, which is how nearly all fail;
    after one that did change something, all start over, with savepoints this time.
    """
    connection.execute("BEGIN IMMEDIATE")
    done = _run(connection, jobs, dialect, savepoints=False)
    if done is None:
        connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        done = _run(connection, jobs, dialect, savepoints=True)
        assert done is not None
    try:
        connection.execute("COMMIT")
    except sqlite3.IntegrityError as problem:  # a deferred foreign key, checked only now
        connection.execute("ROLLBACK")
        if len(jobs) == 1:
            return [(jobs[0].future, None, problem)], []
        done = [], []
        for job in jobs:
            outcomes, channels = _transact(connection, [job], dialect)
            done[0].extend(outcomes)
            done[1].extend(channels)
    return done


def _run(
    connection: sqlite3.Connection, jobs: list[QueuedWrite], dialect: Any, savepoints: bool
) -> tuple[list[Outcome], list[str]] | None:
    """Outcomes and notifications of jobs inside an open transaction, or None when a job must be undone and there is no
    savepoint.

    Raises when the transaction is lost as a whole.
    """
    tx = SQLiteTransaction(connection, dialect)
    outcomes: list[Outcome] = []
    channels: list[str] = []
    for _, future, fn, args in jobs:
        changes = connection.total_changes
        if savepoints:
            connection.execute("SAVEPOINT job")
        try:
            value = drive(fn(tx, *args), "write")  # type: ignore[arg-type]
        except BaseException as problem:
            if tx.failure is None:
                if savepoints:
                    connection.execute("ROLLBACK TO job")
                elif tx.wrote or connection.total_changes != changes:
                    return None
                outcomes.append((future, None, problem))
        else:
            outcomes.append((future, value, None))
            channels += tx.channels
        if tx.failure is not None:
            raise tx.failure
        if not connection.in_transaction:  # the next job would commit each of its statements alone
            raise RuntimeError(f"{fn} ended the transaction")
        if savepoints:
            connection.execute("RELEASE job")
        tx.channels.clear()
        tx.wrote = False
    return outcomes, channels


def _failed(problem: BaseException) -> Exception:
    """Error for a caller whose commit is lost. One for each: a raised exception gathers its caller's traceback."""
    if is_failing(problem):
        failure: Exception = StorageUnavailable()
    else:
        failure = RuntimeError("the write transaction was lost")
    failure.__cause__ = problem
    return failure


def _post(loop: asyncio.AbstractEventLoop, fn: Callable[..., None], *args: Any) -> bool:
    """False if the loop is closed: then no one is waiting there."""
    try:
        loop.call_soon_threadsafe(fn, *args)
    except RuntimeError:
        return False
    return True


def _settle(callbacks: Iterable[Callable[[], None]], outcomes: Iterable[Outcome]) -> None:
    for callback in callbacks:
        try:
            callback()
        except Exception:
            log.exception("a listener of the database failed")
    for future, value, problem in outcomes:
        if future.done():  # the caller has gone
            continue
        if problem is None:
            future.set_result(value)
        else:
            future.set_exception(problem)
