"""Background loops: each has a name, a pause and a step.

Every worker records the use of keys and requests it served. Everything else runs in the first worker only and, with several servers on one
PostgreSQL, only on the server that holds the lease.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from rollbook import clock, ids
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import SYSTEM
from rollbook.actions.users import expire
from rollbook.errors import ApiError
from rollbook.gate import Gate
from rollbook.observe.requests import Requests
from rollbook.records import events, keys, leases, password_links, replies, sessions, usage, users
from rollbook.records.dialect import dialect
from rollbook.web.site import Site

logger = logging.getLogger("rollbook")

BATCH = 256
LEAD = "background"
"""The lease for work that one server does for all."""
# If a step returns that there is more to do, the next one runs after this pause instead of the loop's own.
BUSY_PAUSE = 0.02
# Seconds between flushes of usage and request log: pages lag at most 2 s.
USAGE_PAUSE = 1.5
# Spend at most 1/8 of the time flushing; after a failure wait 3 pauses.
USAGE_SHARE, USAGE_RETRY = 8, 3
# Tallies per commit, and how much is prepared per turn of the event loop, in lines (a tally costs as much as 8): less than 0.2 ms.
USAGE_BATCH, USAGE_HANDFUL, USAGE_TALLY = 512, 512, 8
# Seconds after which no worker still buffers data of an erased user.
USAGE_LAG = 60

Step = Callable[[], Awaitable[bool]]


class Background:
    def __init__(self, on: Rollbook, gate: Gate, site: Site, requests: Requests, gauge: Step, first: bool) -> None:
        self._on = on
        self._settings = on.settings
        self._db = db = on.db
        self._gate = gate
        self._site = site
        self._requests = requests
        self._rest = 0  # pauses to skip before the next flush
        self._loops: list[tuple[str, float, Step]] = [
            ("note uses", 5.0, self.note_uses),
            ("write usage", USAGE_PAUSE, self.write_usage),
            ("gauges", 1.0, gauge),
        ]
        self._holder = ids.new("srv")
        self._leads_until = 0.0
        self._lead = asyncio.Event()
        self._is_shared = dialect(db).is_shared
        if first and self._is_shared:
            self._loops.append(("take the lead", leases.SECONDS / 3, self.take_lead))
        if first:
            self._loops += [(name, pause, self._led(partial(step, db))) for name, pause, step in dialect(db).upkeep]
            self._loops += [
                ("erase deleted users", 60.0, self._led(self.erase_deleted)),
                ("expire events", 60.0, self._led(self.expire_events)),
                ("expire replies", 60.0, self._led(self.expire_replies)),
                ("expire sessions", 60.0, self._led(self.expire_sessions)),
                ("expire usage", 60.0, self._led(self.expire_usage)),
                ("expire request log", 60.0, self._led(self.expire_request_log)),
                ("erase usage", 30.0, self._led(self.erase_usage)),
            ]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.ensure_future(self._run(*loop)) for loop in self._loops]

    async def stop(self) -> None:
        """Stop the loops and flush what they hold."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self.note_uses()
        except Exception as problem:
            logger.warning("the last uses of keys and sessions could not be noted: %s", problem)
        try:
            await self.flush_usage()
        except Exception as problem:
            logger.warning("the last requests could not be counted and logged: %s", problem)
        if self._leads_until:
            with suppress(Exception):  # the lease expires soon
                await self._db.write(leases.give_back, LEAD, self._holder)

    async def _run(self, name: str, pause: float, step: Step) -> None:
        """A failed step is logged and retried: one bad row or a full disk must not end a loop."""
        while True:
            try:
                more = await step()
            except ApiError as problem:  # the database is unavailable or busy
                logger.warning("%s: %s", name, problem.message)
                more = False
            except Exception as problem:
                logger.warning("%s: %s", name, problem, exc_info=not isinstance(problem, OSError))
                more = False
            await asyncio.sleep(BUSY_PAUSE if more else pause)

    def _led(self, step: Step) -> Step:
        """The step, run only while this server leads."""

        async def led() -> bool:
            while not self.leads:  # a lead that isn't renewed expires
                self._lead.clear()
                await self._lead.wait()
            return await step()

        return led

    async def take_lead(self) -> bool:
        """Become, or stay, the server that does the work only one needs to do."""
        began = time.monotonic()
        self._leads_until = began + leases.SECONDS if await self._db.write(leases.take, LEAD, self._holder) else 0.0
        if self.leads:
            self._lead.set()
        return False

    @property
    def leads(self) -> bool:
        return not self._is_shared or time.monotonic() < self._leads_until

    async def note_uses(self) -> bool:
        """Store when this worker last saw each key and each session."""
        uses = self._gate.take_uses()
        if uses:
            await self._db.write(keys.used, uses)
        if seen := self._site.take_seen():
            await self._db.write(sessions.seen, seen)
        return False

    async def erase_deleted(self) -> bool:
        """Erase deleted users whose restore period has ended."""
        before = clock.now() - self._settings.deleted_retention * clock.DAY
        ids = await users.expired(self._db, before, BATCH)
        for id in ids:
            await expire(self._on, SYSTEM, id, before)
        return len(ids) == BATCH

    async def expire_events(self) -> bool:
        """Delete events past their retention."""
        if not self._settings.event_retention:
            return False
        before = clock.now() - self._settings.event_retention * clock.DAY
        if not await events.is_older(self._db, before):
            return False
        return await self._db.write(events.expire, before, BATCH) == BATCH

    async def expire_replies(self) -> bool:
        """Delete stored responses of idempotent requests after 24 hours."""
        if not await replies.is_expired(self._db):
            return False
        return await self._db.write(replies.expire, BATCH) == BATCH

    async def expire_sessions(self) -> bool:
        """Delete expired sessions and password links."""
        if await password_links.is_expired(self._db):
            await self._db.write(password_links.expire)
        ended = await sessions.old(self._db, self._on.session_lifetime, BATCH)
        if ended:
            await self._db.write(sessions.forget, ended)
        return len(ended) >= BATCH

    async def write_usage(self) -> bool:
        """Flush this worker's usage and request log, unless that takes too much of the time."""
        if self._rest:
            self._rest -= 1
            return False
        began = time.monotonic()
        try:
            await self.flush_usage()
        except Exception:
            self._rest = USAGE_RETRY
            raise
        self._rest = int((time.monotonic() - began) * USAGE_SHARE / USAGE_PAUSE)
        return False

    async def flush_usage(self) -> None:
        """Store usage and request log. If that fails, the counts are kept for the next attempt; the log lines are lost."""
        requests = self._requests
        requests.gather()
        while tallies := requests.first(USAGE_BATCH):
            batch, done = usage.Batch(), 0
            for tally in tallies:
                batch.add(tally)
                done += USAGE_TALLY + tally.kept
                if done >= USAGE_HANDFUL:
                    await asyncio.sleep(0)
                    done = 0
            requests.drop(len(tallies))  # from here on the writer owns them, even if we are stopped
            try:
                await self._db.write(usage.add, batch)
            except Exception:
                lost = requests.give_back(tallies)
                while tallies := requests.first(USAGE_BATCH):
                    requests.drop(len(tallies))
                    lost += requests.give_back(tallies)
                logger.warning("%d lines of the request log are lost", lost)
                raise
        if requests.lost:
            logger.warning("%d requests are missing in the usage of their keys: too much waited to be written", requests.lost)
            requests.lost = 0

    async def expire_usage(self) -> bool:
        """Delete usage past its retention."""
        before = clock.now() - self._settings.usage_retention * clock.DAY
        if not await usage.is_older(self._db, before):
            return False
        return await self._db.write(usage.expire, before, BATCH) == BATCH

    async def expire_request_log(self) -> bool:
        """Delete the request log past its retention: all of it if the log is turned off."""
        before = clock.now() - self._settings.request_retention * clock.DAY
        if not await usage.is_log_older(self._db, before):
            return False
        return await self._db.write(usage.expire_log, before, BATCH) == BATCH

    async def erase_usage(self) -> bool:
        """Erase remaining usage of erased users, including what was flushed after they were erased."""
        user_id = await usage.erased_before(self._db, clock.now() - USAGE_LAG * clock.SECOND)
        if user_id is None:
            return False
        await self._db.write(usage.forget_erased, user_id, BATCH)
        return True
