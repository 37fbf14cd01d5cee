"""Fingerprint of the secret that the servers on one PostgreSQL share."""

from __future__ import annotations

from rollbook.storage.database import Queries, Tx, first

FINGERPRINT = "SELECT fingerprint FROM server_secret"
ADD = "INSERT INTO server_secret VALUES (1, ?) ON CONFLICT DO NOTHING"
KEEP = 'INSERT INTO server_secret VALUES (1, ?) ON CONFLICT ("only") DO UPDATE SET fingerprint = excluded.fingerprint'


async def kept(queries: Queries) -> bytes | None:
    found = await first(queries, FINGERPRINT)
    return None if found is None else bytes(found)


async def kept_or(tx: Tx, own: bytes) -> bytes:
    """The one that is kept; if there is none, `own` is from now on."""
    await tx.run(ADD, own)
    return await kept(tx) or own


async def keep(tx: Tx, own: bytes) -> None:
    """Replace it."""
    await tx.run(KEEP, own)
