"""Usage: how many requests were made with API keys, by time, user, key and endpoint. Everyone reads their own, admins
that of all users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rollbook import clock
from rollbook.actions.arguments import ReadUsage
from rollbook.actions.checking import refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import reaches, require, subject
from rollbook.actions.principal import Principal
from rollbook.records import keys, users
from rollbook.records import usage as records
from rollbook.records.usage import ALL_USERS, Hour, OfKey, OfRoute, OfUser
from rollbook.storage.database import Queries

SCOPE = "requests:read"
DAYS = {"24h": 1, "7d": 7, "30d": 30, "90d": 90}
ALL = "all"
"""Stands for all users in the place of one."""


class Usage(NamedTuple):
    user_id: str | None
    """None: of the whole server."""
    period: str
    since: int
    until: int
    step: int
    """Microseconds of an interval: an hour or a day."""
    total: Hour
    intervals: list[Hour]
    users: list[OfUser]
    """Of the whole server only."""
    keys: list[OfKey]
    routes: list[OfRoute]
    windows: list[tuple[str, int]]
    """The windows of limits that refused requests, and how many; the most first."""
    names: dict[str, str]
    """Of these users and keys, by ID, as far as the caller may read them and they were not erased."""


class Named(NamedTuple):
    """Kinds of names that the caller may read."""

    users: bool
    keys: bool


async def get_usage(on: Rollbook, by: Principal, asked: ReadUsage) -> Usage:
    """Get usage

    Counts requests made with API keys, by hour or day, key, endpoint and exceeded rate limit: your own, and for admins
    those of any `user`, or of the whole server by user and key (`user=all`). Requests appear within 2 seconds.
    """
    user_id = await _whose(on, by, asked)
    since, until, step = span(asked.period, clock.now())
    named = Named(reaches(by, "users:read", user_id), reaches(by, "keys:read", user_id))
    found = await on.read_aside(_read, user_id, since, asked.key, named)
    return found._replace(period=asked.period, until=until, step=step, intervals=_by(step, found.intervals))


async def _whose(on: Rollbook, by: Principal, asked: ReadUsage) -> str | None:
    """Raises InsufficientScope, InvalidParameter, NotFound."""
    if asked.user != ALL:
        return await subject(on, by, SCOPE, asked.user)
    require(by, SCOPE)
    if asked.key is not None:
        refuse("key", "requires the user of the key")
    return None


def others(total: Hour, some: Sequence[OfUser | OfKey]) -> Hour:
    """Usage of the users and keys beyond the listed ones. While a server of the version before still
    counts, there may seem to be less than none."""
    told = records.total([Hour(0, each.requests, each.errors, each.refused, each.limited) for each in some])
    return Hour(0, *(max(0, whole - part) for whole, part in zip(total[1:], told[1:], strict=True)))


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


async def _read(queries: Queries, user_id: str | None, since: int, key_id: str | None, named: Named) -> Usage:
    counted = ALL_USERS if user_id is None else user_id
    hours = await records.hours(queries, counted, since, key_id)
    whole = records.total(hours)
    of_key = [OfKey(counted, key_id, *whole[1:])] if key_id and hours else []
    by_key = of_key if key_id else await records.by_key(queries, counted, since)
    by_user = await records.by_user(queries, since) if user_id is None else []
    windows = await records.hit(queries, counted, since, key_id)
    return Usage(
        user_id=user_id,
        period="",
        since=since,
        until=0,
        step=0,
        total=whole,
        intervals=hours,
        users=by_user,
        keys=by_key,
        routes=await records.by_route(queries, counted, since, key_id),
        windows=sorted(windows.items(), key=lambda each: (-each[1], each[0])),
        names=await _names(queries, user_id, by_user, by_key, named),
    )


async def _names(
    queries: Queries, user_id: str | None, by_user: list[OfUser], by_key: list[OfKey], named: Named
) -> dict[str, str]:
    found: dict[str, str] = {}
    if named.keys:
        found |= {key.id: key.name for key in await keys.names(queries, user_id, [each.key_id for each in by_key])}
    if named.users and user_id is None:
        for some in (by_user, by_key):
            missing = dict.fromkeys(each.user_id for each in some if each.user_id not in found)
            found |= await users.names(queries, list(missing))
    return found


def _by(step: int, hours: list[Hour]) -> list[Hour]:
    """The hours as intervals of this length."""
    found: dict[int, list[Hour]] = {}
    for hour in hours:
        found.setdefault(hour.at - hour.at % step, []).append(hour)
    return [records.total(some)._replace(at=at) for at, some in found.items()]
