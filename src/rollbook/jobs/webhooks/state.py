"""Memory of webhooks between attempts: for each endpoint its lanes of users, events that wait, and its breaker, which
sends one probe event at a time while it is open; for all of this process the budget of requests and bytes, and the pace
at which requests begin, so that those who call the API hardly notice them, and events are late by a bounded time.

Blocked lanes are a heap, by when each is due; changes of lanes and results of deliveries stay here until they are
stored.
"""

from __future__ import annotations

import heapq
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rollbook import clock, ids
from rollbook.actions.event_feeds import EventReader
from rollbook.delivery import outcomes
from rollbook.delivery.sender import Sent
from rollbook.records import one_time_tokens
from rollbook.records.dialect import dialect
from rollbook.records.events import Event
from rollbook.records.one_time_tokens import Settled
from rollbook.records.webhooks import cursors
from rollbook.records.webhooks.cursors import BreakerState, StoredLane
from rollbook.records.webhooks.deliveries import Delivery, Message, Results
from rollbook.records.webhooks.health import DeliveryHour
from rollbook.records.webhooks.replays import Progress
from rollbook.storage.database import Database

if TYPE_CHECKING:
    from rollbook.jobs.webhooks.endpoint import Endpoint


UNREACHABLE = 5
"""Failures in a row of an endpoint that cannot be reached after which it is left alone."""
FAILED = 10
"""Failures in a row of an endpoint that answers with errors after which it is left alone."""
LANES = 3
"""Lanes that must be failing then: one that always fails says nothing about the others."""
RECENT = 50
"""Attempts that are looked back at: more than half of them must have failed."""
PROBES = (5, 30, 120, 300, 900, 1800)
"""Seconds until the next probe."""
JITTER = 0.2
MAX_RETRY_AFTER = 3600.0
"""The longest that an endpoint can ask for at a time, in seconds."""
FIRST_WINDOW, MAX_WINDOW = 8, 64
"""Requests to an endpoint at a time, at first and at most. Each success adds one."""
DISABLED_AFTER = 5 * clock.DAY

_GATEWAY = frozenset({502, 503, 504})
_ASKS_TO_WAIT = frozenset({429, 503})


