"""Runs jobs: a loop for each, so that a slow one delays no other, and a lease for each that only one of several servers
should run."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from rollbook import ids
from rollbook.errors import ApiError
from rollbook.records import leases
from rollbook.records.dialect import dialect
from rollbook.storage.database import Database

logger = logging.getLogger("rollbook")

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
                await self._db.write(leases.give_back, self._holder)

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
        self._seconds = pause + leases.SECONDS
        self._asked_at = 0.0
        self._held = False

    async def is_held(self) -> bool:
        """Takes or renews it, unless it was asked for a moment ago."""
        now = time.monotonic()
        if not self._asked_at or now - self._asked_at > self._seconds / 3:
            self._held = await self._db.write(leases.take, self._name, self._holder, self._seconds)
            self._asked_at = now
        return self._held
