"""SQLite as the database of one machine: reads where the caller stands, writes gathered by one thread of each process.

Several processes may open the same file. Open it after a fork, not before: a connection does not survive one.
"""

from __future__ import annotations

import asyncio
import math
import os
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

from rollbook.errors import DatabaseTimeout, Overloaded
from rollbook.machine import Runner
from rollbook.storage.database import Database, DatabaseUnusable
from rollbook.storage.sqlite_checkpoint import log_size
from rollbook.storage.sqlite_connection import (
    Reads,
    Synchronous,
    WriterLock,
    cache_size,
    check_version,
    connect_reader,
    connect_writer,
    drive,
    open_file,
    translate_error,
)
from rollbook.storage.sqlite_writer import SQLiteWriter

T = TypeVar("T")

ASIDE_THREADS = 2
ASIDE_WAITING = 1_000
"""Reads that may wait for these threads; beyond it, the caller gets Overloaded."""
STEPS = 5_000
"""Instructions of SQLite's machine between two looks at the time: some 0.3 ms."""

_NETWORK_FILE_SYSTEMS = {"9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "nfs", "nfs4", "smb3", "smbfs"}


class SQLite(Reads, Database):
    """`SQLite.open(path)`, then everything `Database` promises. `one` and `all` are reads; a write given to them
    fails."""

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        synchronous: Synchronous = "full",
        committed: Callable[[int], None] = lambda writes: None,
        dialect: Any = None,
    ) -> SQLite:
        """Create or open the database. Needs no event loop. Raises DatabaseUnusable, with a message that says how to
        fix it.

        With `synchronous="full"` an acknowledged write survives a power cut, with "normal" a crash of the process only.
        `committed` is told of each commit how many writes it held, by the thread that made it.
        """
        check_version()
        path = Path(path).absolute()
        try:
            _make_private(path)
            _choose_log(path)
            return cls(path, connect_reader(path, cache_size()), synchronous, committed, dialect)
        except (sqlite3.Error, OSError) as problem:
            why = problem.strerror if isinstance(problem, OSError) else problem
            raise DatabaseUnusable(
                f"{path} cannot be used as a database: {why}. Check the file, its folder, their owner and the disk."
            ) from problem

    def __init__(
        self,
        path: Path,
        reader: sqlite3.Connection,
        synchronous: Synchronous,
        committed: Callable[[int], None],
        dialect: Any,
    ) -> None:
        super().__init__(reader, dialect)
        self.path = path
        self._reader = reader
        self._reads = Reads(reader, dialect)
        self._shared = _Shared(reader)
        self._synchronous = synchronous
        self._writer = SQLiteWriter(path, synchronous, committed, dialect)
        self._aside: ThreadPoolExecutor | None = None
        self._aside_local = threading.local()
        self._aside_connections: list[sqlite3.Connection] = []
        self._aside_waiting = 0
        self._now: Runner | None = None

    def one_snapshot(self) -> _Shared:
        return self._shared

    async def read(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        return _snapshot(self._reader, self._reads, fn, args)

    def read_now(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """`read` for code without an event loop."""
        return _snapshot(self._reader, self._reads, fn, args)

    async def read_aside(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Raises Overloaded when too many such reads wait already."""
        return await self._aside_until(math.inf, fn, args)

    async def read_within(self, seconds: float, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        try:
            return await self._aside_until(time.monotonic() + seconds, fn, args)
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise DatabaseTimeout() from None
            raise

    async def _aside_until(self, until: float, fn: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> T:
        if self._aside_waiting >= ASIDE_WAITING:
            raise Overloaded("Too many searches are waiting. Try again shortly.")
        if self._aside is None:
            self._aside = ThreadPoolExecutor(ASIDE_THREADS, "rollbook-reader")
        self._aside_waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._aside, self._read_in_thread, until, fn, args)
        future.add_done_callback(self._one_aside_less)
        return await future

    async def probe(self) -> None:
        # A connection that has pages in memory may not notice that the file is gone, or is no database any more: it
        # looks at the index of the log, and that of an empty log is always the same. A new one reads the file's first
        # page, in 50 µs.
        try:
            with closing(open_file(self.path)) as connection:
                connection.execute("PRAGMA schema_version").fetchone()
        except sqlite3.Error as problem:
            raise translate_error(problem)  # noqa: B904 - it knows its cause

    async def read_eventually(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        return await self.read_aside(fn, *args)

    async def write(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Raises StorageUnavailable when it could not be made durable, Overloaded when too many writes wait, Stopping
        after `close`.

        A caller that is cancelled leaves its write in the queue: it is done, once.
        """
        return await self._writer.write(fn, *args)

    async def write_together(self, about: str, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Write like `write`: here all writes share transactions."""
        return await self._writer.write(fn, *args)

    def write_now(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """`write` for code without an event loop. It blocks until the commit."""
        return self._writer.write_now(fn, *args)

    def run_now(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._now is None:
            # Ctrl+C cancels what runs in it, where a bare loop would raise in the middle of whatever it does.
            self._now = Runner()
        return self._now.run(coroutine)

    def listen(self, channel: str, callback: Callable[[], None]) -> None:
        self._writer.listen(channel, callback)

    @property
    def writes_waiting(self) -> int:
        return self._writer.waiting

    async def about(self) -> dict[str, Any]:
        return {"engine": self.engine, **await asyncio.to_thread(self.describe)}

    async def stop(self) -> None:
        self.close()

    def close(self) -> None:
        """Commits the writes that wait, then closes. The last process to do so leaves a single file: SQLite empties the
        log and removes it."""
        self._writer.close()
        for connection in self._aside_connections:
            connection.interrupt()
        if self._aside is not None:
            self._aside.shutdown(cancel_futures=True)
        for connection in self._aside_connections:
            connection.close()
        self._reader.close()
        if self._now is not None:
            self._now.close()
            self._now = None

    def describe(self) -> dict[str, Any]:
        """Facts for `doctor` and the server page."""
        with closing(connect_reader(self.path)) as connection:

            def pragma(name: str) -> Any:
                return connection.execute(f"PRAGMA {name}").fetchone()[0]

            file_system = _file_system(self.path)
            return {
                "version": sqlite3.sqlite_version,
                "path": str(self.path),
                "size": self.path.stat().st_size,
                "wal_size": log_size(self.path),
                "journal_mode": pragma("journal_mode"),
                "synchronous": self._synchronous,
                "page_size": pragma("page_size"),
                "page_count": pragma("page_count"),
                "free_pages": pragma("freelist_count"),
                "file_system": file_system,
                "network_file_system": file_system in _NETWORK_FILE_SYSTEMS,
            }

    def _read_in_thread(self, until: float, fn: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> T:
        connection = getattr(self._aside_local, "connection", None)
        if connection is None:
            connection = self._aside_local.connection = connect_reader(self.path)
            self._aside_connections.append(connection)
        if until < math.inf:
            connection.set_progress_handler(lambda: time.monotonic() > until, STEPS)
        try:
            return _snapshot(connection, Reads(connection, self.dialect), fn, args)
        finally:
            connection.set_progress_handler(None, 0)

    def _one_aside_less(self, _: asyncio.Future[Any]) -> None:
        self._aside_waiting -= 1


class _Shared:
    """A snapshot that begins with its first statement, and ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        with suppress(sqlite3.Error):  # then each read has a snapshot of its own
            self._connection.execute("BEGIN")

    def __exit__(self, *_: object) -> None:
        if self._connection.in_transaction:  # SQLite ends it by itself after some I/O errors
            self._connection.execute("ROLLBACK")


def _snapshot(
    connection: sqlite3.Connection, reads: Reads, fn: Callable[..., Awaitable[T]], args: tuple[Any, ...]
) -> T:
    # Faster, too, from the second statement on: each would take and leave a snapshot of its own.
    if connection.in_transaction:  # that of several requests
        return drive(fn(reads, *args), "read")  # type: ignore[arg-type]
    connection.execute("BEGIN")
    try:
        value: T = drive(fn(reads, *args), "read")  # type: ignore[arg-type]
    except BaseException:
        if connection.in_transaction:  # SQLite ends it by itself after some I/O errors
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return value


def _make_private(path: Path) -> None:
    """Folder 0700 and file 0600 when they are new. SQLite gives its `-wal` and `-shm` the mode of the database."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        # Never opened here once it exists: closing any descriptor of the file would drop the locks SQLite holds on it
        # in this process.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _choose_log(path: Path) -> None:
    """Write-ahead log, remembered in the file. Turning it on needs the file alone, so processes that start together do
    it in turn."""
    with (
        closing(WriterLock(path.with_name("writer.lock"))) as lock,
        lock,
        closing(connect_writer(path, "full")) as connection,
    ):
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise DatabaseUnusable(
            f"{path} lies on a file system without shared memory, which SQLite's log needs. Use a local disk."
        )


def _file_system(path: Path) -> str:
    """Kind of file system the path is on, "unknown" where the kernel does not tell (proc_pid_mountinfo(5))."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    best, kind = "", "unknown"
    for line in lines:
        before, _, after = line.partition(" - ")
        mount = before.split(" ")[4].replace("\\040", " ")
        if len(mount) >= len(best) and path.is_relative_to(mount):
            best, kind = mount, after.split(" ")[0]
    return kind
