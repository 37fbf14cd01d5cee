"""Where tasks wait: for the rate limit, for a response, for the next try. The one part that is written for each of
tasks and threads."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from .._logs import note
from .._pacing import Pacer
from .._responses import limit_wait

if TYPE_CHECKING:
    import asyncio

    import httpx2


class AsyncClock:
    """Seconds that only go on."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Until the event, or for so long."""
        import asyncio

        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), None if math.isinf(seconds) else seconds)


class AsyncGate:
    """Lets requests through as fast as the rate limit allows. One waits at the gate, all others behind it."""

    def __init__(self, clock: AsyncClock) -> None:
        import asyncio  # programs that use it have it; to others, it would be half of what importing this client costs

        self._clock = clock
        self._pacer = Pacer()
        self._turn = asyncio.Lock()
        self._heard = asyncio.Event()

    async def enter(self, cost: int, max_wait: float) -> None:
        """Raises RateLimitExceeded if the rate limit requires a longer wait."""
        async with self._turn:
            while True:
                self._heard.clear()
                wait, must_pass = self._pacer.enter(cost, self._clock.now())
                if not wait:
                    return
                if must_pass:
                    if wait > max_wait:
                        raise limit_wait(wait)
                    note("The rate limit leaves no requests for %.0f s. Waiting.", wait)
                await self._clock.wait(self._heard, wait)

    def pass_by(self, cost: int) -> None:
        """A request that does not wait."""
        self._pacer.pass_by(cost)

    def leave(self, cost: int, status: int, headers: Mapping[str, str]) -> None:
        self._pacer.leave(cost, status, headers, self._clock.now())
        self._heard.set()


def abandon(http: httpx2.AsyncClient) -> None:
    """A client that was not closed is gone. Its sockets close with it; what is left of them in the event loop, the loop
    closes."""
