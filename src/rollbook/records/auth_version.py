"""A version counter, incremented by every change to keys or users, that invalidates each worker's cached callers."""

from __future__ import annotations

from rollbook.storage.database import Queries, Statement, Tx, scalar

CHANNEL = "auth_version"
BUMP = Statement("UPDATE access SET version = version + 1", together="UPDATE access SET version = version + 1")
VERSION = "SELECT version FROM access"


async def bump(tx: Tx) -> None:
    """Count up; called by every change of a key, or of a user's role, status, limit or existence."""
    await tx.run(BUMP)
    tx.notify(CHANNEL)


async def read(queries: Queries) -> int:
    return await scalar(queries, VERSION)
