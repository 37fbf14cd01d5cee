"""Progress of each webhook: its cursor in the event log, its blocked lanes, and the lease of the process that sends.

`epoch` rises with each holder, and with each change of the cursor by someone else. A holder writes only while the epoch
is its own, so that one that was taken for dead can change nothing when it wakes up. Leases end by the database's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rollbook import clock
from rollbook.records import marks
from rollbook.records.dialect import dialect
from rollbook.storage.database import Queries, Tx, scalar

LEASE = 30 * clock.SECOND
"""The time that a holder has the webhook to itself, unless it renews the lease."""
SENDER_SECONDS = 30
"""Seconds that a sender counts after it was last heard of: as many as it may have the lease of a webhook."""

NEWEST = "SELECT coalesce(max(seq), 0) FROM events"
START = """
    INSERT INTO webhook_cursors (webhook_id, seq, holder, epoch, until, failures, failing_since, probes, open_until)
    VALUES (?, ?, '', 0, 0, 0, NULL, 0, NULL)"""
START_ONCE = f"{START} ON CONFLICT (webhook_id) DO NOTHING"
STOP = "DELETE FROM webhook_cursors WHERE webhook_id = ?"
EXISTS = "SELECT 1 FROM webhook_cursors WHERE webhook_id = ?"
RESUME = """
    UPDATE webhook_cursors SET epoch = epoch + 1, failures = 0, failing_since = NULL, probes = 0, open_until = NULL
    WHERE webhook_id = ?"""
MOVE = "UPDATE webhook_cursors SET seq = ?, epoch = epoch + 1 WHERE webhook_id = ?"
# The cursor without a row in `webhooks` is that of the mail server.
SCAN = """
    SELECT c.webhook_id, coalesce(w.version, 1), coalesce(w.status, 'enabled'), c.holder, c.epoch, c.until
    FROM webhook_cursors AS c LEFT JOIN webhooks AS w ON w.id = c.webhook_id ORDER BY c.webhook_id"""
CLAIM = """
    UPDATE webhook_cursors SET holder = ?, epoch = epoch + 1, until = ?
    WHERE webhook_id = ? AND (until NOT BETWEEN ? AND ? OR holder IN (?, ''))
    RETURNING seq, epoch, failures, failing_since, probes, open_until"""
KEEP = """
    UPDATE webhook_cursors SET seq = ?, until = ?, failures = ?, failing_since = ?, probes = ?, open_until = ?
    WHERE webhook_id = ? AND holder = ? AND epoch = ?"""
GIVE_BACK = "UPDATE webhook_cursors SET holder = '', until = 0 WHERE webhook_id = ? AND holder = ?"

LANES = "SELECT lane, seq, attempts, next_at, failed_at, outcome FROM webhook_lanes WHERE webhook_id = ? ORDER BY seq"
STORE_LANE = """
    INSERT INTO webhook_lanes (webhook_id, lane, seq, attempts, next_at, failed_at, outcome)
      VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (webhook_id, lane) DO UPDATE SET
        seq = excluded.seq, attempts = excluded.attempts, next_at = excluded.next_at, failed_at = excluded.failed_at,
          outcome = excluded.outcome"""
REMOVE_LANE = "DELETE FROM webhook_lanes WHERE webhook_id = ? AND lane = ?"
FORGET_LANES = "DELETE FROM webhook_lanes WHERE webhook_id = ?"
FORGET_LANES_AFTER = "DELETE FROM webhook_lanes WHERE webhook_id = ? AND seq > ?"
RETRY_NOW = "UPDATE webhook_lanes SET next_at = ? WHERE webhook_id = ? AND next_at > ?"

SENDERS = "webhooks/"
COUNT_SENDERS = f"SELECT count(*) FROM leases WHERE name LIKE '{SENDERS}%' AND until > clock_timestamp()"
FORGET_SENDERS = f"DELETE FROM leases WHERE name LIKE '{SENDERS}%' AND until < clock_timestamp()"


class WebhookLease(NamedTuple):
    """Lease of a webhook, as processes see it that could send to it."""

    webhook_id: str
    version: int
    status: str
    holder: str
    epoch: int
    until: int


class BreakerState(NamedTuple):
    """State of the endpoint's circuit breaker: failures of the endpoint as a whole."""

    failures: int = 0
    """In a row."""
    failing_since: int | None = None
    """The first failure after the last success."""
    probes: int = 0
    """Failed ones, since the endpoint is left alone."""
    open_until: int | None = None
    """Nothing is sent until then, and then one event as a probe."""


class StoredLane(NamedTuple):
    """A blocked lane, with its first event that could not be delivered yet. A lane is a user, or a single event where
    the order does not matter."""

    lane: str
    seq: int
    """Number of the event at its head. Later ones of the lane wait for it."""
    attempts: int
    next_at: int
    failed_at: int
    """The time when its head failed first."""
    outcome: str
    """Outcome of the last attempt; empty if there was none."""


