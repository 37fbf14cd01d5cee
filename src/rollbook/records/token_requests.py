"""Requests for one-time tokens that wait to be turned into tokens, for a moment. All of a request is sealed: it may
name people who have no account here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from rollbook import ids
from rollbook.records.events import Actor
from rollbook.storage.database import Queries, Tx, scalar

CHANNEL = "token_requests"
"""Notified when there is another request."""


class Asked(NamedTuple):
    """The content of a request."""

    email: str
    purpose: str
    redirect_url: str
    language: str | None
    actor: Actor
    asked_at: int
    is_admitted: bool
    """False: it exceeds a limit, and nothing comes of it."""
    audiences: str | None = None
    """Audiences of the key that asked, as `one_time_tokens` keeps them."""


class Waiting(NamedTuple):
    id: str
    sealed: bytes


COUNT = "SELECT count(*) FROM token_requests"
ADD = "INSERT INTO token_requests (id, sealed) VALUES (?, ?)"
OLDEST = "SELECT id, sealed FROM token_requests ORDER BY id LIMIT ?"
AFTER = "SELECT id, sealed FROM token_requests WHERE id > ? ORDER BY id LIMIT ?"
SEAL_AGAIN = "UPDATE token_requests SET sealed = ? WHERE id = ? AND sealed = ?"
TAKE = "DELETE FROM token_requests WHERE id = ?"

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Asked).decode


def new_id() -> str:
    return ids.new("treq")


async def count(queries: Queries) -> int:
    return await scalar(queries, COUNT)


async def add(tx: Tx, id: str, sealed: bytes) -> None:
    await tx.run(ADD, id, sealed)
    tx.notify(CHANNEL)


async def oldest(queries: Queries, limit: int) -> list[Waiting]:
    return [Waiting._make(row) for row in await queries.all(OLDEST, limit)]


async def take(tx: Tx, id: str) -> bool:
    """Take a request, so that no one else does what it asks for. False: another process was faster."""
    return await tx.run(TAKE, id) > 0


async def sealed_after(queries: Queries, id: str, limit: int) -> list[tuple[str, bytes]]:
    return [(row[0], row[1]) for row in await queries.all(AFTER, id, limit)]


async def seal_again(tx: Tx, changed: Iterable[tuple[bytes, str, bytes]]) -> None:
    """New sealed content, ID and former sealed content of each: one that was taken meanwhile stays away."""
    await tx.many(SEAL_AGAIN, changed)
