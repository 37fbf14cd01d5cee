"""Budget that all webhooks of this process share: requests and bytes at a time, with the clock and the log reader.

Pace at which requests to endpoints begin, so that those who call the API hardly notice them, and events are late by
a bounded time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rollbook import clock
from rollbook.actions.event_feeds import EventReader
from rollbook.records.dialect import dialect
from rollbook.storage.database import Database

if TYPE_CHECKING:
    from rollbook.jobs.webhooks.endpoint import Endpoint


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
