"""Events that a webhook will not be sent, since they are past their retention: they are counted as the log is cut, and
told of."""

from __future__ import annotations

from collections.abc import Sequence

from rollbook import clock
from rollbook.records import event_types, events, webhooks
from rollbook.records.events import Actor
from rollbook.records.webhooks import Webhook
from rollbook.storage.database import Queries, Row, Tx

PAUSE = clock.DAY
"""Between two events that tell of it, for as long as it goes on."""

BEHIND = "SELECT webhook_id, seq FROM webhook_cursors WHERE seq < ? ORDER BY webhook_id"
LANES_BEHIND = """
    SELECT l.webhook_id, l.lane, l.seq, c.seq FROM webhook_lanes AS l
      JOIN webhook_cursors AS c ON c.webhook_id = l.webhook_id
    WHERE l.seq <= ? AND l.seq <= c.seq ORDER BY l.webhook_id, l.lane"""
BY_TYPE = "SELECT type, count(*) FROM events WHERE seq > ? AND seq <= ? GROUP BY type"
OF_LANE = "SELECT type, count(*) FROM events WHERE user_id = ? AND seq >= ? AND seq <= ? GROUP BY type"
ADD = "UPDATE webhook_cursors SET missed = missed + ? WHERE webhook_id = ?"
TO_TELL = "SELECT webhook_id, missed FROM webhook_cursors WHERE missed > 0 AND told_at <= ? ORDER BY webhook_id"
TOLD = "UPDATE webhook_cursors SET missed = missed - ?, told_at = ? WHERE webhook_id = ?"


async def note(tx: Tx, last: int) -> None:
    """Before events up to this one are dropped: count those that some webhook has not been sent."""
    found: dict[str, Webhook] = {}
    for id, seq in await tx.all(BEHIND, last):
        webhook = found[id] = await webhooks.get(tx, id)
        await _add(tx, webhook, await tx.all(BY_TYPE, seq, last))
    for id, lane, first, cursor in await tx.all(LANES_BEHIND, last):
        webhook = found.get(id) or await webhooks.get(tx, id)
        found[id] = webhook
        is_user = webhook.ordering == "user"
        await _add(tx, webhook, await tx.all(OF_LANE, lane, first, min(last, cursor)) if is_user else [(None, 1)])


async def _add(tx: Tx, webhook: Webhook, counts: Sequence[Row]) -> None:
    types = event_types.selected(webhook.types.split())
    missed = sum(count for type, count in counts if type is None or types is None or type in types)
    if missed:
        await tx.run(ADD, missed, webhook.id)


async def is_any(queries: Queries) -> bool:
    """Test whether there is something to tell."""
    return await queries.one(TO_TELL, clock.now() - PAUSE) is not None


async def tell(tx: Tx, by: Actor) -> None:
    """An event for each webhook that has missed some, at most once a day."""
    now = clock.now()
    for id, missed in await tx.all(TO_TELL, now - PAUSE):
        webhook = await webhooks.get(tx, id)
        await tx.run(TOLD, missed, now, id)
        await events.record(
            tx, "webhook.events_missed", webhook.user_id, by, {**webhooks.in_events(webhook), "missed": missed}
        )
