"""Leases: which of several servers on one PostgreSQL runs a job, until when by the database's clock.

A server that dies or is cut off loses its leases at that time; no one needs to notice.
"""

from __future__ import annotations

from rollbook import clock
from rollbook.records.dialect import dialect
from rollbook.storage.database import Queries, Tx, scalar

SECONDS = 10
"""Seconds that a lease lasts beyond the pause of its job, unless it is renewed."""

TAKE = """
    INSERT INTO leases (name, holder, until) VALUES (?, ?, clock_timestamp() + make_interval(secs => ?))
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE leases.holder = excluded.holder OR leases.until < clock_timestamp()"""
NOW = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
GIVE_BACK = "DELETE FROM leases WHERE holder = ?"


async def take(tx: Tx, name: str, holder: str, seconds: float) -> bool:
    """Take or renew it for so many seconds. False when another server has it."""
    return await tx.run(TAKE, name, holder, seconds) > 0


async def give_back(tx: Tx, holder: str) -> None:
    """All that this server has."""
    await tx.run(GIVE_BACK, holder)


async def database_now(queries: Queries) -> int:
    """Return the time by the database's clock, on which all of its servers agree, in microseconds since 1970. On
    SQLite, the machine's. In a transaction, too, it is the time of this call."""
    if not dialect(queries).is_shared:
        return clock.now()
    return await scalar(queries, NOW)
