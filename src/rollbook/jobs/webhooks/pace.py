"""Pace at which requests to endpoints begin, so that those who call the API hardly notice them, and events are late by
a bounded time."""

from __future__ import annotations

import math

LOOK = 0.02
"""Seconds between two looks at how busy the process is."""
BUSY = 0.6
"""Of a core: beyond it, and with more than CALLS a second, callers would have to wait for deliveries."""
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
"""Of a core: beyond it, replays go slower, since no one waits for them."""


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
