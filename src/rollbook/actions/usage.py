"""Usage: how many requests were made with API keys, by time, key and endpoint. Everyone reads their own, admins that of
all users."""

from __future__ import annotations

from typing import NamedTuple

from rollbook import clock
from rollbook.actions.arguments import ReadUsage
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import subject
from rollbook.actions.principal import Principal
from rollbook.records import usage as records
from rollbook.records.usage import Hour, OfKey, OfRoute
from rollbook.storage.database import Queries

SCOPE = "requests:read"
DAYS = {"24h": 1, "7d": 7, "30d": 30, "90d": 90}


class Usage(NamedTuple):
    user_id: str
    period: str
    since: int
    until: int
    step: int
    """Microseconds of an interval: an hour or a day."""
    total: Hour
    intervals: list[Hour]
    keys: list[OfKey]
    routes: list[OfRoute]
    windows: list[tuple[str, int]]
    """The windows of limits that refused requests, and how many; the most first."""


async def get_usage(on: Rollbook, by: Principal, asked: ReadUsage) -> Usage:
    """Get usage

    Counts requests made with API keys, by hour or day, key, endpoint and exceeded rate limit: your own, and for admins
    those of any `user`. Requests appear within 2 seconds.
    """
    user_id = await subject(on, by, SCOPE, asked.user)
    since, until, step = span(asked.period, clock.now())
    found = await on.read_aside(_read, user_id, since, asked.key)
    return found._replace(period=asked.period, until=until, step=step, intervals=_by(step, found.intervals))


async def busiest_keys(on: Rollbook, by: Principal, asked: ReadUsage) -> list[str]:
    """The IDs of the keys with the most requests in the period, at most `records.usage.MAX_KEYS`. Raises
    InsufficientScope, NotFound."""
    user_id = await subject(on, by, SCOPE, asked.user)
    since, _, _ = span(asked.period, clock.now())
    return [each.key_id for each in await on.read_aside(records.by_key, user_id, since)]


def span(period: str, now: int) -> tuple[int, int, int]:
    """Beginning and end of the period, in whole hours, and the length of its intervals. Days begin at midnight, UTC."""
    until = now - now % clock.HOUR + clock.HOUR
    if period == "24h":
        return until - clock.DAY, until, clock.HOUR
    days = DAYS[period]
    return now - now % clock.DAY - (days - 1) * clock.DAY, until, clock.HOUR if days <= 7 else clock.DAY


async def _read(queries: Queries, user_id: str, since: int, key_id: str | None) -> Usage:
    hours = await records.hours(queries, user_id, since, key_id)
    whole = records.total(hours)
    of_key = [OfKey(key_id, *whole[1:])] if key_id and hours else []
    windows = await records.hit(queries, user_id, since, key_id)
    return Usage(
        user_id=user_id,
        period="",
        since=since,
        until=0,
        step=0,
        total=whole,
        intervals=hours,
        keys=of_key if key_id else await records.by_key(queries, user_id, since),
        routes=await records.by_route(queries, user_id, since, key_id),
        windows=sorted(windows.items(), key=lambda each: (-each[1], each[0])),
    )


def _by(step: int, hours: list[Hour]) -> list[Hour]:
    """The hours as intervals of this length."""
    found: dict[int, list[Hour]] = {}
    for hour in hours:
        found.setdefault(hour.at - hour.at % step, []).append(hour)
    return [records.total(some)._replace(at=at) for at, some in found.items()]
