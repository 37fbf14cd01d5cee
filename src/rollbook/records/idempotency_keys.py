"""Idempotency keys: responses kept for 24 hours, so that a repeated POST gets the first response instead of being done
again.

(draft-ietf-httpapi-idempotency-key-header-07.) The claim is written before the work begins; the answer, sealed, in the
transaction of the work itself: after a crash there is either both or neither.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from rollbook import clock
from rollbook.errors import KeyReused, StillRunning
from rollbook.storage.database import Queries, Statement, Tx

KEPT = 24 * clock.HOUR
# A worker renews the claims of its running requests every second; one that was not renewed for so long belongs to a
# worker that died. A retry that comes a second after each 409 then waits at most 5 s. Where a worker only stalled, it
# finds its claim lost, and does nothing.
LEASE = 4 * clock.SECOND

FIND = Statement(
    "SELECT request, owner, started_at, status, head, sealed FROM replies WHERE user_id = ? AND key = ?", locks=True
)
CLAIM = """
    INSERT INTO replies (user_id, key, request, owner, started_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (user_id, key) DO UPDATE
    SET request = excluded.request, owner = excluded.owner, started_at = excluded.started_at, status = NULL,
      head = NULL, sealed = NULL
    WHERE replies.started_at < ? OR (replies.status IS NULL AND replies.started_at < ?)"""
FINISH = (
    "UPDATE replies SET status = ?, head = ?, sealed = ? WHERE user_id = ? AND key = ? AND owner = ? AND status IS NULL"
)
RENEW = "UPDATE replies SET started_at = ? WHERE user_id = ? AND key = ? AND owner = ? AND status IS NULL"
RELEASE = "DELETE FROM replies WHERE user_id = ? AND key = ? AND owner = ? AND status IS NULL"
OLDEST = "SELECT started_at FROM replies ORDER BY started_at LIMIT 1"
EXPIRE = "DELETE FROM replies WHERE (user_id, key) IN (SELECT user_id, key FROM replies WHERE started_at < ? LIMIT ?)"


class Claim(NamedTuple):
    """One request with an Idempotency-Key: whose, the key, a keyed digest of what it asks for, and the request's own
    id."""

    user_id: str
    key: str
    request: bytes
    owner: str


class StoredReply(NamedTuple):
    """The answer as it is kept, and the digest of the request that it answers."""

    status: int
    head: bytes
    sealed: bytes
    request: bytes


async def find(queries: Queries, claim: Claim) -> StoredReply | None:
    """The answer given to this key before, perhaps for another request; None when there is none to give. Raises
    KeyReused, StillRunning."""
    row = await queries.one(FIND, claim.user_id, claim.key)
    if row is None:
        return None
    request, _, started_at, status, head, sealed = row
    age = clock.now() - started_at
    if age > KEPT or (status is None and age > LEASE):
        return None
    if status is None:
        raise StillRunning() if request == claim.request else KeyReused()
    return StoredReply(status, head, sealed, request)


async def claim(tx: Tx, claim: Claim) -> StoredReply | None:
    """Make the request ours, or give the answer another one has left meanwhile. Raises as `find`."""
    while (reply := await find(tx, claim)) is None:
        now = clock.now()
        if await tx.run(CLAIM, *claim, now, now - KEPT, now - LEASE):
            return None
        # On PostgreSQL another server was faster between the two statements: what it wrote is the answer.
    return reply


async def renew(tx: Tx, claims: Collection[Claim]) -> None:
    """Their requests still run."""
    now = clock.now()
    await tx.many(RENEW, [(now, claim.user_id, claim.key, claim.owner) for claim in sorted(claims)])


async def finish(tx: Tx, claim: Claim, status: int, head: bytes, sealed: bytes) -> None:
    """Keep the answer, in the transaction that did what it says. Raises StillRunning when another request has the claim
    by now."""
    if not await tx.run(FINISH, status, head, sealed, claim.user_id, claim.key, claim.owner):
        raise StillRunning()


async def release(tx: Tx, claim: Claim) -> None:
    """Nothing was done: let the same request be tried again."""
    await tx.run(RELEASE, claim.user_id, claim.key, claim.owner)


async def is_expired(queries: Queries) -> bool:
    row = await queries.one(OLDEST)
    return row is not None and row[0] < clock.now() - KEPT


async def expire(tx: Tx, limit: int) -> int:
    return await tx.run(EXPIRE, clock.now() - KEPT, limit)
