"""Connections to a SQLite file: how they are set up, what their errors mean, and the lock that writers of all processes
share."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Coroutine, Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NoReturn, TypeVar

from rollbook.errors import StorageUnavailable
from rollbook.machine import available_memory
from rollbook.storage.database import DatabaseUnusable, Duplicate, Engine, Row, Tx
from rollbook.unix import fcntl

T = TypeVar("T")
Synchronous = Literal["full", "normal"]

MIN_VERSION = (3, 43, 0)  # contentless_delete of FTS5
BUSY_TIMEOUT = 5_000
"""Milliseconds to wait for a lock that one of our processes does not hold: another tool, or a recovery after a
crash."""

# No mmap_size: SQLite unmaps the whole file for each new snapshot, so that a read just after a commit takes 47 µs
# where it takes 20 without (and 7.7 against 8.1 without writers); and a disk that fails would be a signal instead of an
# error.
_READER = ("PRAGMA query_only = ON", "PRAGMA mmap_size = 0")
_WRITER = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # a user that is purged leaves no bytes behind in free pages
    "PRAGMA wal_autocheckpoint = 0",  # see sqlite_checkpoint
)

KEPT_LOG = 32 * 1024 * 1024
"""Bytes of the log's file that are kept to be written again. The first commit of a log that starts again cuts the
rest."""

# Python 3.11 looks for a way to adapt each None, in vain, for as long as three numbers take.
sqlite3.register_adapter(type(None), {}.get)

_UNIQUE = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID}
_FAILING = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
}


def check_version(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Raises DatabaseUnusable when the SQLite that Python was built with lacks what the schema uses."""
    if version < MIN_VERSION:
        needed, actual = (".".join(map(str, numbers)) for numbers in (MIN_VERSION, version))
        raise DatabaseUnusable(
            f"SQLite {needed} or newer is needed, this Python has {actual}. Use a newer Python, or one built with "
            "a newer SQLite."
        )


def cache_size() -> int:
    """KiB of pages that the connection on the event loop keeps, and the writer half as many: 16 to 64 MiB, from 16 GiB
    of memory on the most."""
    return max(16, min(64, available_memory() // 256)) << 10


def connect_reader(path: Path, cache: int = 4096) -> sqlite3.Connection:
    """Connect to a file that exists. `cache` is in KiB. It fills as pages are read, and is empty again after each
    commit of another connection."""
    return _connect(path, (*_READER, f"PRAGMA cache_size = -{cache}"))


def connect_writer(path: Path, synchronous: Synchronous) -> sqlite3.Connection:
    """Connect to a file that exists."""
    last = (f"PRAGMA cache_size = -{cache_size() // 2}", f"PRAGMA journal_size_limit = {KEPT_LOG}")
    return _connect(path, (*_WRITER, *last, f"PRAGMA synchronous = {synchronous}"))


def open_file(path: Path) -> sqlite3.Connection:
    """One that is not set up. A file that is gone is not made again."""
    # Each connection is used by one thread at a time, but closed by the thread that closes the database.
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_TIMEOUT / 1000,
        isolation_level=None,
        cached_statements=512,
        check_same_thread=False,
    )


def _connect(path: Path, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    connection = open_file(path)
    try:
        for pragma in pragmas:
            connection.execute(pragma).close()
    except BaseException:
        connection.close()
        raise
    return connection


def is_failing(problem: BaseException) -> bool:
    """Test whether the storage is at fault (a full disk, a broken one, a lock that never came), not the statement."""
    return isinstance(problem, OSError) or (getattr(problem, "sqlite_errorcode", 0) & 0xFF) in _FAILING


def translate_error(problem: sqlite3.Error) -> Exception:
    """The program's own error for this one, caused by it: StorageUnavailable, Duplicate; or the error itself."""
    meant: Exception
    if is_failing(problem):
        meant = StorageUnavailable()
    elif getattr(problem, "sqlite_errorcode", 0) in _UNIQUE:
        # "UNIQUE constraint failed: users.email, users.tenant", or "...: index 'name'" for an index on an expression.
        first = str(problem).rpartition(": ")[2].partition(",")[0]
        meant = Duplicate(first.removeprefix("index ").strip("'"))
    else:
        return problem
    meant.__cause__ = problem
    return meant


def drive(coroutine: Coroutine[Any, Any, T], where: str) -> T:
    """Run a coroutine that never suspends to its end. RuntimeError when it does suspend."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError(
        f"{getattr(coroutine, '__qualname__', coroutine)} suspended inside a {where}: await nothing there but "
        "the statements"
    )


class Reads:
    """`Queries` over one reading connection."""

    engine: Engine = "sqlite"

    def __init__(self, connection: sqlite3.Connection, dialect: Any) -> None:
        self.dialect = dialect
        self._execute = connection.execute

    # Each statement has a cursor of its own, gone when the method returns: one that was not read to its end would hold
    # its snapshot, and with it the log. (Reusing a cursor would save 0.2 µs.)

    async def one(self, sql: str, *values: Any) -> Row | None:
        try:
            return self._execute(sql, values).fetchone()  # type: ignore[no-any-return]
        except sqlite3.Error as problem:
            _raise(problem)

    async def all(self, sql: str, *values: Any) -> list[Row]:
        try:
            return self._execute(sql, values).fetchall()
        except sqlite3.Error as problem:
            _raise(problem)


def _raise(problem: sqlite3.Error) -> NoReturn:
    # `query_only` answers SQLITE_READONLY: then a write was given to `read`, and that is a mistake in the program.
    raise problem if getattr(problem, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY else translate_error(problem)


class WriterLock:
    """Taken round each write transaction by the writers of all processes.

    SQLite's own waiting sleeps and retries, which starves a process among busy ones (605 against 132,000 updates/s); a
    lock one blocks on gives turns. `flock` belongs to the open file: two databases in one process exclude each other as
    well, closing one does not drop the lock of the other (as POSIX record locks do), and the kernel releases it when a
    process dies.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._file)


VALUES = 20_000
"""Values of one statement. SQLite takes 32,766."""


async def insert_rows(tx: Tx, table: str, columns: Sequence[str], rows: Iterable[Row], end: str = "") -> None:
    """Insert hundreds of rows with each statement: a quarter of the work of one for each, and the interpreter is free
    meanwhile. What all of them have in a column is sent once. `end` is a clause behind VALUES."""
    together = VALUES // len(columns)
    left = iter(rows)
    while len(part := list(islice(left, together))) == together:
        by_column = [*zip(columns, zip(*part, strict=True), strict=True)]
        shared = [(name, values[0]) for name, values in by_column if values.count(values[0]) == together]
        own = [(name, values) for name, values in by_column if values.count(values[0]) < together]
        names = ", ".join([name for name, _ in (*shared, *own)])
        row = ", ".join([*[f"?{number}" for number in range(1, len(shared) + 1)], *["?"] * len(own)])
        values = chain.from_iterable(zip(*[values for _, values in own], strict=True))
        sql = f"INSERT INTO {table} ({names}) VALUES {', '.join([f'({row})'] * together)} {end}"
        await tx.run(sql, *[value for _, value in shared], *values)
    # A statement for each number of rows would be kept, prepared.
    marks = ", ".join("?" * len(columns))
    await tx.many(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) {end}", part)
