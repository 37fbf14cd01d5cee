"""All jobs on one page: what runs beside the requests, how often, and in which process. Each has a loop, so that a slow
one delays no other, and a lease if only one of several servers should run it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from rollbook import clock, ids
from rollbook.actions import app_sessions, bulk_jobs, deferred_events, stored_settings, token_requests
from rollbook.actions import keys as key_actions
from rollbook.actions import users as user_actions
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import SYSTEM
from rollbook.actions.resealing import Resealing
from rollbook.actions.rule_runs import RuleRuns
from rollbook.api.call import Services
from rollbook.api.idempotency import renew_claims
from rollbook.errors import ApiError
from rollbook.gate import Gate
from rollbook.jobs import backups, import_starter, retention
from rollbook.jobs.backups import Backups
from rollbook.jobs.import_starter import ImportStarter
from rollbook.jobs.sign_outs import SignOuts
from rollbook.observe.usage_buffer import UsageBuffer
from rollbook.records import keys, marks, sessions, usage, users
from rollbook.records.bulk_jobs import CHANNEL
from rollbook.records.dialect import dialect
from rollbook.records.one_time_tokens import CHANNEL as CHANNEL_TOKEN_REQUESTS
from rollbook.storage.database import Database
from rollbook.web.site import Site

BUSY_PAUSE = 0.02
"""Seconds until the next step of a job that has more to do."""

Step = Callable[[], Awaitable[bool]]


class Job(NamedTuple):
    name: str
    pause: float
    """Seconds between two steps."""
    step: Step
    """Does a bounded piece of work. Returns whether there is more."""
    leased: bool = False
    """True if one of several servers runs it for all."""
    woken: asyncio.Event | None = None
    """Set when there is something to do before the pause is over."""


class Jobs:
    """`start` needs an event loop. `last` is done once more when the jobs stop: what a worker holds in memory is
    stored."""

    def __init__(self, db: Database, jobs: Sequence[Job], last: Sequence[Callable[[], Awaitable[object]]] = ()) -> None:
        self.jobs = tuple(jobs)
        self._last = last
        self._db = db
        self._holder = ids.new("srv")
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.ensure_future(self._run(job)) for job in self.jobs]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for step in self._last:
            try:
                await step()
            except Exception as problem:
                logger.warning("what was noted last could not be stored: %s", problem)
        if dialect(self._db).is_shared:
            with suppress(Exception):  # the leases expire soon
                await self._db.write(marks.give_back_leases, self._holder)

    async def _run(self, job: Job) -> None:
        """A failed step is logged and retried: one bad row or a full disk must not end a loop."""
        lease = (
            Lease(self._db, job.name, self._holder, job.pause) if job.leased and dialect(self._db).is_shared else None
        )
        while True:
            more = False
            try:
                more = (lease is None or await lease.is_held()) and await job.step()
            except ApiError as problem:  # the database is unavailable or busy
                logger.warning("%s: %s", job.name, problem.message)
            except Exception as problem:
                logger.warning("%s: %s", job.name, problem, exc_info=not isinstance(problem, OSError))
            await _pause(BUSY_PAUSE if more else job.pause, job.woken)


async def _pause(seconds: float, woken: asyncio.Event | None) -> None:
    if woken is None:
        await asyncio.sleep(seconds)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()
    woken.clear()


class Lease:
    """A job's lease, as this server knows it. It outlasts the job's pause, so that one server keeps the job for as long
    as it lives.

    A step that takes longer than that may overlap with one of another server: steps are written so that this does no
    harm.
    """

    def __init__(self, db: Database, name: str, holder: str, pause: float) -> None:
        self._db = db
        self._name = name
        self._holder = holder
        self._seconds = pause + marks.LEASE_SECONDS
        self._asked_at = 0.0
        self._held = False

    async def is_held(self) -> bool:
        """Takes or renews it, unless it was asked for a moment ago."""
        now = time.monotonic()
        if not self._asked_at or now - self._asked_at > self._seconds / 3:
            self._held = await self._db.write(marks.take_lease, self._name, self._holder, self._seconds)
            self._asked_at = now
        return self._held


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

USERS_AT_ONCE = 500
"""Uses of keys and sessions whose users are written at a time, so that other writes wait for few."""
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
    store_last_seen = LastSeen(on, gate, site).step
    store_deferred_events = partial(deferred_events.store, on)
    making = TokenRequests(on)
    schedule = [
        Job("settings of the dashboard", 1.0, partial(stored_settings.refresh, on)),
        Job("key and session uses", 5.0, store_last_seen),
        Job("usage and request log", UsageFlush.PAUSE, flush.step),
        Job("gauges", 1.0, gauge),
        Job("failed sign-ins and exceeded limits", 1.0, store_deferred_events),
        Job("running requests", 1.0, partial(renew_claims, on)),
        Job("requested tokens", TOKEN_REQUESTS_PAUSE, making.step, woken=making.woken),
    ]
    last = [store_last_seen, store_deferred_events, flush.flush]
    if first:
        schedule += [Job(name, pause, partial(step, on.db), leased=True) for name, pause, step in dialect(on.db).upkeep]
        schedule += [Job(name, pause, partial(step, on), leased=True) for name, pause, step in retention.JOBS]
        schedule.append(Job("users whose end has come", 1.0, partial(user_actions.suspend_due, on), leased=True))
        schedule.append(Job("keys that expire", 60.0, partial(key_actions.give_notice, on), leased=True))
        schedule.append(Job("signing keys", 60.0, partial(app_sessions.rotate, on), leased=True))
        schedule.append(Job("sign-outs of applications", 1.0, SignOuts(on).step, leased=True))
        schedule.append(Job("secrets sealed again", 60.0, Resealing(on).step, leased=True))
        changing = BulkJobs(on)
        schedule.append(Job("bulk jobs", BULK_JOBS_PAUSE, changing.step, leased=True, woken=changing.woken))
        schedule.append(Job("rules", 1.0, RuleRuns(on).step, leased=True))
        running = ImportStarter(on)
        schedule.append(Job("imports", import_starter.PAUSE, running.step, woken=running.woken))
        last.append(running.stop)
        if not dialect(on.db).is_shared:
            copying = Backups(on.settings)
            schedule.append(Job("backups", backups.PAUSE, copying.step))
            last.append(copying.stop)
    return Jobs(on.db, schedule, last=last)


class LastSeen:
    """Stores when keys and sessions were used last, and by both when users were active, each of them once a minute."""

    def __init__(self, on: Rollbook, gate: Gate, site: Site) -> None:
        self._on = on
        self._gate = gate
        self._site = site
        self._minute = 0
        self._stored: set[str] = set()
        """IDs of keys, sessions and users whose use in this minute is stored."""

    async def step(self) -> bool:
        db, active = self._on.db, self._on.active
        uses, seen = self._gate.take_uses(), self._site.take_seen()
        noted = {**active, **dict(uses), **dict(seen)}
        active.clear()
        try:
            if uses:
                await db.write(keys.used, uses)
            if seen:
                await db.write(sessions.seen, seen)
            await self._store_activity({id: at - at % clock.MINUTE for id, at in noted.items()})
        except Exception:
            active.update({**noted, **active})  # for the next step
            raise
        return False

    async def _store_activity(self, minutes: dict[str, int]) -> None:
        if (newest := max(minutes.values(), default=0)) > self._minute:
            self._minute, self._stored = newest, set()
        new = [id for id, at in minutes.items() if at < self._minute or id not in self._stored]
        for start in range(0, len(new), USERS_AT_ONCE):
            some = new[start : start + USERS_AT_ONCE]
            times: dict[str, int] = {}
            for id, user_id in (await self._on.db.read(users.of_uses, some)).items():
                times[user_id] = max(minutes[id], times.get(user_id, 0))
            await self._on.db.write(users.active, times)
            self._stored.update(some)