class Cursor(NamedTuple):
    """A claimed cursor."""

    seq: int
    epoch: int
    breaker: BreakerState
    lanes: list[StoredLane]


async def newest(queries: Queries) -> int:
    """The end of the log, which the caller has settled."""
    return await scalar(queries, NEWEST)


async def start(tx: Tx, webhook_id: str, seq: int) -> None:
    """The cursor of a new webhook: events after this one are sent to it."""
    await tx.run(START, webhook_id, seq)


async def start_once(tx: Tx, webhook_id: str) -> None:
    """Start the cursor of a webhook at the end of the log, unless it has one."""
    if await tx.one(EXISTS, webhook_id) is None:
        await tx.run(START_ONCE, webhook_id, await newest(tx))


async def stop(tx: Tx, webhook_id: str) -> None:
    """Remove a cursor and what waits for another attempt."""
    if await tx.one(EXISTS, webhook_id) is not None:
        await tx.run(STOP, webhook_id)
        await tx.run(FORGET_LANES, webhook_id)


async def resume(tx: Tx, webhook_id: str) -> None:
    """Failures so far no longer count, and what waits for its next attempt is due at once."""
    await tx.run(RESUME, webhook_id)
    now = clock.now()
    await tx.run(RETRY_NOW, now, webhook_id, now)


async def move(tx: Tx, webhook_id: str, seq: int) -> None:
    """Go on after this event. Earlier ones that failed are not tried again."""
    await tx.run(MOVE, seq, webhook_id)
    await tx.run(FORGET_LANES, webhook_id)


async def scan(queries: Queries) -> list[WebhookLease]:
    """All webhooks."""
    return [WebhookLease._make(row) for row in await queries.all(SCAN)]


async def claim(tx: Tx, webhook_id: str, holder: str, by_force: bool) -> Cursor | None:
    """Become the holder, unless another one is, whose lease goes on; `by_force` takes it from them. None: another one
    is.

    Lanes that begin after the cursor are forgotten: their events are read again.
    """
    now = await marks.database_now(tx)
    until = _until(tx, now)
    row = await tx.one(CLAIM, holder, until, webhook_id, clock.LATEST + 1 if by_force else now, until + LEASE, holder)
    if row is None:
        return None
    seq, epoch, *breaker = row
    await tx.run(FORGET_LANES_AFTER, webhook_id, seq)
    lanes = [StoredLane._make(row) for row in await tx.all(LANES, webhook_id)]
    return Cursor(seq, epoch, BreakerState(*breaker), lanes)


def is_free(queries: Queries, lease: WebhookLease, holder: str, now: int) -> bool:
    """Test whether this holder can claim it. Ignores leases further in the future than we would grant: they come from
    the clock of another server, whose database this one is a copy of or has replaced."""
    return lease.holder in ("", holder) or not now <= lease.until <= _until(queries, now) + LEASE


async def keep(tx: Tx, webhook_id: str, holder: str, epoch: int, now: int, seq: int, breaker: BreakerState) -> bool:
    """Store how far it is, and renew the lease. False: it has been taken, or moved, and nothing may be stored."""
    return await tx.run(KEEP, seq, _until(tx, now), *breaker, webhook_id, holder, epoch) > 0


async def give_back(tx: Tx, webhook_id: str, holder: str) -> None:
    """Others can claim it at once. Not while a request is under way."""
    await tx.run(GIVE_BACK, webhook_id, holder)


async def store_lanes(tx: Tx, webhook_id: str, lanes: Sequence[StoredLane]) -> None:
    await tx.many(STORE_LANE, [(webhook_id, *lane) for lane in lanes])


async def remove_lanes(tx: Tx, webhook_id: str, lanes: Sequence[str]) -> None:
    await tx.many(REMOVE_LANE, [(webhook_id, lane) for lane in lanes])


async def count_senders(queries: Queries) -> int:
    """Return how many processes send to webhooks at the moment, so that each takes its share. On SQLite, one sends
    everything; on PostgreSQL, each of them has a lease."""
    if not dialect(queries).is_shared:
        return 1
    return await scalar(queries, COUNT_SENDERS)


async def announce_sender(tx: Tx, holder: str) -> None:
    """Say that a sender is there; repeated before SENDER_SECONDS have passed."""
    await tx.run(FORGET_SENDERS)
    await marks.take_lease(tx, SENDERS + holder, holder, SENDER_SECONDS)


async def remove_sender(tx: Tx, holder: str) -> None:
    """Remove a process that sends no more."""
    await marks.give_back_leases(tx, holder)


def _until(queries: Queries, now: int) -> int:
    # On SQLite, one process of one server sends everything: its successor takes the lease by force.
    return now + LEASE if dialect(queries).is_shared else clock.LATEST
