"""How many requests to endpoints may begin, so that those who call the API don't notice them."""

from __future__ import annotations

import time
from collections.abc import Callable

LOOK = 0.02
"""Seconds between two looks at how busy the process is."""
BUSY = 0.6
"""Of a core: beyond it, and with more than CALLS a second, callers would have to wait for deliveries."""
CALLS = 200
LEAST, MOST = 10, 160
"""Requests that may begin between two looks while callers keep the server busy: a twentieth of a core, so that deliveries go on. Beyond MOST
their number is not limited."""


class Pace:
    def __init__(self, answered: Callable[[], int]) -> None:
        """`answered` is how many requests of callers this process has answered so far."""
        self.starts: int | None = None
        """Requests that may begin until the next look, of all webhooks. None: any number."""
        self._answered = answered
        self._last = self._read()

    def look(self) -> bool:
        """False if it is too early for a look."""
        read = self._read()
        seconds, used, answered = (now - before for now, before in zip(read, self._last, strict=True))
        if seconds < LOOK:
            return False
        self._last = read
        if used > BUSY * seconds and answered > CALLS * seconds:
            self.starts = max(LEAST, (self.starts or MOST) // 2)
        elif self.starts is not None:
            self.starts = self.starts + LEAST if self.starts < MOST else None
        return True

    def _read(self) -> tuple[float, float, int]:
        return time.monotonic(), time.process_time(), self._answered()
