"""Events that could not be delivered yet: of each lane the first one. A lane is a user, or a single event where the
order does not matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rollbook import clock
from rollbook.storage.database import Queries, Tx

OF_WEBHOOK = (
    "SELECT lane, seq, attempts, next_at, failed_at, outcome FROM webhook_lanes WHERE webhook_id = ? ORDER BY seq"
)
STORE = """
    INSERT INTO webhook_lanes (webhook_id, lane, seq, attempts, next_at, failed_at, outcome)
      VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (webhook_id, lane) DO UPDATE SET
        seq = excluded.seq, attempts = excluded.attempts, next_at = excluded.next_at, failed_at = excluded.failed_at,
          outcome = excluded.outcome"""
REMOVE = "DELETE FROM webhook_lanes WHERE webhook_id = ? AND lane = ?"
FORGET = "DELETE FROM webhook_lanes WHERE webhook_id = ?"
FORGET_AFTER = "DELETE FROM webhook_lanes WHERE webhook_id = ? AND seq > ?"
RETRY_NOW = "UPDATE webhook_lanes SET next_at = ? WHERE webhook_id = ? AND next_at > ?"


class Lane(NamedTuple):
    lane: str
    seq: int
    """Of the event at its head. Later ones of the lane wait for it."""
    attempts: int
    next_at: int
    failed_at: int
    """When its head failed first."""
    outcome: str
    """Of the last attempt; empty if there was none."""


async def of(queries: Queries, webhook_id: str) -> list[Lane]:
    return [Lane._make(row) for row in await queries.all(OF_WEBHOOK, webhook_id)]


async def store(tx: Tx, webhook_id: str, lanes: Sequence[Lane]) -> None:
    await tx.many(STORE, [(webhook_id, *lane) for lane in lanes])


async def remove(tx: Tx, webhook_id: str, lanes: Sequence[str]) -> None:
    await tx.many(REMOVE, [(webhook_id, lane) for lane in lanes])


async def forget(tx: Tx, webhook_id: str) -> None:
    """All of a webhook."""
    await tx.run(FORGET, webhook_id)


async def forget_after(tx: Tx, webhook_id: str, seq: int) -> None:
    """Forget the lanes whose head comes after this event."""
    await tx.run(FORGET_AFTER, webhook_id, seq)


async def retry_now(tx: Tx, webhook_id: str) -> None:
    now = clock.now()
    await tx.run(RETRY_NOW, now, webhook_id, now)
