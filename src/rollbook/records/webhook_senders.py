"""Which processes send to webhooks at the moment, so that each takes its share. On PostgreSQL: a lease for each of
them."""

from __future__ import annotations

from rollbook.records import leases
from rollbook.records.dialect import dialect
from rollbook.storage.database import Queries, Tx, scalar

SECONDS = 30
"""How long one counts after it was last heard of: as long as it may have the lease of a webhook."""

NAME = "webhooks/"
COUNT = f"SELECT count(*) FROM leases WHERE name LIKE '{NAME}%' AND until > clock_timestamp()"
FORGET = f"DELETE FROM leases WHERE name LIKE '{NAME}%' AND until < clock_timestamp()"


async def count(queries: Queries) -> int:
    """On SQLite, one process sends everything."""
    if not dialect(queries).is_shared:
        return 1
    return await scalar(queries, COUNT)


async def announce(tx: Tx, holder: str) -> None:
    """To be repeated before SECONDS have passed."""
    await tx.run(FORGET)
    await leases.take(tx, NAME + holder, holder, SECONDS)


async def leave(tx: Tx, holder: str) -> None:
    """It sends no more."""
    await leases.give_back(tx, holder)
