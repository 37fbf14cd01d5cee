"""How far each webhook is in the event log, and who sends to it."""

from __future__ import annotations

from rollbook import clock
from rollbook.storage.database import Queries, Tx

NEWEST = "SELECT coalesce(max(seq), 0) FROM events"
START = """
    INSERT INTO webhook_cursors (webhook_id, seq, holder, epoch, until, failures, failing_since, probes, open_until)
    VALUES (?, ?, '', 0, 0, 0, NULL, 0, NULL)"""
INTERRUPT = "UPDATE webhook_cursors SET epoch = epoch + 1 WHERE webhook_id = ?"
RESUME = """
    UPDATE webhook_cursors SET epoch = epoch + 1, failures = 0, failing_since = NULL, probes = 0, open_until = NULL
    WHERE webhook_id = ?"""
RETRY_NOW = "UPDATE webhook_lanes SET next_at = ? WHERE webhook_id = ? AND next_at > ?"
MOVE = "UPDATE webhook_cursors SET seq = ?, epoch = epoch + 1 WHERE webhook_id = ?"
FORGET_LANES = "DELETE FROM webhook_lanes WHERE webhook_id = ?"


async def newest(queries: Queries) -> int:
    """The end of the log, which the caller has settled."""
    row = await queries.one(NEWEST)
    assert row is not None  # coalesce
    return row[0]


async def start(tx: Tx, webhook_id: str, seq: int) -> None:
    """The cursor of a new webhook: events after this one are sent to it."""
    await tx.run(START, webhook_id, seq)


async def interrupt(tx: Tx, webhook_id: str) -> None:
    """Whoever sends to it drops what they know of it, and reads it again."""
    await tx.run(INTERRUPT, webhook_id)


async def resume(tx: Tx, webhook_id: str) -> None:
    """Failures so far no longer count, and what waits for its next attempt is due at once."""
    now = clock.now()
    await tx.run(RESUME, webhook_id)
    await tx.run(RETRY_NOW, now, webhook_id, now)


async def move(tx: Tx, webhook_id: str, seq: int) -> None:
    """Go on after this event. Earlier ones that failed are not tried again."""
    await tx.run(MOVE, seq, webhook_id)
    await tx.run(FORGET_LANES, webhook_id)
