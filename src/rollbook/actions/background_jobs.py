"""Rules of all background jobs: how many may wait, who may cancel one, and how long they are kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from rollbook import clock
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import may_touch_of
from rollbook.actions.principal import Principal
from rollbook.errors import ApiError
from rollbook.records.background_jobs import J, JobTable
from rollbook.storage.database import Queries, Tx

MAX_OF_USER, MAX_OF_SERVER = 10, 100
"""Jobs of a kind that may wait or run, those that are being sent included."""
RETENTION = 30 * clock.DAY
LOST = clock.HOUR
"""Time after which a job has been given up that waits for its file or its users."""


async def check_limits(
    queries: Queries, table: JobTable[J], user_id: str, too_many: type[ApiError], sending: Collection[str] = ()
) -> list[J]:
    """Return the unfinished jobs of a kind. `sending` are the users who are sending further ones. Raises `too_many`."""
    unfinished = await table.unfinished(queries)
    owners = [*(job.user_id for job in unfinished if getattr(job, "rule_id", None) is None), *sending]
    if owners.count(user_id) >= MAX_OF_USER or len(owners) >= MAX_OF_SERVER:
        raise too_many()
    return unfinished


async def cancel(tx: Tx, by: Principal, table: JobTable[J], finish: Callable[..., Awaitable[J | None]], job: J) -> J:
    """Cancel a job, if it has not ended. Raises Forbidden for that of someone whom the caller may not change."""
    await may_touch_of(tx, by, job.user_id)
    return await finish(tx, by.actor, job.id, "canceled") or await table.get(tx, job.id)


async def expire(on: Rollbook, table: JobTable[J], remove: Callable[..., Awaitable[bool]], at_once: int) -> bool:
    """Delete jobs of a kind after 30 days, and the oldest where there are too many. Returns whether there was one."""
    now = clock.now()
    id = await on.read(table.expired, now - RETENTION, now - LOST)
    if id is not None:
        await on.db.write(remove, id, at_once)
    return id is not None
