"""Where threads wait: for the rate limit, for a response, for the next try. The one part that is written for each of
tasks and threads."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .._logs import note
from .._pacing import Pacer
from .._responses import limit_wait

if TYPE_CHECKING:
    import httpx2


class Clock:
    """Seconds that only go on."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> None:
        """Until the event, or for so long."""
        event.wait(None if math.isinf(seconds) else seconds)


class Gate:
    """Lets requests through as fast as the rate limit allows. One waits at the gate, all others behind it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pacer = Pacer()
        self._state = threading.Lock()
        self._turn = threading.Lock()
        self._heard = threading.Event()

    def enter(self, cost: int, max_wait: float) -> None:
        """Raises RateLimitExceeded if the rate limit requires a longer wait."""
        with self._turn:
            while True:
                self._heard.clear()
                with self._state:
                    wait, must_pass = self._pacer.enter(cost, self._clock.now())
                if not wait:
                    return
                if must_pass:
                    if wait > max_wait:
                        raise limit_wait(wait)
                    note("The rate limit leaves no requests for %.0f s. Waiting.", wait)
                self._clock.wait(self._heard, wait)

    def pass_by(self, cost: int) -> None:
        """A request that does not wait."""
        with self._state:
            self._pacer.pass_by(cost)

    def leave(self, cost: int, status: int, headers: Mapping[str, str]) -> None:
        with self._state:
            self._pacer.leave(cost, status, headers, self._clock.now())
        self._heard.set()


def abandon(http: httpx2.Client) -> None:
    """A client that was not closed is gone."""
    http.close()
