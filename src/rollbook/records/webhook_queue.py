"""Counts of events that webhooks have not delivered yet, all together: for the metrics."""

from __future__ import annotations

from typing import NamedTuple

from rollbook import clock
from rollbook.records import webhook_cursors
from rollbook.storage.database import Queries

MAX_FAILING = 10_000
"""Failing events that are counted."""

STATUSES = """
    SELECT CAST(coalesce(sum(CASE WHEN status = 'enabled' THEN 1 ELSE 0 END), 0) AS bigint),
           CAST(coalesce(sum(CASE WHEN status = 'disabled' THEN 1 ELSE 0 END), 0) AS bigint)
    FROM webhooks AS w"""
BEHIND = """
    SELECT CAST(coalesce(sum(? - c.seq), 0) AS bigint), min(c.seq)
    FROM webhook_cursors AS c JOIN webhooks AS w ON w.id = c.webhook_id WHERE w.status = 'enabled' AND c.seq < ?"""
FAILING = f"SELECT count(*), min(failed_at) FROM (SELECT failed_at FROM webhook_lanes LIMIT {MAX_FAILING}) AS few"
WRITTEN = "SELECT created_at FROM events WHERE seq > ? ORDER BY seq LIMIT 1"


class Queue(NamedTuple):
    enabled: int
    """Webhooks."""
    disabled: int
    waiting: int
    """Events of the log that enabled webhooks have not gone through, those they did not ask for among them."""
    failing: int
    """Events, or users with an event, that failed and are tried again."""
    oldest: int
    """Seconds since the oldest of both was recorded or failed first; 0: there is none."""


async def read(queries: Queries) -> Queue:
    newest = await webhook_cursors.newest(queries)
    enabled, disabled = (await queries.all(STATUSES))[0]
    waiting, place = (await queries.all(BEHIND, newest, newest))[0]
    failing, failed_at = (await queries.all(FAILING))[0]
    written = None if place is None else await queries.one(WRITTEN, place)
    since = [at for at in (failed_at, None if written is None else written[0]) if at is not None]
    return Queue(enabled, disabled, waiting, failing, max(0, clock.now() - min(since)) // clock.SECOND if since else 0)
