"""PostgreSQL as the database of any number of servers: each worker has pools of connections for lookups, writes and
snapshots."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg

from rollbook.errors import Overloaded, StorageUnavailable, Unavailable
from rollbook.machine import Runner
from rollbook.storage import postgres_tls
from rollbook.storage.database import Database, DatabaseUnusable, Engine, Row
from rollbook.storage.postgres_batches import Batches
from rollbook.storage.postgres_connection import FAILING, Pool, address, reason
from rollbook.storage.postgres_reads import ReadBatcher, in_snapshot
from rollbook.storage.postgres_writer import PostgresWriter

T = TypeVar("T")

MIN_VERSION = 140_000
"""PostgreSQL 14: the oldest version that was still supported when this was written."""
MAX_SNAPSHOTS = 1_000
"""Reads of several statements that may wait in a worker; beyond it, the caller gets Overloaded."""
_ADVICE = " Check that it runs, its address, and the user's password and rights."


class Postgres(Database):
    """`one` and `all` directly on it are reads of a single statement. Connections are opened by the first call, in its
    event loop."""

    engine: Engine = "postgresql"
    dialect: Any

    def __init__(
        self,
        url: str,
        *,
        connections: int = 12,
        timeout: float = 5.0,
        replicas: Sequence[str] = (),
        committed: Callable[[int], None] = lambda writes: None,
        dialect: Any = None,
    ) -> None:
        """Raises DatabaseUnusable when the address is not one of PostgreSQL."""
        self.address = address(url)
        self.dialect = dialect
        self._timeout = timeout
        self._now: Runner | None = None
        # Most for writes, each of which holds one until its commit; many look-ups share a statement on theirs (decision
        # 20).
        share, writing = max(1, connections // 8), max(1, connections * 2 // 3)
        lookups, writes, self._snapshots = (
            Pool(self.address, size, timeout) for size in (share, writing, max(1, connections - share - writing))
        )
        self._lookups = ReadBatcher(lookups)
        self._writer = PostgresWriter(writes, lookups, timeout, committed, dialect)
        self._batches = Batches(writes, self._writer)
        self._replicas = [Pool(address(replica), share, timeout) for replica in replicas]
        self._turn = 0
        self._waiting = 0
        self._pools: list[Pool] = [lookups, writes, self._snapshots, *self._replicas]

    async def one(self, sql: str, *values: Any) -> Row | None:
        rows = await self._lookups.ask(sql, values)
        return rows[0] if rows else None

    async def all(self, sql: str, *values: Any) -> list[Row]:
        return await self._lookups.ask(sql, values)

    async def read(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        return await self._snapshot([self._snapshots], fn, args)

    async def read_aside(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Read like `read`: nothing here stands in the event loop's way."""
        return await self.read(fn, *args)

    async def read_within(self, seconds: float, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        return await self._snapshot([self._snapshots], fn, args, seconds)

    async def probe(self) -> None:
        """Nothing of it is in memory: whoever reads finds out."""

    async def read_eventually(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """From a standby, which may lag behind; from the primary where there is none, or none that answers."""
        replicas = self._replicas[self._turn :] + self._replicas[: self._turn]
        self._turn = (self._turn + 1) % max(1, len(self._replicas))
        return await self._snapshot([*replicas, self._snapshots], fn, args)

    async def write(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        return await self._writer.write(fn, *args)

    async def write_together(self, about: str, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        return await self._batches.write(about, fn, *args)

    def listen(self, channel: str, callback: Callable[[], None]) -> None:
        self._writer.listen(channel, callback)

    @property
    def writes_waiting(self) -> int:
        return self._writer.waiting + self._batches.waiting

    async def stop(self) -> None:
        """Commits the writes that wait, then closes."""
        self._writer.closed = True
        await self._batches.close()
        await self._writer.close()
        for pool in self._pools:
            await pool.close()

    # ---- without an event loop: for the command line and the start

    def read_now(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        return self.run_now(self.read(fn, *args))

    def write_now(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        try:
            return self.run_now(self.write(fn, *args))
        except asyncpg.InsufficientPrivilegeError as problem:
            raise DatabaseUnusable(
                f"PostgreSQL at {self.address.public} does not allow this to its user: {problem}. If the schema is to "
                "be changed, run `rollbook migrate` with the URL of the role that owns the tables."
            ) from None

    def run_now(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._now is None:
            # Ctrl+C cancels what runs in it, where a bare loop would raise in the middle of the connection's own code.
            self._now = Runner()
        return self._now.run(coroutine)

    def close(self) -> None:
        if self._now is not None:
            self.run_now(self.stop())
            self._now.close()
            self._now = None

    def check(self, within: float = 5.0) -> None:
        """Raises DatabaseUnusable, with a message that says how to fix it, if PostgreSQL does not answer in time or is
        too old."""
        try:
            row = self.run_now(asyncio.wait_for(self._version(), within))
        except (*FAILING, asyncpg.PostgresError, Unavailable, ValueError) as problem:
            why = reason(problem.__cause__ or problem)
            advice = "" if postgres_tls.reason(problem.__cause__ or problem) else _ADVICE
            raise DatabaseUnusable(f"PostgreSQL at {self.address.public} cannot be used: {why}.{advice}") from None
        if int(row) < MIN_VERSION:
            raise DatabaseUnusable(
                f"PostgreSQL {MIN_VERSION // 10000} or newer is needed, {self.address.public} is {int(row) // 10000}."
            )

    async def about(self) -> dict[str, Any]:
        described = await self.read(_described)
        return {
            "engine": self.engine,
            "address": self.address.public,
            "protection": self.address.protection,
            **described,
        }

    async def _version(self) -> str:
        rows: list[Row] = await self._lookups.ask("SELECT current_setting('server_version_num')", ())
        return str(rows[0][0])

    async def _snapshot(
        self, pools: Sequence[Pool], fn: Callable[..., Awaitable[T]], args: tuple[Any, ...], within: float | None = None
    ) -> T:
        if self._waiting >= MAX_SNAPSHOTS:
            raise Overloaded("Too many searches are waiting. Try again shortly.")
        self._waiting += 1
        try:
            for pool in pools[:-1]:
                with suppress(StorageUnavailable):
                    return await self._in_task(pool, fn, args, within)
            return await self._in_task(pools[-1], fn, args, within)
        finally:
            self._waiting -= 1

    async def _in_task(
        self, pool: Pool, fn: Callable[..., Awaitable[T]], args: tuple[Any, ...], within: float | None
    ) -> T:
        # A handler is no task (http/driver.py), and asyncpg wants one for its time-outs.
        return await asyncio.get_running_loop().create_task(in_snapshot(pool, self.dialect, fn, args, within))


async def _described(queries: Any) -> dict[str, Any]:
    return dict(await queries.one(DESCRIBED))


DESCRIBED = """
    SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS size,
           (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections,
           current_setting('max_connections')::int AS most_connections,
           current_setting('synchronous_commit') AS synchronous_commit,
           (SELECT count(*) FROM pg_stat_replication) AS standbys,
           CASE WHEN current_setting('synchronous_standby_names') = '' THEN 0
                ELSE coalesce(substring(current_setting('synchronous_standby_names') FROM '(\\d+)\\s*\\(')::int, 1)
           END AS standbys_awaited,
           ARRAY(SELECT slot_name::text FROM pg_replication_slots
                  WHERE slot_type = 'physical' AND NOT active ORDER BY slot_name) AS slots_unused,
           EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm') AS trigrams"""
