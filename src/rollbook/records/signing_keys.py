"""Keys that sign access tokens. There are few: one that signs, and the one before or after it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rollbook.storage.database import Queries, Tx


class SigningKey(NamedTuple):
    """`sealed` is the encrypted private part."""

    id: str
    public: bytes
    sealed: bytes
    created_at: int
    signs_from: int
    """Time from which on it signs, until a newer one does."""


COLUMNS = ", ".join(SigningKey._fields)
MAX_KEYS = 16
ALL = f"SELECT {COLUMNS} FROM signing_keys ORDER BY signs_from DESC, id DESC LIMIT {MAX_KEYS}"
ADD = f"INSERT INTO signing_keys ({COLUMNS}) VALUES (?, ?, ?, ?, ?)"
REMOVE = "DELETE FROM signing_keys WHERE id = ?"
REMOVE_ALL = "DELETE FROM signing_keys WHERE id <> ?"
SEALED_AFTER = "SELECT id, sealed FROM signing_keys WHERE id > ? ORDER BY id LIMIT ?"
SEAL_AGAIN = "UPDATE signing_keys SET sealed = ? WHERE id = ? AND sealed = ?"


async def newest_first(queries: Queries) -> list[SigningKey]:
    rows = await queries.all(ALL)
    return [SigningKey(row[0], bytes(row[1]), bytes(row[2]), row[3], row[4]) for row in rows]


async def add(tx: Tx, new: SigningKey) -> None:
    await tx.run(ADD, *new)


async def remove(tx: Tx, ids: Iterable[str]) -> None:
    await tx.many(REMOVE, [(id,) for id in ids])


async def remove_others(tx: Tx, keep: str) -> None:
    await tx.run(REMOVE_ALL, keep)


async def sealed_after(queries: Queries, id: str, limit: int) -> list[tuple[str, bytes]]:
    """IDs and encrypted private parts of the keys after this ID."""
    return [(row[0], bytes(row[1])) for row in await queries.all(SEALED_AFTER, id, limit)]


async def seal_again(tx: Tx, changed: Iterable[tuple[bytes, str, bytes]]) -> None:
    """New sealed private part, ID and former sealed private part of each."""
    await tx.many(SEAL_AGAIN, changed)