class Breaker:
    def __init__(self, stored: BreakerState, failing_lanes: Callable[[], int], random: Callable[[], float]) -> None:
        """`failing_lanes` counts the lanes that wait for another attempt; `random` returns a number from 0 to 1."""
        self._failing_lanes = failing_lanes
        self._random = random
        self._failures = stored.failures
        self._failing_since = stored.failing_since
        self._probes = stored.probes
        self.open_until = stored.open_until
        self._unreachable = 0
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self.window = FIRST_WINDOW if stored.open_until is None else 1

    @property
    def state(self) -> BreakerState:
        """State as it is stored."""
        return BreakerState(self._failures, self._failing_since, self._probes, self.open_until)

    def allows(self, now: int, in_flight: int) -> bool:
        """Test whether another request may be sent now."""
        if self.open_until is None:
            return in_flight < self.window
        return in_flight == 0 and now >= self.open_until

    def succeeded(self) -> bool:
        """Test whether the endpoint had been left alone until now."""
        was_open = self.open_until is not None
        self._failures = self._probes = self._unreachable = 0
        self._failing_since = self.open_until = None
        self._recent.append(True)
        self.window = min(self.window + 1, MAX_WINDOW)
        return was_open

    def failed(self, sent: Sent, now: int) -> bool:
        """Test whether it has failed for so long that it is to be disabled."""
        self._failures += 1
        self._failing_since = self._failing_since or now
        self._recent.append(False)
        is_unreachable = not outcomes.is_answer(sent.outcome) or sent.http_status in _GATEWAY
        self._unreachable = self._unreachable + 1 if is_unreachable else 0
        wait = sent.retry_after if sent.http_status in _ASKS_TO_WAIT else None
        if self.open_until is not None or wait or self._is_failing():
            self._open(now, min(wait or 0.0, MAX_RETRY_AFTER))
        return sent.outcome == outcomes.GONE or now - self._failing_since >= DISABLED_AFTER

    def _is_failing(self) -> bool:
        if self._unreachable >= UNREACHABLE:
            return True
        if self._failing_lanes() < LANES:
            return False
        failed = self._recent.count(False)
        return self._failures >= FAILED or (len(self._recent) == RECENT and failed > RECENT // 2)

    def _open(self, now: int, least: float) -> None:
        """Requests that were under way when it opened fail too, but are no probes."""
        if self.open_until is not None and now < self.open_until:
            self.open_until = max(self.open_until, now + int(least * clock.SECOND))
            return
        if self.open_until is None:
            self._probes = 0
        seconds = PROBES[min(self._probes, len(PROBES) - 1)] * (1 + JITTER * (2 * self._random() - 1))
        self._probes += 1
        self.window = 1
        self._recent.clear()
        self.open_until = now + int(max(seconds, least) * clock.SECOND)


class Lane:
    __slots__ = ("attempts", "failed_at", "is_busy", "name", "next_at", "outcome", "passed", "seq")

    def __init__(self, stored: cursors.StoredLane, passed: int) -> None:
        self.name, self.seq, self.attempts, self.next_at, self.failed_at, self.outcome = stored
        self.passed = passed
        """The last event up to which some of the lane may have been passed over: they wait for the head."""
        self.is_busy = False
        """Its head is on the wire."""

    @property
    def stored(self) -> cursors.StoredLane:
        return cursors.StoredLane(self.name, self.seq, self.attempts, self.next_at, self.failed_at, self.outcome)


class Lanes:
    def __init__(self, stored: Iterable[cursors.StoredLane], passed: int) -> None:
        """`passed` is the cursor: events up to it have been passed over."""
        self._all = {lane.lane: Lane(lane, passed) for lane in stored}
        self._due = [(lane.next_at, lane.name) for lane in self._all.values()]
        heapq.heapify(self._due)
        self._changed: set[str] = set()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._all.values())

    @property
    def have_changed(self) -> bool:
        return bool(self._changed)

    def get(self, name: str) -> Lane | None:
        return self._all.get(name)

    def add(self, stored: cursors.StoredLane, passed: int) -> Lane:
        lane = self._all[stored.lane] = Lane(stored, passed)
        self.changed(lane)
        return lane

    def remove(self, lane: Lane) -> None:
        del self._all[lane.name]
        self._changed.add(lane.name)

    def changed(self, lane: Lane) -> None:
        """Its head, or when that is due."""
        self._changed.add(lane.name)
        self._push(lane)

    def hurry(self, now: int) -> None:
        """All are due."""
        for lane in self._all.values():
            if lane.next_at > now:
                lane.next_at = now
                self.changed(lane)

    @property
    def next_at(self) -> int | None:
        """Time at which the next lane is due that is not on the wire."""
        while self._due:
            at, name = self._due[0]
            lane = self._all.get(name)
            if lane is not None and not lane.is_busy and lane.next_at == at:
                return at
            heapq.heappop(self._due)
        return None

    def take(self) -> Lane:
        """The one that is due at `next_at`. It is on the wire from now on, until `put_back`."""
        lane = self._all[heapq.heappop(self._due)[1]]
        lane.is_busy = True
        return lane

    def put_back(self, lane: Lane) -> None:
        lane.is_busy = False
        if self._all.get(lane.name) is lane:
            self._push(lane)

    def take_changes(self) -> tuple[list[cursors.StoredLane], list[str]]:
        """Lanes to store, and the names of lanes to remove."""
        changed, self._changed = self._changed, set()
        return [self._all[name].stored for name in changed if name in self._all], [
            name for name in changed if name not in self._all
        ]

    def restore_changes(self, stored: Iterable[cursors.StoredLane], removed: Iterable[str]) -> None:
        """They could not be stored."""
        self._changed.update([lane.lane for lane in stored], removed)

    def _push(self, lane: Lane) -> None:
        if len(self._due) > 2 * len(self._all) + 64:  # most of it is out of date
            self._due = [(other.next_at, other.name) for other in self._all.values()]
            heapq.heapify(self._due)
        else:
            heapq.heappush(self._due, (lane.next_at, lane.name))


class Outbox:
    def __init__(self, webhook_id: str, stored_seq: int) -> None:
        self.stored_seq = stored_seq
        self.deliveries: list[Delivery] = []
        self.unstored = 0
        """Deliveries that would be made again after a crash: those on their way to the database, too."""
        self._messages: list[Message] = []
        self._tokens: list[Settled] = []
        self._webhook_id = webhook_id

    def note(self, event: Event, trigger: str, attempt: int, at: int, sent: Sent, retry_at: int | None) -> None:
        """Add an attempt that began at this time."""
        self.unstored += 1
        is_delivered = sent.outcome == outcomes.DELIVERED
        if event.type in one_time_tokens.CARRYING and (is_delivered or (trigger == "event" and retry_at is None)):
            self._tokens.append(Settled(is_delivered, one_time_tokens.token_id(event)))
        self.deliveries.append(
            Delivery(
                id=ids.new("dlv"),
                webhook_id=self._webhook_id,
                seq=event.seq,
                event_id=event.id,
                type=event.type,
                user_id=event.user_id,
                trigger=trigger,
                attempt=attempt,
                created_at=at,
                duration=sent.duration,
                outcome=sent.outcome,
                response=sent.response or sent.detail,
                http_status=sent.http_status,
                address=sent.address,
                retry_at=retry_at,
                response_type=sent.response_type,
            )
        )

    def store_message(self, message: Message) -> None:
        """Store a message in the inbox."""
        self._messages.append(message)

    def take(
        self,
        epoch: int,
        seq: int,
        breaker: BreakerState,
        lanes: Sequence[StoredLane],
        removed: Sequence[str],
        replays: Sequence[Progress],
    ) -> Results:
        deliveries, self.deliveries = self.deliveries, []
        messages, self._messages = self._messages, []
        tokens, self._tokens = self._tokens, []
        return Results(
            webhook_id=self._webhook_id,
            epoch=epoch,
            seq=seq,
            breaker=breaker,
            lanes=lanes,
            delivered_lanes=removed,
            deliveries=deliveries,
            hours=_hours(deliveries),
            messages=messages,
            tokens=tokens,
            replays=replays,
        )

    def stored(self, results: Results) -> None:
        self.stored_seq = results.seq
        self.unstored -= len(results.deliveries)

    def put_back(self, results: Results) -> None:
        self.deliveries[:0] = results.deliveries
        self._messages[:0] = results.messages
        self._tokens[:0] = results.tokens


