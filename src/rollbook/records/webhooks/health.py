"""Health of webhooks: deliveries by hour, what waits to be delivered, and events that were missed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rollbook import clock
from rollbook.records import event_types, events, webhooks
from rollbook.records.events import Actor
from rollbook.records.presenting import Hidden, Time, presenter
from rollbook.records.webhooks import Webhook, cursors
from rollbook.storage.database import Queries, Row, Tx, scalar

HOURS = 24
MAX_FAILING = 10_000
"""Failing events that are counted."""
REPORT_PAUSE = clock.DAY
"""Between two events that report missed ones, for as long as it goes on."""

LOOKED_AT = 50
"""The newest attempts, of a webhook with failures, from which its page says since when it fails as it does."""

OF_ONE = """
    SELECT (SELECT CAST(coalesce(sum(delivered), 0) AS bigint) FROM webhook_hours AS h
      WHERE h.webhook_id = c.webhook_id AND hour > ?),
           (SELECT CAST(coalesce(sum(failed), 0) AS bigint) FROM webhook_hours AS h
             WHERE h.webhook_id = c.webhook_id AND hour > ?),
           d.outcome, d.created_at,
           (SELECT count(*) FROM webhook_lanes AS l WHERE l.webhook_id = c.webhook_id),
           (SELECT min(next_at) FROM webhook_lanes AS l WHERE l.webhook_id = c.webhook_id),
           c.seq, c.open_until, c.failing_since
    FROM webhook_cursors AS c LEFT JOIN webhook_deliveries AS d ON d.webhook_id = c.webhook_id AND d.id = (
        SELECT max(id) FROM webhook_deliveries AS n WHERE n.webhook_id = c.webhook_id)
    WHERE c.webhook_id = ?"""
# What was given up is noted after its last attempt, which says why.
LATEST = """
    SELECT id, outcome, created_at, trigger FROM webhook_deliveries
    WHERE webhook_id = ? AND outcome != 'exhausted' ORDER BY id DESC LIMIT ?"""
ANSWER = "SELECT response, response_type FROM webhook_deliveries WHERE webhook_id = ? AND id = ?"

STATUSES = """
    SELECT CAST(coalesce(sum(CASE WHEN status = 'enabled' THEN 1 ELSE 0 END), 0) AS bigint),
           CAST(coalesce(sum(CASE WHEN status = 'disabled' THEN 1 ELSE 0 END), 0) AS bigint)
    FROM webhooks AS w"""
WAITING = """
    SELECT CAST(coalesce(sum(? - c.seq), 0) AS bigint), min(c.seq)
    FROM webhook_cursors AS c JOIN webhooks AS w ON w.id = c.webhook_id WHERE w.status = 'enabled' AND c.seq < ?"""
FAILING = f"""
    SELECT count(*), min(failed_at) FROM (
        SELECT failed_at FROM webhook_lanes WHERE webhook_id != '{webhooks.MAIL_ID}' LIMIT {MAX_FAILING}) AS few"""
RECORDED_AFTER = "SELECT created_at FROM events WHERE seq > ? ORDER BY seq LIMIT 1"

COUNT_FAILING = """
    SELECT count(*) FROM webhooks AS w JOIN webhook_cursors AS c ON c.webhook_id = w.id
    WHERE w.status = 'disabled' OR w.status = 'enabled' AND c.failing_since IS NOT NULL"""

ADD_HOUR = """
    INSERT INTO webhook_hours (webhook_id, hour, delivered, failed, duration) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (webhook_id, hour) DO UPDATE SET
        delivered = webhook_hours.delivered + excluded.delivered, failed = webhook_hours.failed + excluded.failed,
        duration = webhook_hours.duration + excluded.duration"""
HOURS_SINCE = "SELECT hour, delivered, failed FROM webhook_hours WHERE webhook_id = ? AND hour >= ? ORDER BY hour"
EXPIRE_HOURS = "DELETE FROM webhook_hours WHERE webhook_id = ? AND hour < ?"

# Mail is about what has just happened: what is past its retention is not missed.
CURSORS_BEHIND = f"""
    SELECT webhook_id, seq FROM webhook_cursors WHERE seq < ? AND webhook_id != '{webhooks.MAIL_ID}'
    ORDER BY webhook_id"""
LANES_BEHIND = f"""
    SELECT l.webhook_id, l.lane, l.seq, c.seq FROM webhook_lanes AS l
      JOIN webhook_cursors AS c ON c.webhook_id = l.webhook_id
    WHERE l.seq <= ? AND l.seq <= c.seq AND l.webhook_id != '{webhooks.MAIL_ID}' ORDER BY l.webhook_id, l.lane"""
BY_TYPE = "SELECT type, count(*) FROM events WHERE seq > ? AND seq <= ? GROUP BY type"
OF_LANE = "SELECT type, count(*) FROM events WHERE user_id = ? AND seq >= ? AND seq <= ? GROUP BY type"
ADD_MISSED = "UPDATE webhook_cursors SET missed = missed + ? WHERE webhook_id = ?"
UNREPORTED = "SELECT webhook_id, missed FROM webhook_cursors WHERE missed > 0 AND told_at <= ? ORDER BY webhook_id"
REPORTED = "UPDATE webhook_cursors SET missed = missed - ?, told_at = ? WHERE webhook_id = ?"


class Attempt(NamedTuple):
    id: str
    outcome: str
    at: int
    trigger: str


class WebhookHealth(NamedTuple):
    """Health of one webhook."""

    delivered: int
    """Successful attempts of the last 24 hours."""
    failed: int
    last_outcome: str | None
    waiting: int
    """Events of the log that it has not gone through, those it did not ask for among them, and those that failed and
    are tried again."""
    next_attempt_at: Time | None
    failing_since: Time | None = None
    """The first failure after the last event that was delivered."""
    last_at: Hidden[int | None] = None
    failing: Hidden[int] = 0
    """Events, or users with an event, that failed and are tried again."""
    latest: Hidden[tuple[Attempt, ...]] = ()
    """The newest attempts, newest first, where something has failed."""
    answer: Hidden[str | None] = None
    """Answer to the last of them that failed: a stranger's text."""
    answer_type: Hidden[str | None] = None


