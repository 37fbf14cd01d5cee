"""Results of the events that a holder has sent, stored in one transaction: deliveries, lanes, cursor, counts and lease
together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rollbook.records import leases, token_deliveries
from rollbook.records.token_deliveries import Settled
from rollbook.records.webhooks import cursors, deliveries, health, inbox, replays
from rollbook.records.webhooks.cursors import BreakerState, StoredLane
from rollbook.records.webhooks.deliveries import Delivery
from rollbook.records.webhooks.health import DeliveryHour
from rollbook.records.webhooks.inbox import Message
from rollbook.records.webhooks.replays import Progress
from rollbook.storage.database import Tx


class Results(NamedTuple):
    """Results of one webhook since its last ones were stored."""

    webhook_id: str
    epoch: int
    seq: int
    breaker: BreakerState
    lanes: Sequence[StoredLane]
    """Lanes that are new or have changed."""
    delivered_lanes: Sequence[str]
    """Of which nothing waits anymore."""
    deliveries: Sequence[Delivery]
    hours: Sequence[DeliveryHour]
    messages: Sequence[Message]
    tokens: Sequence[Settled]
    replays: Sequence[Progress]


class Stored(NamedTuple):
    now: int
    """By the database's clock."""
    lost: frozenset[str]
    """Webhooks that someone else holds by now, or has moved: of these, only the deliveries are stored, which took place
    all the same, and with them what became of tokens."""


async def store_results(tx: Tx, holder: str, results: Sequence[Results]) -> Stored:
    now = await leases.database_now(tx)
    lost = []
    for each in results:
        id = each.webhook_id
        await token_deliveries.settle(tx, id, each.tokens)
        if not await cursors.keep(tx, id, holder, each.epoch, now, each.seq, each.breaker):
            lost.append(id)
            continue
        await cursors.remove_lanes(tx, id, each.delivered_lanes)
        await cursors.store_lanes(tx, id, each.lanes)
        await replays.advance(tx, each.replays)
        await inbox.add(tx, each.messages)
        for hour in each.hours:
            await health.add_hour(tx, id, hour)
    await deliveries.add(tx, [delivery for each in results for delivery in each.deliveries])
    return Stored(now, frozenset(lost))
