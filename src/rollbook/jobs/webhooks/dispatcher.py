"""Shares the webhooks out among processes and servers, and has each of its own sent to: claims, reads the log, stores
results."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from math import ceil
from typing import NamedTuple

from rollbook import clock, ids
from rollbook.actions import creators
from rollbook.actions.context import Rollbook
from rollbook.actions.event_feeds import Batch
from rollbook.actions.principal import SYSTEM
from rollbook.delivery.addresses import Addresses
from rollbook.errors import ApiError, NotFound, OutcomeUnknown
from rollbook.jobs.webhooks.endpoint import Endpoint
from rollbook.jobs.webhooks.state import LOOK, Budget, Outbox, Pace, lease_clock
from rollbook.jobs.webhooks.target import MailTarget, Target, WebhookTarget
from rollbook.records import event_types, events, marks, webhooks
from rollbook.records.dialect import dialect
from rollbook.records.webhooks import cursors
from rollbook.records.webhooks import replays as stored_replays
from rollbook.records.webhooks.cursors import LEASE, WebhookLease
from rollbook.records.webhooks.deliveries import store_results
from rollbook.records.webhooks.replays import Replay
from rollbook.storage.database import Queries, Tx

logger = logging.getLogger("rollbook")

SCAN = 0.5
"""Seconds after which a change that another process made is scan."""
GATHER, ENOUGH = 0.05, 200
"""Seconds that results wait for others before they are stored, and how many do not wait."""
MOVED = 1.0
"""Seconds after which a cursor is stored that went past events of other types."""
ANNOUNCE = 10.0
"""Seconds after which it says again that it is there, so that the others leave it its share."""
RENEW = 20.0
"""Seconds before the end of a lease when it is renewed."""
PACE, MAX_PACE = 0.01, 0.1
"""Seconds from one batch of a webhook that is behind to the next one: twice as long as it takes to send it, so that
callers get the other half. At most so many where several are behind."""
TICK = 0.02
"""Seconds until it looks again for what is due and cannot be sent yet."""
PAUSE = 1.0
"""Seconds until the next try of what failed."""


class Scan(NamedTuple):
    now: int
    """By the database's clock."""
    leases: list[WebhookLease]
    replays: dict[str, list[Replay]]
    """Running replays, by webhook."""
    senders: int
    """Processes that share the webhooks, this one included."""

    @property
    def share(self) -> int:
        """Webhooks that each of them has at most: with fewer, some would be left over."""
        return ceil(sum(map(self.is_sent_to, self.leases)) / max(1, self.senders))

    def is_sent_to(self, lease: WebhookLease) -> bool:
        return lease.status == "enabled" or lease.webhook_id in self.replays


