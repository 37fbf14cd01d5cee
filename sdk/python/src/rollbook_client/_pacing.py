"""Keeps requests within the rate limit, by what the server said of it last. Free of input and output.

The server counts in windows that begin with a request and last a fixed time (`RateLimit-Policy`), and says with each
response how many requests are left in each and when it ends (`RateLimit`, draft-ietf-httpapi-ratelimit-headers).
Requests whose response is not yet there may or may not be in that number, so all of them are taken off it: then no
request is ever one too many, whatever the order of responses. Before the first response nothing is known, so the first
request goes alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_ITEM = re.compile(r'"([^"]*)"((?:\s*;\s*[a-z]+=[0-9]+)*)')
_PARAMETER = re.compile(r"([a-z]+)=([0-9]+)")


class Window:
    """What is known of one. `ends` is never before its true end; after it, `is_over` until a response speaks of the
    next window."""

    __slots__ = ("ends", "is_over", "left", "quota", "seconds")

    def __init__(self, quota: int, seconds: int, left: int, ends: float) -> None:
        self.quota, self.seconds, self.left, self.ends, self.is_over = quota, seconds, left, ends, False

    def hear(self, quota: int, left: int, ends: float) -> None:
        """What a response says, which may be older than what is known."""
        self.quota = quota
        if ends - self.ends > self.seconds / 2:
            self.left, self.ends, self.is_over = left, ends, False
        elif not self.is_over:
            self.left, self.ends = min(self.left, left), min(self.ends, ends)

    def count_unheard(self, cost: int, now: float) -> None:
        """A request that may have been counted, and may have begun a window."""
        if self.is_over:
            self.ends, self.is_over = now + self.seconds, False
        self.left -= cost


class Pacer:
    """Not safe for use by several threads at once: the callers have a lock. Times are seconds of one steady clock."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] | None = None
        self._in_flight = 0

    def enter(self, cost: int, now: float) -> tuple[float, bool]:
        """Seconds until it is worth asking again, 0 if the request is let through; and whether that time has to pass,
        or a response may end it sooner."""
        if self._windows is None:
            wait, must_pass = (math.inf if self._in_flight else 0.0), False
        else:
            wait, must_pass = 0.0, False
            for window in self._windows.values():
                if now >= window.ends and not window.is_over:
                    window.left, window.is_over = window.quota, True
                needed = min(cost, window.quota)
                if window.left - self._in_flight < needed:
                    # Without an end to wait for, requests are on their way that will bring one.
                    until = math.inf if window.is_over else window.ends - now
                    if until > wait:
                        wait, must_pass = until, window.left < needed and not window.is_over
        if not wait:
            self.pass_by(cost)
        return wait, must_pass

    def pass_by(self, cost: int) -> None:
        """A request is on its way."""
        self._in_flight += cost

    def leave(self, cost: int, status: int, headers: Mapping[str, str], now: float) -> None:
        """A request that was let through has its response, or failed without one: `status` is 0."""
        self._in_flight -= cost
        policy, state = _items(headers.get("ratelimit-policy", "")), _items(headers.get("ratelimit", ""))
        if status == 401 or not (policy and state):
            # Nothing was said of the user's limit. The request may have been counted.
            if 200 <= status < 300:
                self._windows = {}
            elif status != 401:
                for window in (self._windows or {}).values():
                    window.count_unheard(cost, now)
            return
        known, self._windows = self._windows or {}, {}
        for name, parameters in policy.items():
            quota, seconds, left = parameters.get("q"), parameters.get("w"), state.get(name, {}).get("r")
            if not quota or not seconds or left is None:
                continue
            ends = now + state[name].get("t", seconds)
            window = known.get(name)
            if window is None or window.seconds != seconds:
                window = Window(quota, seconds, left, ends)
            else:
                window.hear(quota, left, ends)
            self._windows[name] = window


def _items(value: str) -> dict[str, dict[str, int]]:
    """A list of strings with whole numbers as parameters (RFC 9651)."""
    return {name: {key: int(number) for key, number in _PARAMETER.findall(rest)} for name, rest in _ITEM.findall(value)}
