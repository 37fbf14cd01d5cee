"""Answered requests, each noted once. Metrics count it at once; the access log, usage, the request log and spans take
what is noted a handful at a time.

A handful costs less than as many requests one by one: the code and what it touches stay in the processor's caches.
Nothing is lost when the server stops, since `App.stop` has the last handful worked off. A killed process loses the open
one: up to HANDFUL requests, not older than WITHIN.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from rollbook import clock
from rollbook.observe.metrics import UNMATCHED, Metrics

if TYPE_CHECKING:
    from rollbook.http.request import Request
    from rollbook.observe.access import AccessLog
    from rollbook.observe.spans import Spans
    from rollbook.observe.usage_buffer import UsageBuffer

HANDFUL = 64
WITHIN = 0.05
"""Seconds after which a handful is worked off that has not become full."""
LARGE = 65_536
"""Bytes of a body that is not kept until then."""


class Answered(NamedTuple):
    """An answered request."""

    request: Request
    status: int
    size: int
    """Bytes of the body that was sent."""
    microseconds: int
    """From the request's last byte to its answer."""
    at: int
    """The time when it was answered, in microseconds since 1970."""


class Done:
    """Answered requests of one worker. `routes` are the indexes of rows in the metrics, by identity."""

    def __init__(self, metrics: Metrics, routes: Mapping[int, int], access_log: AccessLog, usage: UsageBuffer) -> None:
        self.count = 0
        """Requests answered so far."""
        self.spans: Spans | None = None
        self._metrics = metrics
        self._routes = routes
        self._access_log = access_log
        self._usage = usage
        self._open: list[Answered] = []
        self._timer: asyncio.TimerHandle | None = None

    def note(self, request: Request, status: int, size: int) -> None:
        microseconds = (time.perf_counter_ns() - request.started) // 1000
        self.count += 1
        route = request.route
        self._metrics.request(UNMATCHED if route is None else self._routes[id(route)], status, microseconds)
        open = self._open
        open.append(Answered(request, status, size, microseconds, clock.now()))
        if len(open) >= HANDFUL or len(request.body) > LARGE:
            self.work_off()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WITHIN, self._due)

    def work_off(self) -> None:
        """Hand over what has been noted. To be called before anyone reads usage, and at the end."""
        handful, self._open = self._open, []
        if not handful:
            return
        self._access_log.add(handful)
        self._usage.add(handful)
        if self.spans is not None:
            for each in handful:
                self.spans.end(each)

    def _due(self) -> None:
        self._timer = None
        self.work_off()
