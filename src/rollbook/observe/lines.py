"""Shared by both logs: the form and time of a line, and masking of secrets and control characters.

Answered requests, each noted once. Metrics count it at once; the access log, usage, the request log and spans take
what is noted a handful at a time.

A handful costs less than as many requests one by one: the code and what it touches stay in the processor's caches.
Nothing is lost when the server stops, since `App.stop` has the last handful worked off. A killed process loses the open
one: up to HANDFUL requests, not older than WITHIN.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from rollbook import clock
from rollbook.observe.metrics import UNMATCHED, Metrics

if TYPE_CHECKING:
    from rollbook.http.request import Request
    from rollbook.observe.access import AccessLog
    from rollbook.observe.spans import Spans
    from rollbook.observe.usage_buffer import UsageBuffer


# Keys are `rbk_`, client secrets `rbo_`, and 38 letters and digits; a shorter run is a key that something cut off. The
# few characters that the API shows of a key to tell it from others are not matched.
_SECRET = re.compile(r"rb[ko]_[0-9A-Za-z]{12,}|\$argon2(?:id|i|d)?\$[0-9A-Za-z+/=,.$-]+")
MASKED = "***"

# DEL, the C1 controls (U+009B starts a terminal sequence as ESC [ does), line and paragraph separators, and the marks
# that turn the direction of text, with which a line can show something else than it says.
_UNSEEN = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_UNSEEN_IN_JSON = re.compile(f"[{_UNSEEN}]")
_UNSEEN_IN_TEXT = re.compile(f"[\\x00-\\x1f{_UNSEEN}\ud800-\udfff]")

DIM = "\x1b[2m"
_PLAIN = "\x1b[0m"

_MILLISECONDS = tuple(f".{number:03d}Z" for number in range(1000))
_second = (0, "1970-01-01T00:00:00")


def form(log: str, stream: TextIO) -> str:
    """`json`, `pretty` or `none`: the setting `log`, where `auto` asks whether a person is looking at the stream."""
    if log != "auto":
        return log
    return "pretty" if stream.isatty() else "json"


def stamp(seconds: float) -> str:
    """`2023-10-27T10:00:00.123Z` (RFC 3339 section 5.6) of seconds since 1970."""
    global _second
    second, millisecond = divmod(int(seconds * 1000), 1000)
    # One tuple, so that a thread never pairs another thread's second with its own text.
    last, text = _second
    if last != second:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        _second = (second, text)
    return text + _MILLISECONDS[millisecond]


def masked(text: str) -> str:
    """The text without API keys and password hashes. A last line of defense: they should never be logged in the first
    place."""
    return _SECRET.sub(MASKED, text)


def safe_json(text: str) -> str:
    """JSON that is safe to show: secrets masked, and what JSON itself lets through but a terminal obeys written as
    `\\uXXXX`.

    JSON has no control characters below U+0020 in its strings (RFC 8259 section 7), so a line stays one line (ASVS
    16.4.1).
    """
    return _UNSEEN_IN_JSON.sub(_escape, masked(text))


def safe_text(text: str) -> str:
    """Text for a line that is not JSON: secrets masked, every control character escaped."""
    return _UNSEEN_IN_TEXT.sub(_escape, masked(text))


def paint(text: str, color: str, on: bool) -> str:
    """The text in a color of the terminal, when it has any."""
    return f"{color}{text}{_PLAIN}" if on and color else text


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


HANDFUL = 64
WITHIN = 0.05
"""Seconds after which a handful is worked off that has not become full."""
LARGE = 65_536
"""Bytes of a body that is not kept until then."""


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
        self._open: list[Request] = []
        self._timer: asyncio.TimerHandle | None = None

    def note(self, request: Request, status: int, size: int) -> None:
        request.status, request.size, request.answered_at = status, size, clock.now()
        request.microseconds = microseconds = (time.perf_counter_ns() - request.started) // 1000
        self.count += 1
        route = request.route
        self._metrics.request(UNMATCHED if route is None else self._routes[id(route)], status, microseconds)
        open = self._open
        open.append(request)
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
            for request in handful:
                self.spans.end(request)

    def _due(self) -> None:
        self._timer = None
        self.work_off()
