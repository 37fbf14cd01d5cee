"""Clocks for the Python client under which waiting for the rate limit takes no time: the server's clock moves on
instead."""

from __future__ import annotations

import asyncio
import math
import threading
import time

from rollbook_client import AsyncRollbook, Rollbook
from rollbook_client._async._waiting import AsyncClock
from rollbook_client._sync._waiting import Clock

from tests.harness import Server


class _Passing:
    """`passed` is how many seconds were not waited for."""

    def __init__(self, server: Server) -> None:
        self._server, self.passed, self.started = server, 0.0, time.monotonic()

    def now(self) -> float:
        return time.monotonic() + self.passed

    def elapsed(self) -> float:
        """Seconds, by the server's clock."""
        return self.now() - self.started

    def pass_time(self, seconds: float) -> None:
        self.passed += seconds
        self._server.pass_time(self.passed)


class PassingClock(_Passing, Clock):
    def sleep(self, seconds: float) -> None:
        self.pass_time(seconds)

    def wait(self, event: threading.Event, seconds: float) -> None:
        if math.isinf(seconds) or self.client._connection.gate._pacer._in_flight:
            event.wait()
        else:
            self.pass_time(seconds)

    def install(self, client: Rollbook) -> Rollbook:
        self.client = client
        client._connection.clock = client._connection.gate._clock = self
        return client


class AsyncPassingClock(_Passing, AsyncClock):
    async def sleep(self, seconds: float) -> None:
        self.pass_time(seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        if math.isinf(seconds) or self.client._connection.gate._pacer._in_flight:
            await event.wait()
        else:
            self.pass_time(seconds)

    def install(self, client: AsyncRollbook) -> AsyncRollbook:
        self.client = client
        client._connection.clock = client._connection.gate._clock = self
        return client