public = presenter(WebhookHealth)


class Backlog(NamedTuple):
    """Events that webhooks have not delivered yet, all together."""

    enabled: int
    """Webhooks."""
    disabled: int
    waiting: int
    """Events of the log that enabled webhooks have not gone through, those they did not ask for among them."""
    failing: int
    """Events, or users with an event, that failed and are tried again."""
    oldest: int
    """Seconds since the oldest of both was recorded or failed first; 0: there is none."""


class DeliveryHour(NamedTuple):
    """Attempts of one webhook in one hour."""

    hour: int
    """Since 1970."""
    delivered: int
    failed: int
    duration: int
    """Duration of all of them together, in microseconds."""


async def of(queries: Queries, webhook_ids: Sequence[str]) -> list[WebhookHealth]:
    """Return the health of each of these webhooks."""
    since = clock.now() // clock.HOUR - HOURS
    newest = await cursors.newest(queries)
    healths: list[WebhookHealth] = []
    for id in webhook_ids:
        row = await queries.one(OF_ONE, since, since, id)
        if row is None:  # it was deleted a moment ago
            healths.append(WebhookHealth(0, 0, None, 0, None))
            continue
        delivered, failed, last, last_at, lanes, next_at, seq, open_until, failing_since = row
        due = [at for at in (next_at, open_until) if at is not None]
        waiting = max(0, newest - seq) + lanes
        seen = WebhookHealth(
            delivered, failed, last, waiting, max(due) if due else None, failing_since, last_at, failing=lanes
        )
        has_failed = lanes or failing_since is not None or last not in (None, "delivered")
        healths.append(await _with_failure(queries, id, seen) if has_failed else seen)
    return healths


async def _with_failure(queries: Queries, id: str, seen: WebhookHealth) -> WebhookHealth:
    latest = tuple([Attempt._make(row) for row in await queries.all(LATEST, id, LOOKED_AT)])
    failed = next((delivery for delivery in latest if delivery.outcome != "delivered"), None)
    answer = None if failed is None else await queries.one(ANSWER, id, failed.id)
    response, type = answer or (None, None)
    return seen._replace(latest=latest, answer=response, answer_type=type)


async def backlog(queries: Queries) -> Backlog:
    newest = await cursors.newest(queries)
    enabled, disabled = (await queries.all(STATUSES))[0]
    waiting, last_seq = (await queries.all(WAITING, newest, newest))[0]
    failing, failed_at = (await queries.all(FAILING))[0]
    recorded = None if last_seq is None else await queries.one(RECORDED_AFTER, last_seq)
    since = [at for at in (failed_at, None if recorded is None else recorded[0]) if at is not None]
    oldest = max(0, clock.now() - min(since)) // clock.SECOND if since else 0
    return Backlog(enabled, disabled, waiting, failing, oldest)


async def count_failing(queries: Queries) -> int:
    """Webhooks that fail now, or were disabled since they did."""
    return await scalar(queries, COUNT_FAILING)


async def add_hour(tx: Tx, webhook_id: str, hour: DeliveryHour) -> None:
    await tx.run(ADD_HOUR, webhook_id, *hour)


async def hours_since(queries: Queries, webhook_id: str, hour: int) -> list[Row]:
    """Hour since 1970, delivered and failed."""
    return await queries.all(HOURS_SINCE, webhook_id, hour)


async def expire_hours(tx: Tx, webhook_id: str, hour: int) -> None:
    """Drop what is from before this hour."""
    await tx.run(EXPIRE_HOURS, webhook_id, hour)


async def count_missed(tx: Tx, last: int) -> None:
    """Count the events that some webhook has not been sent, before those up to `last` are dropped from the log."""
    by_id: dict[str, Webhook] = {}
    for id, seq in await tx.all(CURSORS_BEHIND, last):
        webhook = by_id[id] = await webhooks.get(tx, id)
        await _add_missed(tx, webhook, await tx.all(BY_TYPE, seq, last))
    for id, lane, first, cursor in await tx.all(LANES_BEHIND, last):
        webhook = by_id.get(id) or await webhooks.get(tx, id)
        by_id[id] = webhook
        is_user = webhook.ordering == "user"
        await _add_missed(
            tx, webhook, await tx.all(OF_LANE, lane, first, min(last, cursor)) if is_user else [(None, 1)]
        )


async def _add_missed(tx: Tx, webhook: Webhook, counts: Sequence[Row]) -> None:
    types = event_types.selected(webhook.types.split())
    missed = sum(count for type, count in counts if type is None or types is None or type in types)
    if missed:
        await tx.run(ADD_MISSED, missed, webhook.id)


async def has_unreported(queries: Queries) -> bool:
    """Test whether some webhook has missed events that `report_missed` would report."""
    return await queries.one(UNREPORTED, clock.now() - REPORT_PAUSE) is not None


async def report_missed(tx: Tx, by: Actor) -> None:
    """Record an event for each webhook that has missed some, at most once a day."""
    now = clock.now()
    for id, missed in await tx.all(UNREPORTED, now - REPORT_PAUSE):
        webhook = await webhooks.get(tx, id)
        await tx.run(REPORTED, missed, now, id)
        await events.record(
            tx, "webhook.events_missed", webhook.user_id, by, {**webhooks.in_events(webhook), "missed": missed}
        )
