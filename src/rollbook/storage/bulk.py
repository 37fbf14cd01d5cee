"""Whole tables, read in one snapshot and written fast: what a copy of a database needs of each engine. Knows no nouns."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from rollbook.storage.database import DatabaseUnusable, Engine, Row
from rollbook.storage.postgres_connection import FAILING, Address
from rollbook.storage.postgres_text import numbered
from rollbook.storage.sqlite_connection import connect_reader

NAME = "rollbook copy"
"""How its connections are called in `pg_stat_activity`; those of servers are called `rollbook`."""
FAILED = (*FAILING, asyncpg.PostgresError, sqlite3.Error)
"""What a database, or the way to it, raises in the middle of a copy."""
CACHE = 65_536  # KiB
# The byte of the `-shm` file on which each connection of any process holds a shared lock (https://sqlite.org/walformat.html, 2.3.1).
_OPEN_BYTE = 128
_SERVERS = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'rollbook' AND pid <> pg_backend_pid()"""
_PATIENCE = 5  # seconds in which a server that was stopped just now leaves PostgreSQL


class Reading(Protocol):
    """One snapshot of a database, from the first statement to `close`. Statements have `?` for each value."""

    engine: Engine

    async def all(self, sql: str, *values: Any) -> list[Row]: ...

    def batches(self, sql: str, values: Sequence[Any], size: int) -> AsyncGenerator[list[Row], None]:
        """Its rows, `size` at a time, however many they are."""
        ...

    async def close(self) -> None: ...


class SQLiteReading:
    engine: Engine = "sqlite"

    def __init__(self, path: Path) -> None:
        self._connection = connect_reader(path, CACHE)
        self._connection.execute("BEGIN")
        # One thread, so that what it began is over before a cursor or the connection is closed: a caller may be cancelled at any time.
        self._thread = ThreadPoolExecutor(1, "rollbook-copy")

    async def all(self, sql: str, *values: Any) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    async def batches(self, sql: str, values: Sequence[Any], size: int) -> AsyncGenerator[list[Row], None]:
        cursor = self._connection.execute(sql, tuple(values))
        try:
            while rows := await asyncio.get_running_loop().run_in_executor(self._thread, cursor.fetchmany, size):
                yield rows
        finally:
            self._thread.submit(cursor.close)

    async def close(self) -> None:
        self._thread.shutdown()
        self._connection.close()


class PostgresReading:
    engine: Engine = "postgresql"

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, address: Address) -> PostgresReading:
        """Raises DatabaseUnusable."""
        connection = await connect(address)
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return cls(connection)

    async def all(self, sql: str, *values: Any) -> list[Row]:
        return await self._connection.fetch(numbered(sql), *values)

    async def batches(self, sql: str, values: Sequence[Any], size: int) -> AsyncGenerator[list[Row], None]:
        cursor = await self._connection.cursor(numbered(sql), *values)
        while rows := await cursor.fetch(size):
            yield rows

    async def close(self) -> None:
        await self._connection.close(timeout=5)


class PostgresWriting:
    """A session that writes rows by COPY, each batch in a transaction with one statement of its own."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        # A COPY that has to wait until it may send more is not told that there is nobody any more (asyncpg 0.32): so this one listens.
        self._lost = asyncio.Event()
        connection.add_termination_listener(lambda _: self._lost.set())

    @classmethod
    async def open(cls, address: Address) -> PostgresWriting:
        """Raises DatabaseUnusable."""
        return cls(await connect(address))

    async def put(self, sql: str, values: Sequence[Any], table: str, columns: Sequence[str], rows: Sequence[Row]) -> bool:
        """The statement, and the rows if it changed one row; otherwise nothing, and False. Raises what asyncpg raises, and OSError."""
        writing = asyncio.ensure_future(self._put(sql, values, table, columns, rows))
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait((writing, lost), return_when=asyncio.FIRST_COMPLETED)
            if writing.done() and writing.exception() is None:
                return writing.result()
            if self._lost.is_set():
                raise ConnectionError("the connection to PostgreSQL was lost")
            return await writing
        finally:
            for task in (writing, lost):
                task.cancel()
            await asyncio.gather(writing, lost, return_exceptions=True)

    async def run(self, sql: str) -> None:
        """A statement without values, in a transaction of its own."""
        await self._connection.execute(sql)

    async def close(self) -> None:
        await self._connection.close(timeout=5)

    async def _put(self, sql: str, values: Sequence[Any], table: str, columns: Sequence[str], rows: Sequence[Row]) -> bool:
        await self._connection.execute("BEGIN")
        try:
            done = await self._connection.execute(numbered(sql), *values) == "UPDATE 1"
            if done:
                await self._connection.copy_records_to_table(table, records=rows, columns=columns)
            await self._connection.execute("COMMIT")
        except Exception:
            if not self._connection.is_closed():
                await self._connection.execute("ROLLBACK")
            raise
        return done


async def connect(address: Address) -> asyncpg.Connection:
    """A session in which statements may take as long as they need. Raises DatabaseUnusable, without the address's password."""
    try:
        connection = await asyncpg.connect(
            address.url, timeout=10, statement_cache_size=0, server_settings={"application_name": NAME}
        )
        await connection.execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
    except (*FAILING, asyncpg.PostgresError, ValueError) as problem:
        told = str(problem) or type(problem).__name__
        raise DatabaseUnusable(f"PostgreSQL at {address.shown} cannot be used: {told}.") from None
    return connection


async def servers(address: Address) -> int:
    """How many connections servers of ours have to this database. Those of one that was stopped just now have some seconds to go."""
    connection = await connect(address)
    try:
        for _ in range(_PATIENCE * 10):
            if not (found := await connection.fetchval(_SERVERS)):
                return 0
            await asyncio.sleep(0.1)
        return int(found)
    finally:
        await connection.close(timeout=5)


def is_open(path: Path) -> bool:
    """Whether a process has this SQLite file open. To be asked while this one has not: asking would drop its own locks."""
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


def check_sqlite(path: Path) -> None:
    """Raises DatabaseUnusable when there is no SQLite database."""
    if not path.is_file():
        raise DatabaseUnusable(f"There is no database {path}.")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as problem:
        raise DatabaseUnusable(f"{path} cannot be used as a database: {problem}.") from None
