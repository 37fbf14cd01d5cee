"""All jobs on one page: what runs beside the requests, how often, and in which process.

Does bulk jobs, some parts at a time: those of different creators in turn.

Turns requests for one-time tokens into tokens, a moment after they were answered: in the process that answered, or,
if that died, in any other.

Flushes usage and request log: each worker those of the requests that it answered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from rollbook.actions import app_sessions, bulk_jobs, deferred_events, token_requests
from rollbook.actions import keys as key_actions
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import SYSTEM
from rollbook.actions.resealing import Resealing
from rollbook.api.call import Services
from rollbook.api.idempotency import renew_claims
from rollbook.errors import ApiError
from rollbook.gate import Gate
from rollbook.jobs import backups, import_starter, retention
from rollbook.jobs.backups import Backups
from rollbook.jobs.import_starter import ImportStarter
from rollbook.jobs.loop import Job, Jobs, Step
from rollbook.observe.usage_buffer import UsageBuffer
from rollbook.records import keys, sessions, usage
from rollbook.records.bulk_jobs import CHANNEL
from rollbook.records.dialect import dialect
from rollbook.records.token_requests import CHANNEL as CHANNEL_TOKEN_REQUESTS
from rollbook.storage.database import Database
from rollbook.web.site import Site

# Buckets per commit, and how much is prepared per turn of the event loop, in lines (a bucket costs as much as 8): less
# than 0.2 ms.
BATCH, HANDFUL, BUCKET = 512, 512, 8


class UsageFlush:
    PAUSE = 1.5
    """Seconds between flushes: pages lag at most 2 s."""
    # At most 1/8 of the time is spent flushing; after a failure, 3 pauses pass.
    _SHARE, _RETRY = 8, 3

    def __init__(self, db: Database, buffer: UsageBuffer, complete: Callable[[], None]) -> None:
        """`complete` puts into the buffer what was noted and is not in it yet."""
        self._db = db
        self._buffer = buffer
        self._complete = complete
        self._rest = 0  # pauses to skip before the next flush

    async def step(self) -> bool:
        """`flush`, unless that takes too much of the time."""
        if self._rest:
            self._rest -= 1
            return False
        began = time.monotonic()
        try:
            await self.flush()
        except Exception:
            self._rest = self._RETRY
            raise
        self._rest = int((time.monotonic() - began) * self._SHARE / self.PAUSE)
        return False

    async def flush(self) -> None:
        """Store usage and request log. If that fails, the counts are kept for the next attempt; the log lines are
        lost."""
        buffer = self._buffer
        self._complete()
        buffer.flush()
        while buckets := buffer.peek(BATCH):
            batch, done = usage.UsageBatch(), 0
            for bucket in buckets:
                batch.add(bucket)
                done += BUCKET + len(bucket.lines)
                if done >= HANDFUL:
                    await asyncio.sleep(0)
                    done = 0
            buffer.ack(len(buckets))  # from here on the writer owns them, even if we are stopped
            try:
                await self._db.write(usage.add, batch)
            except Exception:
                lost = buffer.requeue(buckets)
                while buckets := buffer.peek(BATCH):
                    buffer.ack(len(buckets))
                    lost += buffer.requeue(buckets)
                logger.warning("%d lines of the request log are lost", lost)
                raise
        if buffer.lost:
            logger.warning(
                "%d requests are missing in the usage of their keys: too many were waiting to be stored", buffer.lost
            )
            buffer.lost = 0


TOKEN_REQUESTS_PAUSE = 5.0
"""Seconds until it looks for requests that another process has left."""
GATHER = 0.02
"""Seconds from a request to its token, so that the response is on its way: nothing of what is done for a user who
exists delays it."""


class TokenRequests:
    def __init__(self, on: Rollbook) -> None:
        self._on = on
        self.woken = asyncio.Event()
        on.db.listen(CHANNEL_TOKEN_REQUESTS, self.woken.set)

    async def step(self) -> bool:
        """Returns whether there is more."""
        await asyncio.sleep(GATHER)
        return await token_requests.work_off(self._on)


logger = logging.getLogger("rollbook")

BULK_JOBS_PAUSE = 1.0
TURN = 0.05
"""Seconds after which a job leaves its turn to that of another creator, and the database to others."""
MAX_FAILURES = 3
"""The number of times in a row that a part of a job may fail for a reason that no one has thought of."""


class BulkJobs:
    def __init__(self, on: Rollbook) -> None:
        self._on = on
        self._last = ""
        """ID of the job whose turn it was."""
        self._failures: dict[str, int] = {}
        self.woken = asyncio.Event()
        on.db.listen(CHANNEL, self.woken.set)

    async def step(self) -> bool:
        """Returns whether there is more."""
        jobs = await bulk_jobs.under_way(self._on)
        if not jobs:
            return False
        self._last = next((id for id in jobs if id > self._last), jobs[0])
        try:
            until = time.monotonic() + TURN
            while await bulk_jobs.run_part(self._on, self._last) and time.monotonic() < until:
                pass
        except ApiError:
            raise  # the database is unavailable or busy
        except Exception:
            await self._failed(self._last)
            raise
        self._failures.pop(self._last, None)
        return True

    async def _failed(self, id: str) -> None:
        self._failures = {id: self._failures.get(id, 0) + 1}
        if self._failures[id] == MAX_FAILURES:
            error = ApiError("An unexpected error occurred on the server. See its log.")
            await bulk_jobs.fail(self._on, SYSTEM.actor, id, error)


def jobs(on: Services, gate: Gate, site: Site, flush: UsageFlush, gauge: Step, first: bool) -> Jobs:
    """Jobs of a worker. Jobs that concern all workers run in the first one and, of several servers on one database, in
    one of them."""
    store_last_seen = partial(_store_last_seen, on.db, gate, site)
    store_deferred_events = partial(deferred_events.store, on)
    making = TokenRequests(on)
    found = [
        Job("key and session uses", 5.0, store_last_seen),
        Job("usage and request log", UsageFlush.PAUSE, flush.step),
        Job("gauges", 1.0, gauge),
        Job("failed sign-ins and exceeded limits", 1.0, store_deferred_events),
        Job("running requests", 1.0, partial(renew_claims, on)),
        Job("requested tokens", TOKEN_REQUESTS_PAUSE, making.step, woken=making.woken),
    ]
    last = [store_last_seen, store_deferred_events, flush.flush]
    if first:
        found += [Job(name, pause, partial(step, on.db), leased=True) for name, pause, step in dialect(on.db).upkeep]
        found += [Job(name, pause, partial(step, on), leased=True) for name, pause, step in retention.JOBS]
        found.append(Job("keys that expire", 60.0, partial(key_actions.give_notice, on), leased=True))
        found.append(Job("signing keys", 60.0, partial(app_sessions.rotate, on), leased=True))
        found.append(Job("secrets sealed again", 60.0, Resealing(on).step, leased=True))
        changing = BulkJobs(on)
        found.append(Job("bulk jobs", BULK_JOBS_PAUSE, changing.step, leased=True, woken=changing.woken))
        running = ImportStarter(on)
        found.append(Job("imports", import_starter.PAUSE, running.step))
        last.append(running.stop)
        if not dialect(on.db).is_shared:
            copying = Backups(on.settings)
            found.append(Job("backups", backups.PAUSE, copying.step))
            last.append(copying.stop)
    return Jobs(on.db, found, last=last)


async def _store_last_seen(db: Database, gate: Gate, site: Site) -> bool:
    if uses := gate.take_uses():
        await db.write(keys.used, uses)
    if seen := site.take_seen():
        await db.write(sessions.seen, seen)
    return False
