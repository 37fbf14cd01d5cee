"""Cursors of webhooks in the event log, and the lease of the server that sends: until when by the database's clock.

`epoch` rises with each holder, and with each change of the cursor by someone else. A holder writes only while the epoch
is its own, so that one that was taken for dead can change nothing when it wakes up.
"""

from __future__ import annotations

from typing import NamedTuple

from rollbook import clock
from rollbook.records import database_clock, webhook_lanes
from rollbook.records.dialect import dialect
from rollbook.storage.database import Queries, Tx, scalar

LEASE = 30 * clock.SECOND
"""How long a holder has the webhook to itself, unless it renews the lease."""

NEWEST = "SELECT coalesce(max(seq), 0) FROM events"
START = """
    INSERT INTO webhook_cursors (webhook_id, seq, holder, epoch, until, failures, failing_since, probes, open_until)
    VALUES (?, ?, '', 0, 0, 0, NULL, 0, NULL)"""
RESUME = """
    UPDATE webhook_cursors SET epoch = epoch + 1, failures = 0, failing_since = NULL, probes = 0, open_until = NULL
    WHERE webhook_id = ?"""
MOVE = "UPDATE webhook_cursors SET seq = ?, epoch = epoch + 1 WHERE webhook_id = ?"
SCAN = """
    SELECT w.id, w.version, w.status, c.holder, c.epoch, c.until
    FROM webhooks AS w JOIN webhook_cursors AS c ON c.webhook_id = w.id ORDER BY w.id"""
CLAIM = """
    UPDATE webhook_cursors SET holder = ?, epoch = epoch + 1, until = ?
    WHERE webhook_id = ? AND (until NOT BETWEEN ? AND ? OR holder IN (?, ''))
    RETURNING seq, epoch, failures, failing_since, probes, open_until"""
KEEP = """
    UPDATE webhook_cursors SET seq = ?, until = ?, failures = ?, failing_since = ?, probes = ?, open_until = ?
    WHERE webhook_id = ? AND holder = ? AND epoch = ?"""
GIVE_BACK = "UPDATE webhook_cursors SET holder = '', until = 0 WHERE webhook_id = ? AND holder = ?"


class Place(NamedTuple):
    """Position of a webhook, as those see it that might send to it."""

    webhook_id: str
    version: int
    status: str
    holder: str
    epoch: int
    until: int


class Health(NamedTuple):
    """Failures of the endpoint as a whole."""

    failures: int = 0
    """In a row."""
    failing_since: int | None = None
    """The first failure after the last success."""
    probes: int = 0
    """Failed ones, since the endpoint is left alone."""
    open_until: int | None = None
    """Nothing is sent until then, and then one event as a probe."""


class Cursor(NamedTuple):
    """A claimed one."""

    seq: int
    epoch: int
    health: Health
    lanes: list[webhook_lanes.Lane]


async def newest(queries: Queries) -> int:
    """The end of the log, which the caller has settled."""
    return await scalar(queries, NEWEST)


async def start(tx: Tx, webhook_id: str, seq: int) -> None:
    """The cursor of a new webhook: events after this one are sent to it."""
    await tx.run(START, webhook_id, seq)


async def resume(tx: Tx, webhook_id: str) -> None:
    """Failures so far no longer count, and what waits for its next attempt is due at once."""
    await tx.run(RESUME, webhook_id)
    await webhook_lanes.retry_now(tx, webhook_id)


async def move(tx: Tx, webhook_id: str, seq: int) -> None:
    """Go on after this event. Earlier ones that failed are not tried again."""
    await tx.run(MOVE, seq, webhook_id)
    await webhook_lanes.forget(tx, webhook_id)


async def scan(queries: Queries) -> list[Place]:
    """All webhooks."""
    return [Place._make(row) for row in await queries.all(SCAN)]


async def claim(tx: Tx, webhook_id: str, holder: str, by_force: bool) -> Cursor | None:
    """Become the holder, unless another one is, whose lease goes on; `by_force` takes it from them. None: another one
    is.

    Lanes that begin after the cursor are forgotten: their events are read again.
    """
    now = await database_clock.read(tx)
    until = _until(tx, now)
    row = await tx.one(CLAIM, holder, until, webhook_id, clock.LATEST + 1 if by_force else now, until + LEASE, holder)
    if row is None:
        return None
    seq, epoch, *health = row
    await webhook_lanes.forget_after(tx, webhook_id, seq)
    return Cursor(seq, epoch, Health(*health), await webhook_lanes.of(tx, webhook_id))


def is_free(queries: Queries, place: Place, holder: str, now: int) -> bool:
    """Test whether this holder can claim it. A lease that ends much later than one that begins now was given by another
    clock: that of the database which this one is a copy of, or took the place of."""
    return place.holder in ("", holder) or not now <= place.until <= _until(queries, now) + LEASE


async def keep(tx: Tx, webhook_id: str, holder: str, epoch: int, now: int, seq: int, health: Health) -> bool:
    """Store how far it is, and renew the lease. False: it has been taken, or moved, and nothing may be stored."""
    return await tx.run(KEEP, seq, _until(tx, now), *health, webhook_id, holder, epoch) > 0


async def give_back(tx: Tx, webhook_id: str, holder: str) -> None:
    """Others can claim it at once. Not while a request is under way."""
    await tx.run(GIVE_BACK, webhook_id, holder)


def _until(queries: Queries, now: int) -> int:
    # On SQLite, one process of one server sends everything: its successor takes the lease by force.
    return now + LEASE if dialect(queries).is_shared else clock.LATEST
