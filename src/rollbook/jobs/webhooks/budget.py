"""Budget that all webhooks of this process share: requests and bytes at a time, with the clock and the log reader."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rollbook import clock
from rollbook.actions.event_reader import EventReader
from rollbook.records.dialect import dialect
from rollbook.storage.database import Database

if TYPE_CHECKING:
    from rollbook.jobs.webhooks.endpoint import Endpoint

MAX_IN_FLIGHT = 1_024
"""Requests at a time, of all webhooks."""
MEMORY = 64 << 20
"""Bytes of events in memory, of all webhooks."""
MAX_RESULTS = 1_000
"""Of a webhook that are not stored yet: after a crash, they are sent again."""
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