class Dispatcher:
    def __init__(
        self,
        on: Rollbook,
        count: Callable[[str, str], None] = lambda what, outcome: None,
        answered: Callable[[], int] = lambda: 0,
    ) -> None:
        """`count` is called for each attempt, with what was sent (`Target.sends`) and its outcome. `answered` is how
        many requests of callers this process has answered."""
        self._on = on
        self._db = on.db
        self._holder = f"{socket.gethostname()}/{os.getpid()}/{ids.new('srv')}"
        self._budget = Budget(on.db, on.event_reader, self._has_changed, count)
        self._pace = Pace()
        self._answered = answered
        self._addresses = Addresses(on.settings.webhook_allow, on.settings.webhook_hosts)
        self._owned: dict[str, Endpoint] = {}
        self._is_shared = dialect(on.db).is_shared
        self._unusable: dict[str, int] = {}
        """Webhooks that cannot be sent to, and the version that was scan."""
        self._newest = 0
        self._next_scan = 0.0
        self._scanned = 0
        """Changes of webhooks up to this number in the log are known."""
        self._is_first_scan = True
        self._woken = asyncio.Event()
        self._has_results = asyncio.Event()
        self._has_enough = asyncio.Event()
        self._has_owned = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._next_moved = self._next_announced = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        on.db.listen(webhooks.CHANNEL, self._scan_soon)

    def start(self) -> None:
        self._tasks = [asyncio.ensure_future(self._repeat(step)) for step in (self._turn, self._follow, self._store)]

    async def drain(self, seconds: float) -> None:
        """Start nothing more, wait that long for what is on the wire, store it, and let others go on at once."""
        self._budget.is_stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        tasks = {task for endpoint in self._owned.values() for task in endpoint.tasks}
        late: set[asyncio.Task[None]] = set()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
        finished = [endpoint for endpoint in self._owned.values() if not endpoint.tasks]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        with suppress(ApiError, OSError):  # the leases expire soon
            await self._flush(list(self._owned.values()))
            for endpoint in finished:
                await self._db.write(cursors.give_back, endpoint.id, self._holder)
            if self._is_shared:
                await self._db.write(cursors.remove_sender, self._holder)
        for endpoint in self._owned.values():
            await endpoint.target.close()
        self._owned.clear()

    @property
    def lanes(self) -> int:
        """Deliveries that wait for another attempt."""
        return sum(len(endpoint.lanes) for endpoint in self._owned.values())

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        """Repeat a step for ever: a failure is logged, and does not end it."""
        while True:
            try:
                await step()
            except Exception as problem:
                expected = isinstance(problem, ApiError | OSError)
                logger.warning("webhooks: %s", problem, exc_info=not expected)
                await asyncio.sleep(PAUSE)

    # ---- the three loops

    async def _turn(self) -> None:
        """A batch of events for each webhook that can use one, then wait."""
        now = asyncio.get_running_loop().time()
        if now >= self._next_scan:
            self._next_scan = now + SCAN
            await self._scan()
        self._woken.clear()
        self._budget.divide(sum(endpoint.is_busy for endpoint in self._owned.values()))
        if self._pace.look(time.monotonic(), time.process_time(), self._answered()):
            self._set_pace()
        batches, is_behind = 0, False
        for endpoint in list(self._owned.values()):
            can_use = endpoint.is_hungry if self._pace.makes_way else endpoint.wants_more
            if can_use and endpoint.read < self._newest:
                batch = await self._budget.reader.after(endpoint.read, endpoint.target.reads)
                if _changed_at(batch) > self._scanned:
                    await self._scan()
                if not endpoint.is_closing:
                    endpoint.offer(batch)
                batches += 1
                is_behind = is_behind or endpoint.read < self._newest
                await asyncio.sleep(0)
            await endpoint.read_replays()
            endpoint.start()
            if endpoint.is_closing and not endpoint.tasks:
                await self._release(endpoint)
        if self._pace.makes_way:
            await asyncio.sleep(LOOK)
        elif is_behind:
            await asyncio.sleep(min(batches * PACE, MAX_PACE))
        elif any(endpoint.is_replaying for endpoint in self._owned.values()):
            await asyncio.sleep(LOOK)
        else:
            await self._wait()

    def _set_pace(self) -> None:
        busy = sum(endpoint.is_busy for endpoint in self._owned.values())
        for endpoint in self._owned.values():
            endpoint.pace(self._pace.starts(endpoint.waiting(self._newest), busy), self._pace.seconds)
        replaying = [endpoint for endpoint in self._owned.values() if endpoint.is_replaying]
        for endpoint in replaying:
            endpoint.pace_again(self._pace.starts_again(len(replaying)))

    async def _follow(self) -> None:
        """Notice that the log has grown."""
        await self._has_owned.wait()
        if await self._on.tail.changed(self._newest, PAUSE):
            self._newest = await events.newest(self._db)
            self._woken.set()

    async def _store(self) -> None:
        """Store what became of events, not each by itself."""
        with suppress(TimeoutError):
            # Not `wait_for`, which before Python 3.12 returns instead of being canceled where both happen at once.
            async with asyncio.timeout(MOVED):
                await self._has_results.wait()
            async with asyncio.timeout(GATHER):
                await self._has_enough.wait()
        self._has_results.clear()
        self._has_enough.clear()
        now = lease_clock()
        is_time = now >= self._next_moved
        if is_time:
            self._next_moved = now + MOVED
        due = [
            endpoint
            for endpoint in self._owned.values()
            if endpoint.has_results
            or (is_time and endpoint.has_moved)
            or (self._is_shared and endpoint.lease_ends - now < RENEW)
        ]
        for part in _parts(due):  # other writes come between them
            await self._flush(part)

    # ---- claims

    async def _scan(self) -> None:
        """Compare what it holds with what there is."""
        newest = self._newest
        await self._announce()
        scan = await self._db.read(_read_scan, self._on.settings.sends_mail)
        self._budget.heard(scan.now)
        there = {lease.webhook_id: lease for lease in scan.leases}
        for id, endpoint in self._owned.items():
            lease, replays = there.get(id), scan.replays.get(id, [])
            if (
                lease is None
                or lease.epoch != endpoint.epoch
                or lease.version != endpoint.target.version
                or (not endpoint.target.is_enabled and not replays)
            ):
                endpoint.is_closing = True
            else:
                endpoint.replay(replays)
        self._share_out(scan.share)
        for lease in scan.leases:
            if len(self._owned) >= scan.share:
                break
            if lease.webhook_id not in self._owned and scan.is_sent_to(lease) and self._may_claim(lease, scan.now):
                await self._claim(lease.webhook_id, scan.replays.get(lease.webhook_id, []))
        self._is_first_scan = False
        self._scanned = newest
        if self._owned:
            self._has_owned.set()
        else:
            self._has_owned.clear()

    async def _announce(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._is_shared and now >= self._next_announced:
            await self._db.write(cursors.announce_sender, self._holder)
            self._next_announced = now + ANNOUNCE

    def _share_out(self, share: int) -> None:
        """Leave to others what is beyond its share, first what it is not sending to."""
        endpoints = [endpoint for endpoint in self._owned.values() if not endpoint.is_closing]
        endpoints.sort(key=lambda endpoint: endpoint.is_busy)
        for endpoint in endpoints[: max(0, len(endpoints) - share)]:
            endpoint.is_closing = True

    def _may_claim(self, lease: WebhookLease, now: int) -> bool:
        if self._unusable.get(lease.webhook_id) == lease.version:
            return False
        return self._is_forced or cursors.is_free(self._db, lease, self._holder, now)

    @property
    def _is_forced(self) -> bool:
        """On SQLite, the process that starts takes everything: the one before it has ended."""
        return self._is_first_scan and not self._is_shared

    async def _claim(self, id: str, replays: Sequence[Replay]) -> None:
        began = lease_clock()
        cursor = await self._db.write(cursors.claim, id, self._holder, self._is_forced)
        if cursor is None:
            return
        outbox = Outbox(id, cursor.seq)
        target = await self._target(id, outbox)
        if target is None:
            return
        endpoint = self._owned[id] = Endpoint(self._budget, target, outbox, cursor, began + LEASE / clock.SECOND)
        endpoint.replay(replays)

    async def _target(self, id: str, outbox: Outbox) -> Target | None:
        if id == webhooks.MAIL_ID:
            return MailTarget(self._on)
        try:
            webhook = await webhooks.get(self._db, id)
        except NotFound:
            return None
        try:
            return WebhookTarget(self._on, webhook, self._addresses, outbox.store_message)
        except ValueError:
            logger.error(
                "webhook %s: its secret cannot be read. Is the server's secret another one than when it was created?",
                id,
            )
            self._unusable[id] = webhook.version
            await self._db.write(cursors.give_back, id, self._holder)
            return None

    async def _release(self, endpoint: Endpoint) -> None:
        """Release a webhook that has changed: its next holder reads it again."""
        await self._flush([endpoint])
        await self._db.write(cursors.give_back, endpoint.id, self._holder)
        del self._owned[endpoint.id]
        await endpoint.target.close()
        self._scan_soon()

    # ---- results

    async def _flush(self, endpoints: list[Endpoint]) -> None:
        """Write it to the end, even if the caller is canceled: half of it would be events that are neither done nor
        waiting."""
        await asyncio.shield(asyncio.ensure_future(self._flush_now(endpoints)))

    async def _flush_now(self, endpoints: list[Endpoint]) -> None:
        async with self._flushing:
            results = [endpoint.take_results() for endpoint in endpoints]
            began = lease_clock()
            try:
                stored = await self._db.write(store_results, self._holder, results)
            except OutcomeUnknown:  # only what is stored can tell: all are read again
                for endpoint in endpoints:
                    endpoint.lose()
                logger.warning("webhooks: what became of the last events may be unknown: they are sent again")
                return
            except Exception:
                for endpoint, result in zip(endpoints, results, strict=True):
                    endpoint.put_back(result)
                self._budget.is_stalled = True
                raise
        self._budget.is_stalled = False
        self._budget.heard(stored.now)
        for endpoint, result in zip(endpoints, results, strict=True):
            if endpoint.id in stored.lost:
                endpoint.lose()
            else:
                endpoint.lease_ends = began + LEASE / clock.SECOND
                endpoint.stored(result)
            if endpoint.disabled_for is not None:
                reason, endpoint.disabled_for = endpoint.disabled_for, None
                await self._db.write(_disable, endpoint.id, reason)
                logger.warning("webhook %s is disabled: %s", endpoint.id, webhooks.REASONS[reason])

    # ---- waiting

    async def _wait(self) -> None:
        """Wait until something can be done."""
        loop = asyncio.get_running_loop()
        now = self._budget.now()
        due = [at for endpoint in self._owned.values() if (at := endpoint.due_at) is not None]
        seconds = max((min(due) - now) / clock.SECOND, TICK) if due else SCAN
        if due and clock.is_moved():  # by a test, in jumps
            seconds = TICK
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(seconds, self._next_scan - loop.time()))):
                await self._woken.wait()

    def _scan_soon(self) -> None:
        self._next_scan = 0.0
        self._woken.set()

    def _has_changed(self, endpoint: Endpoint) -> None:
        if endpoint.outbox.deliveries:
            self._has_results.set()
            if endpoint.target.is_one_by_one or len(endpoint.outbox.deliveries) >= ENOUGH:
                self._has_enough.set()
        if endpoint.is_closing:
            if not endpoint.tasks:
                self._woken.set()
        elif endpoint.is_hungry and endpoint.read < self._newest:
            self._woken.set()


