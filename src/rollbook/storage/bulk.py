"""Whole tables, read in one snapshot and written fast: what a copy of a database needs of each engine. Knows no nouns."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from rollbook.storage.database import DatabaseUnusable, Engine, Row
from rollbook.storage.postgres_connection import FAILING, Address
from rollbook.storage.postgres_text import numbered
from rollbook.storage.sqlite_connection import connect_reader

NAME = "rollbook copy"
"""How its connections are called in `pg_stat_activity`; those of servers are called `rollbook`."""
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

    def batches(self, sql: str, values: Sequence[Any], size: int) -> AsyncIterator[list[Row]]:
        """Its rows, `size` at a time, however many they are."""
        ...

    async def close(self) -> None: ...


class SQLiteReading:
    engine: Engine = "sqlite"

    def __init__(self, path: Path) -> None:
        self._connection = connect_reader(path, CACHE)
        self._connection.execute("BEGIN")

    async def all(self, sql: str, *values: Any) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    async def batches(self, sql: str, values: Sequence[Any], size: int) -> AsyncIterator[list[Row]]:
        cursor = self._connection.execute(sql, tuple(values))
        try:
            while rows := await asyncio.to_thread(cursor.fetchmany, size):
                yield rows
        finally:
            cursor.close()

    async def close(self) -> None:
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

    async def batches(self, sql: str, values: Sequence[Any], size: int) -> AsyncIterator[list[Row]]:
        cursor = await self._connection.cursor(numbered(sql), *values)
        while rows := await cursor.fetch(size):
            yield rows

    async def close(self) -> None:
        await self._connection.close(timeout=5)


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