def _hours(deliveries: Sequence[Delivery]) -> list[DeliveryHour]:
    by_hour: dict[int, list[int]] = {}
    for delivery in deliveries:
        if delivery.outcome == outcomes.EXHAUSTED:  # says what became of the attempt before it
            continue
        counts = by_hour.setdefault(delivery.created_at // clock.HOUR, [0, 0, 0])
        counts[delivery.outcome != outcomes.DELIVERED] += 1
        counts[2] += delivery.duration
    return [DeliveryHour(hour, *counts) for hour, counts in by_hour.items()]


MAX_IN_FLIGHT = 1_024
"""Requests at a time, of all webhooks."""
MEMORY = 64 << 20
"""Bytes of events in memory, of all webhooks."""
MAX_RESULTS = 1_000
"""Results of a webhook that are not stored yet: after a crash, they are sent again."""
TIMEOUT = 15.0
"""Seconds that a request can take."""
MARGIN = 1.0


def lease_clock() -> float:
    """Seconds that pass while the machine sleeps, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Budget:
    def __init__(
        self, db: Database, reader: EventReader, changed: Callable[[Endpoint], None], count: Callable[[str, str], None]
    ) -> None:
        """`changed` is called when one has ended; `count` for each attempt, with what
        was sent and the outcome."""
        self.db = db
        self.reader = reader
        self.changed = changed
        self.count = count
        self.is_stopping = False
        self.is_stalled = False
        """Results cannot be stored: nothing new is started."""
        self.requests_each = MAX_IN_FLIGHT
        self.bytes_each = MEMORY
        self._ahead = 0
        """Microseconds by which the database's clock is ahead of this machine's."""
        self._is_leased = dialect(db).is_shared

    def now(self) -> int:
        """Microseconds since 1970, by the database's clock: what one server plans, another one may carry out."""
        return clock.now() + self._ahead

    def heard(self, now: int) -> None:
        """The database's clock shows this."""
        if self._is_leased:
            self._ahead = now - time.time_ns() // 1000

    def lasts(self, lease_ends: float) -> bool:
        """Test whether a request that is sent now ends before the lease, so that the next holder's cannot overtake
        it."""
        return not self._is_leased or lease_ends - lease_clock() > TIMEOUT + MARGIN

    def divide(self, busy: int) -> None:
        """Among so many webhooks."""
        self.requests_each = max(1, MAX_IN_FLIGHT // max(1, busy))
        self.bytes_each = MEMORY // max(1, busy)


LOOK = 0.02
"""Seconds between two looks at how busy the process is."""
BUSY = 0.6
"""Share of a core: beyond it, and with more than CALLS a second, callers would have to wait for deliveries."""
CALLS = 200
LEAST = 500
"""Requests a second that may begin while callers keep the process busy, to all endpoints together: a twentieth of a
core."""
LAG = 1.0
"""Seconds that events wait meanwhile at most, however many come: in this time, as many requests may begin beyond LEAST
as events wait."""


AGAIN, LEAST_AGAIN = 2_000, 100
"""Requests of replays a second that may begin, to all endpoints together: at most, and while the process is busy."""
SPARE = 0.4
"""Share of a core: beyond it, replays go slower, since no one waits for them."""


class Pace:
    def __init__(self) -> None:
        self._again: float = LEAST_AGAIN
        self.makes_way = False
        """True if callers keep the process busy."""
        self._last = (0.0, 0.0, 0)
        self.seconds = 0.0
        """Between the last two looks."""

    def look(self, now: float, used: float, answered: int) -> bool:
        """By a clock, the CPU time and the answered calls of this process, all of them rising: seconds, seconds, a
        number. False if it is too early for a look."""
        read = now, used, answered
        seconds, cpu, calls = (new - old for new, old in zip(read, self._last, strict=True))
        if seconds < LOOK:
            return False
        self._last, self.seconds = read, seconds
        self._again = max(LEAST_AGAIN, self._again / 2) if cpu > SPARE * seconds else min(AGAIN, self._again * 1.1)
        self.makes_way = cpu > BUSY * seconds and calls > CALLS * seconds
        return True

    def starts(self, waiting: int, busy: int) -> float:
        """Requests to one of so many busy endpoints that may begin until the next look, with so many events waiting for
        it."""
        return (LEAST / max(1, busy) + waiting / LAG) * self.seconds if self.makes_way else math.inf

    def starts_again(self, replaying: int) -> float:
        """Requests of replays to one of so many endpoints that may begin until the next look."""
        return self._again * self.seconds / max(1, replaying)
