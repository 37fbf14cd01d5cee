"""Sends to one webhook, for as long as this process holds it. Decision 37 has the rules by which nothing is lost, and
why each is there."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple

from rollbook import clock
from rollbook.actions.event_feeds import BATCH, Batch, Entry
from rollbook.delivery import outcomes, sender
from rollbook.delivery.sender import Sent
from rollbook.errors import ApiError
from rollbook.jobs.webhooks.replay import ReplayRun
from rollbook.jobs.webhooks.state import MAX_RESULTS, Breaker, Budget, Lane, Lanes, Outbox
from rollbook.jobs.webhooks.target import Target
from rollbook.records import events
from rollbook.records.events import Event, Selection
from rollbook.records.webhooks.cursors import Cursor, StoredLane
from rollbook.records.webhooks.deliveries import Results
from rollbook.records.webhooks.replays import Replay

logger = logging.getLogger("rollbook")

MAX_LANES = 1_000
"""Lanes that may fail at a time: with more, new events wait in the log."""
MAX_UNFINISHED = 256
"""Events that were read and are not done."""
MAX_BEHIND = 16
"""Events of a lane that wait in memory for the one on the wire. With more, the lane gets a row, and they are read again
later."""
FRESH = 1.0
"""Seconds after which an event is read again before it is sent: it may have been erased."""
STALL = 1.0
"""Seconds without another attempt after the database failed."""
NO_EPOCH = AGAIN = -1


class Head(NamedTuple):
    """The event of a lane without a row that is in the queue or on the wire, and those that wait for it."""

    seq: int
    """AGAIN if it is one that is sent again."""
    behind: deque[Entry]


class Retry(NamedTuple):
    at: int
    outcome: str


class Endpoint:
    """Sender of one webhook's events.

    Each event up to `read` that the webhook asks for is in one of four states, so that a crash loses none:

    - Done: delivered, or tried for the last time.
    - First of its lane, in `_queue` or on the wire: `_heads` has the lane, `_unfinished` the event's number.
    - Behind such a head, in memory: in `_unfinished`, too.
    - In a lane with a row (`lanes`): the row names the lane's first event; later ones are found again in the log.

    The cursor `seq`, which is stored, is the number before the first of `_unfinished`. It never passes an event that
    only memory knows of. A replay has a cursor of its own, and takes part in nothing but the rule that one event of a
    lane is on the wire at a time (`_occupy`).
    """

    def __init__(self, budget: Budget, target: Target, outbox: Outbox, cursor: Cursor, lease_ends: float) -> None:
        self.id = target.webhook_id
        self.epoch = cursor.epoch
        self.target = target
        self.lease_ends = lease_ends
        """By `lease_clock`."""
        self.read = cursor.seq
        """The last event that was looked at."""
        self.is_closing = False
        """Nothing more is started."""
        self.disabled_for: str | None = None
        """The reason why it is to be disabled."""
        self.outbox = outbox
        self.lanes = Lanes(cursor.lanes, cursor.seq)
        self.tasks: set[asyncio.Task[None]] = set()
        self._budget = budget
        self._loop = asyncio.get_running_loop()
        self._breaker = Breaker(cursor.breaker, self.lanes.__len__, random.random)
        self._queue: deque[Entry] = deque()
        self._heads: dict[str, Head] = {}
        self._unfinished: dict[int, None] = {}
        """Numbers of events in memory that no lane's row stands for, rising."""
        self._size = 0
        """Characters of the events in the queue and behind."""
        self._replays: dict[str, ReplayRun] = {}
        self._again = 1.0
        """Requests of replays that may begin before `pace_again` is called again."""
        self._replaying = 0
        """Requests of replays on the wire."""
        self._starts: float = 1.0 if target.rate < math.inf else math.inf
        """Requests that may begin before `pace` is called again."""
        self._stalled_until = 0.0

    # ---- what the dispatcher asks and tells

    @property
    def seq(self) -> int:
        """All events up to this one are done, or have a lane."""
        return next(iter(self._unfinished), self.read + 1) - 1

    @property
    def is_busy(self) -> bool:
        return bool(self.tasks or self._queue)

    @property
    def wants_more(self) -> bool:
        """Test whether events after `read` can be used."""
        if self.is_closing or not self.target.is_enabled:
            return False
        if self._breaker.open_until is not None:
            return not self._queue and not self.lanes and not self.tasks  # there is nothing to probe it with
        return (
            len(self.lanes) < MAX_LANES
            and len(self._unfinished) < MAX_UNFINISHED
            and self._size < self._budget.bytes_each
        )

    @property
    def is_hungry(self) -> bool:
        """Test whether it could soon run out of events to send."""
        return len(self._queue) < BATCH and self.wants_more

    @property
    def due_at(self) -> int | None:
        """Time at which something can be started by the clock alone."""
        if self.is_closing or not self.target.is_enabled:
            return None
        if self._breaker.open_until is not None:
            return self._breaker.open_until if (self.lanes or self._queue) and not self.tasks else None
        return self.lanes.next_at

    @property
    def has_moved(self) -> bool:
        return self.seq != self.outbox.stored_seq

    @property
    def has_results(self) -> bool:
        """Test whether there is something that should be stored soon."""
        return (
            bool(self.outbox.deliveries)
            or self.lanes.have_changed
            or any(replay.has_moved for replay in self._replays.values())
        )

    def offer(self, batch: Batch) -> None:
        """Events after `read`."""
        for entry in batch.entries:
            if self.target.wants(entry.event):
                self._take(entry)
        self.read = batch.last

    def waiting(self, newest: int) -> int:
        """Events up to this number that nothing but `pace` may keep from being sent, and those of other types that were
        not read yet."""
        return max(0, newest - self.read) + len(self._queue)

    def pace(self, starts: float, seconds: float) -> None:
        """Allow so many requests to begin before the next call, and not more than the target takes in the time since
        the last one. A part of one counts then; more than one that was not used does not."""
        if self.target.rate < math.inf:
            starts = min(starts, self.target.rate * min(seconds, 1.0))
        self._starts = min(self._starts, 1.0) + starts

    @property
    def is_replaying(self) -> bool:
        """Test whether events of a replay can be sent again."""
        return not self.is_closing and any(replay.queue for replay in self._replays.values())

    def pace_again(self, starts: float) -> None:
        """Pace events of replays, which take only what is left."""
        self._again = min(self._again, 1.0) + starts

    def start(self) -> None:
        """Send what can be sent now."""
        while self._may_start() and (work := self._next()) is not None:
            self._spawn(work)
        while self._replays and (again := self._next_again()) is not None:
            self._replaying += 1
            self._again -= again[0].trigger != "resend"
            self._spawn(self._send_again(*again))

    def replay(self, stored: Sequence[Replay]) -> None:
        """These are to be sent again, and no others."""
        runs = self._replays
        self._replays = {replay.id: runs.get(replay.id) or ReplayRun(replay, self.target) for replay in stored}

    async def read_replays(self) -> None:
        for replay in list(self._replays.values()):
            if replay.wants_more and not self.is_closing:
                await replay.read(self._budget.db, self._loop.time())

    def take_results(self) -> Results:
        """All that is not stored yet, as of one moment."""
        changed, removed = self.lanes.take_changes()
        now = self._budget.now()
        replays = [run.progress(now) for run in self._replays.values() if run.has_moved]
        return self.outbox.take(self.epoch, self.seq, self._breaker.state, changed, removed, replays)

    def stored(self, results: Results) -> None:
        """These are stored: a crash repeats none of them."""
        self.outbox.stored(results)
        if self.target.is_one_by_one and results.deliveries:
            self.start()

    def lose(self) -> None:
        """Someone else holds it, or has moved it, or what is stored of it is unknown: nothing of what is in memory may
        be stored."""
        self.epoch = NO_EPOCH
        self.is_closing = True

    def put_back(self, results: Results) -> None:
        """Take back results that were certainly not stored."""
        self.lanes.restore_changes(results.lanes, results.delivered_lanes)
        self.outbox.put_back(results)
        for progress in results.replays:
            if (replay := self._replays.get(progress.id)) is not None:
                replay.put_back(progress)

    # ---- events come in

    def _take(self, entry: Entry) -> None:
        event = entry.event
        name = self.target.lane(event)
        lane = self.lanes.get(name)
        if lane is not None:  # it is found again by its user when its turn comes
            lane.passed = event.seq
            return
        head = self._heads.get(name)
        if head is not None and len(head.behind) >= MAX_BEHIND:
            self._give_lane(name, head, event.seq)
            return
        self._unfinished[event.seq] = None
        self._size += event.size
        if head is not None:
            head.behind.append(entry)
        else:
            self._heads[name] = Head(event.seq, deque())
            self._queue.append(entry)

    def _give_lane(self, name: str, head: Head, passed: int) -> None:
        """Give a lane to a user with many events, before the first of them is done."""
        now = self._budget.now()
        seq = head.behind[0].event.seq if head.seq == AGAIN else head.seq
        lane = self.lanes.add(StoredLane(name, seq, 0, now, now, ""), passed)
        lane.is_busy = True
        self._unfinished.pop(seq, None)
        self._drop_behind(head)

    def _drop_behind(self, head: Head) -> None:
        """They are found again by their user."""
        for entry in head.behind:
            self._unfinished.pop(entry.event.seq, None)
            self._size -= entry.event.size
        head.behind.clear()

    # ---- events go out

    def _may_start(self) -> bool:
        in_flight = len(self.tasks) - self._replaying
        return (
            in_flight < self._budget.requests_each
            and self.target.is_enabled
            and self._breaker.allows(self._budget.now(), in_flight)
            and self._stalled_until <= self._loop.time()
            and self._may_send()
        )

    def _may_send(self) -> bool:
        budget = self._budget
        return (
            not self.is_closing
            and not budget.is_stopping
            and not budget.is_stalled
            and self._starts >= 1
            and not (self.target.is_one_by_one and (self.tasks or self.outbox.unstored))
            and len(self.outbox.deliveries) < MAX_RESULTS
            and budget.lasts(self.lease_ends)
        )

    def _next(self) -> Coroutine[Any, Any, None] | None:
        due_at = self.lanes.next_at
        if due_at is not None and due_at <= self._budget.now():
            return self._send_lane(self.lanes.take(), is_due=True)
        if self._queue and len(self.lanes) + len(self.tasks) < MAX_LANES:
            entry = self._queue.popleft()
            self._size -= entry.event.size
            return self._send_new(entry)
        if due_at is not None and self._breaker.open_until is not None:
            return self._send_lane(self.lanes.take(), is_due=False)
        return None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._starts -= 1
        self.tasks.add(self._loop.create_task(self._run(work)))

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as problem:
            expected = isinstance(problem, ApiError | OSError)
            logger.warning("webhook %s: %s", self.id, problem, exc_info=not expected)
            self._stalled_until = self._loop.time() + STALL
        finally:
            task = asyncio.current_task()
            assert task is not None
            self.tasks.discard(task)
            self.start()
            self._budget.changed(self)

    async def _send_new(self, entry: Entry) -> None:
        """An event whose lane has no row."""
        event = entry.event
        retry: Retry | None = None
        is_settled = False
        try:
            fresh = await self._fresh(entry)
            if fresh is not None:
                retry = await self._attempt(fresh, 1, "event")
            is_settled = True
        finally:
            if not is_settled:  # the database failed
                self._queue.appendleft(entry)
                self._size += event.size
        name = self.target.lane(event)
        head = self._heads.pop(name)
        lane = self.lanes.get(name)
        if lane is not None:  # it got one meanwhile
            await self._settle(lane, retry)
            return
        del self._unfinished[event.seq]
        if retry is not None:
            now = self._budget.now()
            passed = head.behind[-1].event.seq if head.behind else event.seq
            self._drop_behind(head)
            self.lanes.add(StoredLane(name, event.seq, 1, retry.at, now, retry.outcome), passed)
        else:
            self._free(name, head)

    def _free(self, name: str, head: Head) -> None:
        """The next event of the lane can be sent."""
        if head.behind:
            first = head.behind.popleft()
            self._heads[name] = Head(first.event.seq, head.behind)
            self._queue.appendleft(first)

    async def _fresh(self, entry: Entry) -> Entry | None:
        """The event as it is now; None if it was erased."""
        return entry if self._loop.time() - entry.read_at < FRESH else await self._budget.reader.at(entry.event.seq)

    async def _send_lane(self, lane: Lane, is_due: bool) -> None:
        """The head of a lane. A probe ahead of its time uses up none of its attempts."""
        try:
            entry = await self._budget.reader.at(lane.seq)
            retry = None
            if entry is not None and self.target.wants(entry.event):
                retry = await self._attempt(entry, lane.attempts + 1, "event")
            if retry is None or is_due:
                await self._settle(lane, retry)
        finally:
            self.lanes.put_back(lane)

    async def _settle(self, lane: Lane, retry: Retry | None) -> None:
        """Its head was tried. If it is done, send those that wait behind it, for as long as they are delivered."""
        try:
            while retry is None:
                entry = await self._advance(lane)
                if entry is None or not self._may_go_on():
                    return
                self._starts -= 1
                retry = await self._attempt(entry, 1, "event")
            lane.attempts += 1
            lane.next_at, lane.outcome = retry
            if lane.attempts == 1:
                lane.failed_at = self._budget.now()
            self.lanes.changed(lane)
        finally:
            self.lanes.put_back(lane)

    async def _advance(self, lane: Lane) -> Entry | None:
        """The next event of the lane, which is its head from now on. None: there is none, and the lane is gone."""
        seq = lane.seq
        while lane.passed > seq:  # more may be passed over while the database is asked
            passed = lane.passed
            page = await self._budget.db.read(events.page, Selection(self.target.types, lane.name, seq, passed + 1), 1)
            seq = page.position if page.more else passed
            for event in filter(self.target.wants, page.events):
                lane.seq, lane.attempts, lane.outcome = event.seq, 0, ""
                lane.next_at = lane.failed_at = self._budget.now()
                self.lanes.changed(lane)
                return Entry(event, self._loop.time())
        self.lanes.remove(lane)
        return None

    def _may_go_on(self) -> bool:
        return self._breaker.open_until is None and self._may_send()

    # ---- events are sent again

    def _next_again(self) -> tuple[ReplayRun, Entry] | None:
        """A quarter of the requests at a time; not while the endpoint is left alone, unless someone asks for this very
        event."""
        most = max(1, min(self._breaker.window, self._budget.requests_each) // 4)
        if self._replaying >= most or not self._may_send():
            return None
        is_open = self.target.is_enabled and self._breaker.open_until is not None
        for replay in self._replays.values():
            is_resend = replay.trigger == "resend"
            if replay.queue and (is_resend or (self._again >= 1 and not is_open)):
                if self._occupy(self.target.lane(replay.queue[0].event)):
                    return replay, replay.queue.popleft()
        return None

    async def _send_again(self, replay: ReplayRun, entry: Entry) -> None:
        """Once: a failure is counted, and says nothing about the endpoint."""
        event = entry.event
        name = self.target.lane(event)
        is_settled = is_delivered = False
        try:
            fresh = await self._fresh(entry)
            if fresh is not None:
                is_delivered = await self._attempt_again(fresh, replay.trigger)
            replay.finished(event.seq, is_delivered if fresh is not None else None)
            is_settled = True
        finally:
            if not is_settled:
                replay.queue.appendleft(entry)
            self._replaying -= 1
            lane = self._vacate(name)
        if lane is not None and is_delivered and lane.seq == event.seq:
            lane.is_busy = True
            await self._settle(lane, None)

    def _occupy(self, name: str) -> bool:
        """Occupy a lane, so that nothing else of it is sent. False: something is on the wire."""
        lane = self.lanes.get(name)
        if name in self._heads or (lane is not None and lane.is_busy):
            return False
        if lane is not None:
            lane.is_busy = True
        else:
            self._heads[name] = Head(AGAIN, deque())
        return True

    def _vacate(self, name: str) -> Lane | None:
        """The lane, if it has a row."""
        head = self._heads.pop(name, None)
        lane = self.lanes.get(name)
        if lane is not None:
            self.lanes.put_back(lane)
        elif head is not None:
            self._free(name, head)
        return lane

    async def _attempt_again(self, entry: Entry, trigger: str) -> bool:
        started = self._budget.now()
        sent = await self.target.send(entry, started)
        is_delivered = sent.outcome == outcomes.DELIVERED
        if is_delivered and self._breaker.succeeded():
            self.lanes.hurry(self._budget.now())
        self._note(entry.event, trigger, 1, started, sent)
        return is_delivered

    # ---- one attempt

    async def _attempt(self, entry: Entry, attempt: int, trigger: str) -> Retry | None:
        """Send it, and note how that ended. None: it is done, or it was tried for the last time."""
        started = self._budget.now()
        sent = await self.target.send(entry, started)
        now = self._budget.now()
        if sent.outcome == outcomes.NOTHING:
            return None
        if outcomes.is_final(sent.outcome):
            is_reached = sent.outcome == outcomes.DELIVERED or outcomes.is_answer(sent.outcome)
            if is_reached and self._breaker.succeeded():
                self.lanes.hurry(now)
            self._note(entry.event, trigger, attempt, started, sent)
            return None
        is_over = not outcomes.is_about_one(sent.outcome) and self._breaker.failed(sent, now)
        if is_over and self.target.can_be_disabled:
            self.is_closing = True
            self.disabled_for = "gone" if sent.outcome == outcomes.GONE else "failing"
        seconds = sender.next_try(attempt, sent, random.random, self.target.steps)
        if seconds is None:
            self._note(entry.event, trigger, attempt, started, sent)
            self._note(entry.event, trigger, attempt, now, Sent(outcomes.EXHAUSTED))
            return None
        retry = Retry(now + int(seconds * clock.SECOND), sent.outcome)
        self._note(entry.event, trigger, attempt, started, sent, retry.at)
        return retry

    def _note(self, event: Event, trigger: str, attempt: int, at: int, sent: Sent, retry_at: int | None = None) -> None:
        self.outbox.note(event, trigger, attempt, at, sent, retry_at)
        self._budget.count(self.target.sends, sent.outcome)
