"""Circuit breaker of one endpoint. While open, it sends one probe event at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rollbook import clock
from rollbook.delivery import outcomes
from rollbook.delivery.sender import Sent
from rollbook.records.webhooks.cursors import BreakerState

UNREACHABLE = 5
"""Failures in a row of an endpoint that cannot be reached after which it is left alone."""
FAILED = 10
"""The same of one that answers with errors."""
LANES = 3
"""Lanes that must be failing then: one that always fails says nothing about the others."""
RECENT = 50
"""Of the last so many attempts, more than half must have failed."""
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
        asked = sent.retry_after if sent.http_status in _ASKS_TO_WAIT else None
        if self.open_until is not None or asked or self._is_failing():
            self._open(now, min(asked or 0.0, MAX_RETRY_AFTER))
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
