"""Usage as pages show it: the last seven days, and the windows of a limit as they stand now."""

from __future__ import annotations

from typing import NamedTuple

from rollbook import clock, quota, units
from rollbook.actions import key_bounds
from rollbook.limits.policy import key_bucket, scim_bucket
from rollbook.quota import Limit
from rollbook.records.keys import Key
from rollbook.web.page_request import PageRequest

HOURS = 7 * 24


class Gauge(NamedTuple):
    """The current state of one window of a rate limit."""

    label: str
    used: int
    limit: int
    hint: str


def last_week() -> tuple[int, int]:
    """The last seven days in whole hours, including the current one."""
    now = clock.now()
    until = now - now % clock.HOUR + clock.HOUR
    return until - HOURS * clock.HOUR, until


async def gauges(page: PageRequest, bucket: str, limit: Limit) -> list[Gauge]:
    """Each window of a limit. Nothing is counted."""
    seen = await page.on.limiter.peek(bucket, limit, clock.now())
    return [
        Gauge(
            f"Per {_length(window.seconds)}",
            window.calls - left,
            window.calls,
            f"{left:,} left. Resets in {units.duration(reset)}." if left < window.calls else f"{left:,} left.",
        )
        for window, (left, reset) in zip(limit, seen, strict=True)
    ]


async def gauges_of(page: PageRequest, key: Key) -> list[Gauge]:
    """The gauges of the limits that only this key, and those it shares them with, count toward."""
    own = key_bucket(key.user_id, key.limited_with or key.id)
    shown = await gauges(page, own, key_bounds.limit_of(key.rate_limit))
    if key.kind == "scim":
        bucket = scim_bucket(key.user_id, key.tenant or key.id)
        shown = [*await gauges(page, bucket, page.on.settings.scim_limit), *shown]
    return shown


def window_name(name: str) -> str:
    """The window that refused a request, which the log calls `key-minute`, in words."""
    if name == "attempts":
        return "Wrong passwords"
    whose = "Limit of one key" if name.startswith("key-") else "All keys together"
    unit = name.removeprefix("key-")
    return f"{whose}, per {f'{unit[:-1]} seconds' if unit[:-1].isdecimal() else unit}"


def _length(seconds: int) -> str:
    """`minute`, `30 seconds`."""
    return next((unit for unit, length in quota.UNITS.items() if seconds == length), f"{seconds} seconds")
