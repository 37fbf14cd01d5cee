"""How webhooks are doing: deliveries of the last 24 hours, what waits, and when the next attempt is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rollbook import clock
from rollbook.records import webhook_cursors
from rollbook.storage.database import Queries

HOURS = 24

OF_ONE = """
    SELECT (SELECT CAST(coalesce(sum(delivered), 0) AS bigint) FROM webhook_hours AS h
      WHERE h.webhook_id = c.webhook_id AND hour > ?),
           (SELECT CAST(coalesce(sum(failed), 0) AS bigint) FROM webhook_hours AS h
             WHERE h.webhook_id = c.webhook_id AND hour > ?),
           (SELECT outcome FROM webhook_deliveries AS d WHERE d.webhook_id = c.webhook_id ORDER BY d.id DESC LIMIT 1),
           (SELECT count(*) FROM webhook_lanes AS l WHERE l.webhook_id = c.webhook_id),
           (SELECT min(next_at) FROM webhook_lanes AS l WHERE l.webhook_id = c.webhook_id),
           c.seq, c.open_until
    FROM webhook_cursors AS c WHERE c.webhook_id = ?"""


class Health(NamedTuple):
    delivered: int
    """Successful attempts of the last 24 hours."""
    failed: int
    last_outcome: str | None
    waiting: int
    """Events of the log that it has not gone through, those it did not ask for among them, and those that failed and
    are tried again."""
    next_attempt_at: int | None


async def of(queries: Queries, webhook_ids: Sequence[str]) -> list[Health]:
    """Of each of these webhooks."""
    since = clock.now() // clock.HOUR - HOURS
    newest = await webhook_cursors.newest(queries)
    found: list[Health] = []
    for id in webhook_ids:
        row = await queries.one(OF_ONE, since, since, id)
        if row is None:  # it was deleted a moment ago
            found.append(Health(0, 0, None, 0, None))
            continue
        delivered, failed, last, lanes, next_at, seq, open_until = row
        due = [at for at in (next_at, open_until) if at is not None]
        found.append(Health(delivered, failed, last, max(0, newest - seq) + lanes, max(due) if due else None))
    return found
