"""Sessions for copying whole databases: tables are read in one snapshot, rows written in one transaction. Knows no
nouns."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from rollbook.storage.database import DatabaseUnusable, Engine, Row, Statements
from rollbook.storage.postgres_connection import FAILING, Address, copy_rows, reason
from rollbook.storage.postgres_text import numbered
from rollbook.storage.sqlite_backup import sync_folder
from rollbook.storage.sqlite_connection import Reads, connect_reader, connect_writer
from rollbook.unix import fcntl

BATCH = 10_000
"""Rows that are held at a time."""
NAME = "rollbook copy"
"""The application name of its connections in `pg_stat_activity`; that of servers is `rollbook`."""
FAILED = (*FAILING, asyncpg.PostgresError, sqlite3.Error)
"""Errors that a session raises when the database, or the connection to it, fails."""
# Large enough for the inner pages of the indexes on emails and names, which a copy visits in random order.
_CACHE = "PRAGMA cache_size = -131072"  # KiB
# The byte of the `-shm` file on which each connection of any process holds a shared lock
# (https://sqlite.org/walformat.html, 2.3.1).
_OPEN_BYTE = 128
_SERVERS = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'rollbook'
      AND pid <> pg_backend_pid()"""
_PATIENCE = 5  # seconds in which the connections of a server that just stopped disappear


class CopySession(Statements, Protocol):
    """One transaction, from its opening to `commit` or `close`."""

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None: ...

    def batches(self, sql: str) -> AsyncIterator[list[Row]]:
        """The rows of a statement, BATCH at a time."""
        ...

    async def commit(self) -> None: ...

    async def close(self) -> None:
        """Ends the session; what was written and not committed is gone."""
        ...


class SQLiteSession(Reads):
    """Reads a file, or with `write` fills a new one that no one else opens and that is worthless until it is
    committed."""

    def __init__(self, path: Path, dialect: Any, write: bool = False) -> None:
        self._connection = connect_writer(path, "normal") if write else connect_reader(path)
        super().__init__(self._connection, dialect)
        pragmas = (_CACHE, "PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF") if write else ()
        for statement in (*pragmas, "BEGIN"):
            self._connection.execute(statement)

    async def run(self, sql: str, *values: Any) -> int:
        return self._connection.execute(sql, values).rowcount

    async def many(self, sql: str, rows: Iterable[Row]) -> None:
        self._connection.executemany(sql, rows)

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        marks = ", ".join("?" * len(columns))
        self._connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)

    async def batches(self, sql: str) -> AsyncIterator[list[Row]]:
        cursor = self._connection.execute(sql)
        while rows := cursor.fetchmany(BATCH):
            yield rows

    async def commit(self) -> None:
        """The file is durable, and in the mode in which servers use it."""
        self._connection.execute("COMMIT")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA journal_mode = WAL")

    async def close(self) -> None:
        self._connection.close()


class PostgresSession:
    engine: Engine = "postgresql"

    def __init__(self, connection: asyncpg.Connection, dialect: Any) -> None:
        self.dialect = dialect
        self._connection = connection

    @classmethod
    async def open(cls, address: Address, dialect: Any, write: bool = False) -> PostgresSession:
        """Raises DatabaseUnusable."""
        connection = await connect(address)
        await connection.execute("BEGIN" if write else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return cls(connection, dialect)

    async def one(self, sql: str, *values: Any) -> Row | None:
        return await self._connection.fetchrow(numbered(sql), *values)

    async def all(self, sql: str, *values: Any) -> list[Row]:
        return await self._connection.fetch(numbered(sql), *values)

    async def run(self, sql: str, *values: Any) -> int:
        await self._connection.execute(numbered(sql), *values)
        return 0

    async def many(self, sql: str, rows: Iterable[Row]) -> None:
        await self._connection.executemany(numbered(sql), rows)

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        await copy_rows(self._connection, table, columns, rows)

    async def batches(self, sql: str) -> AsyncIterator[list[Row]]:
        cursor = await self._connection.cursor(numbered(sql))
        while rows := await cursor.fetch(BATCH):
            yield rows

    async def commit(self) -> None:
        await self._connection.execute("COMMIT")

    async def close(self) -> None:
        await self._connection.close(timeout=5)


async def connect(address: Address) -> asyncpg.Connection:
    """A connection whose statements may take as long as they need. Raises DatabaseUnusable, without the password of the
    address."""
    try:
        connection = await asyncpg.connect(
            address.url,
            ssl=address.protection.driver,
            timeout=10,
            statement_cache_size=0,
            server_settings={"application_name": NAME},
        )
        await connection.execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
    except (*FAILING, asyncpg.PostgresError, ValueError) as problem:
        raise DatabaseUnusable(f"PostgreSQL at {address.public} cannot be used: {reason(problem)}.") from None
    return connection


async def servers(address: Address) -> int:
    """Count the connections that Rollbook servers have to this database, once those of a server that just stopped had
    time to disappear."""
    connection = await connect(address)
    try:
        for _ in range(_PATIENCE * 10):
            if not (number := await connection.fetchval(_SERVERS)):
                return 0
            await asyncio.sleep(0.1)
        return int(number)
    finally:
        await connection.close(timeout=5)


def is_open(path: Path) -> bool:
    """Test whether a process has this SQLite file open. Ask only while this process has not: asking would drop its own
    locks."""
    try:
        shared = os.open(f"{path}-shm", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.lockf(shared, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _OPEN_BYTE)
    except OSError as problem:
        if problem.errno in (errno.EACCES, errno.EAGAIN):
            return True
        raise
    finally:
        os.close(shared)
    return False


@contextmanager
def new_file(path: Path, part: Path) -> Iterator[Callable[[], None]]:
    """Let this process alone fill `part` with a SQLite database, which the function it is given then renames to `path`.

    What an earlier process left in the part is removed. Raises DatabaseUnusable.
    """
    _refuse_existing(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(part, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _refuse_existing(path)  # another process may just have renamed the part that we opened
        os.truncate(file, 0)
        for end in ("-wal", "-shm"):
            part.with_name(part.name + end).unlink(missing_ok=True)

        def publish() -> None:
            os.fsync(file)
            part.rename(path)
            sync_folder(path.parent)

        yield publish
    except BlockingIOError:
        raise DatabaseUnusable(f"Another `rollbook copy` is writing to {path.parent}. Let it finish first.") from None
    finally:
        os.close(file)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise DatabaseUnusable(
            f"The target is not empty: {path} exists. Copy into a new folder. (To compare two databases, add --verify.)"
        )


def check_sqlite(path: Path) -> None:
    """Raises DatabaseUnusable when there is no SQLite database."""
    if not path.is_file():
        raise DatabaseUnusable(f"There is no database {path}.")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except sqlite3.Error as problem:
        raise DatabaseUnusable(f"{path} cannot be used as a database: {problem}.") from None
