"""Settings that owners write in the dashboard, by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rollbook.storage.database import Queries, Tx, scalar

VERSION = "SELECT CAST(coalesce(sum(version), 0) AS bigint) FROM settings"
ALL = "SELECT name, value, sealed FROM settings ORDER BY name"
PUT = """
    INSERT INTO settings (name, value, sealed, version) VALUES (?, ?, ?, 1)
    ON CONFLICT (name) DO UPDATE SET
        value = excluded.value, sealed = excluded.sealed, version = settings.version + 1"""
SEALED_AFTER = "SELECT name, sealed FROM settings WHERE sealed IS NOT NULL AND name > ? ORDER BY name LIMIT ?"
SEAL_AGAIN = "UPDATE settings SET sealed = ? WHERE name = ? AND sealed = ?"


class StoredSetting(NamedTuple):
    name: str
    value: str | None
    sealed: bytes | None


async def version(queries: Queries) -> int:
    """A number that rises with every change. 0: nothing was ever stored."""
    return await scalar(queries, VERSION)


async def stored(queries: Queries) -> list[StoredSetting]:
    rows = await queries.all(ALL)
    return [StoredSetting(name, value, None if sealed is None else bytes(sealed)) for name, value, sealed in rows]


async def put(tx: Tx, settings: Iterable[StoredSetting]) -> None:
    """Store them. One with neither a value nor a sealed one has its default again."""
    for setting in sorted(settings):  # in one order, so that two who change several wait for each other
        await tx.run(PUT, *setting)


async def sealed_after(queries: Queries, name: str, limit: int) -> list[tuple[str, bytes]]:
    return [(row[0], bytes(row[1])) for row in await queries.all(SEALED_AFTER, name, limit)]


async def seal_again(tx: Tx, changed: Iterable[tuple[bytes, str, bytes]]) -> None:
    """Store values encrypted again, with their names and former forms."""
    await tx.many(SEAL_AGAIN, changed)
