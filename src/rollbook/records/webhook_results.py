"""Results of the events that a holder has sent, stored in one transaction: deliveries, lanes, cursor, counts and lease
together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rollbook.records import (
    database_clock,
    webhook_cursors,
    webhook_deliveries,
    webhook_hours,
    webhook_inbox,
    webhook_lanes,
    webhook_replays,
)
from rollbook.records.webhook_cursors import Health
from rollbook.records.webhook_deliveries import Delivery
from rollbook.records.webhook_inbox import Message
from rollbook.records.webhook_lanes import Lane
from rollbook.records.webhook_replays import Progress
from rollbook.storage.database import Tx


class Hour(NamedTuple):
    hour: int
    """Since 1970."""
    delivered: int
    failed: int
    duration: int


class Results(NamedTuple):
    """Of one webhook, since its last ones were stored."""

    webhook_id: str
    epoch: int
    seq: int
    health: Health
    lanes: Sequence[Lane]
    """Lanes that are new or have changed."""
    delivered_lanes: Sequence[str]
    """Of which nothing waits anymore."""
    deliveries: Sequence[Delivery]
    hours: Sequence[Hour]
    messages: Sequence[Message]
    replays: Sequence[Progress]


class Stored(NamedTuple):
    now: int
    """By the database's clock."""
    lost: frozenset[str]
    """Webhooks that someone else holds by now, or has moved: of these, only the deliveries are stored, which took place
    all the same."""


async def store(tx: Tx, holder: str, results: Sequence[Results]) -> Stored:
    now = await database_clock.read(tx)
    lost = []
    for each in results:
        id = each.webhook_id
        if not await webhook_cursors.keep(tx, id, holder, each.epoch, now, each.seq, each.health):
            lost.append(id)
            continue
        await webhook_lanes.remove(tx, id, each.delivered_lanes)
        await webhook_lanes.store(tx, id, each.lanes)
        await webhook_replays.advance(tx, each.replays)
        await webhook_inbox.add(tx, each.messages)
        for hour in each.hours:
            await webhook_hours.add(tx, id, *hour)
    await webhook_deliveries.add(tx, [delivery for each in results for delivery in each.deliveries])
    return Stored(now, frozenset(lost))