def _parts(due: Sequence[Endpoint]) -> list[list[Endpoint]]:
    """Endpoints whose results are stored in one transaction: about ENOUGH deliveries."""
    parts: list[list[Endpoint]] = []
    count = ENOUGH
    for endpoint in due:
        if count >= ENOUGH:
            parts.append([])
            count = 0
        parts[-1].append(endpoint)
        count += len(endpoint.outbox.deliveries)
    return parts


async def _read_scan(queries: Queries, sends_mail: bool) -> Scan:
    return Scan(
        await marks.database_now(queries),
        [webhook for webhook in await cursors.scan(queries) if sends_mail or webhook.webhook_id != webhooks.MAIL_ID],
        await stored_replays.running(queries),
        await cursors.count_senders(queries),
    )


async def _disable(tx: Tx, webhook_id: str, reason: str) -> None:
    try:
        webhook = await webhooks.get(tx, webhook_id)
    except NotFound:
        return
    if webhook.status == "enabled":
        await creators.disable(tx, SYSTEM.actor, webhook, reason)


def _changed_at(batch: Batch) -> int:
    """The number of the newest event about a webhook: what comes after it is for the webhook as it is since. 0: there
    is none."""
    return max((entry.event.seq for entry in batch.entries if entry.event.type in event_types.OF_WEBHOOKS), default=0)
