"""Leases: what only one of several servers on a database does at a time. A row says who, until when by the database's own clock.

A server that dies or is cut off loses it by that time; nobody needs to notice. On SQLite there is one server, so it is always the one.
"""

from __future__ import annotations

from rollbook.storage.database import Tx

SECONDS = 10
"""How long a lease lasts unless it is renewed."""

TAKE = """
    INSERT INTO leases (name, holder, until) VALUES (?, ?, clock_timestamp() + make_interval(secs => ?))
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE leases.holder = excluded.holder OR leases.until < clock_timestamp()"""
GIVE_BACK = "DELETE FROM leases WHERE name = ? AND holder = ?"


async def take(tx: Tx, name: str, holder: str) -> bool:
    """Take it, or keep it for as long again. False when another server has it."""
    return await tx.run(TAKE, name, holder, float(SECONDS)) > 0


async def give_back(tx: Tx, name: str, holder: str) -> None:
    await tx.run(GIVE_BACK, name, holder)
