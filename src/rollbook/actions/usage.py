"""Usage: how many requests were made with API keys, by time, user, key and endpoint. Everyone reads their own, admins
that of all users.

The request log: calls that were made with API keys. Everyone sees those with their own keys, admins those of all
users.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

from rollbook import clock
from rollbook.actions.arguments.usage import ListRequests, ReadUsage
from rollbook.actions.checking import refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.events import Waiting
from rollbook.actions.permissions import reaches, reaches_all, require, require_own, subject, subject_or_all
from rollbook.actions.principal import Principal, as_of_now
from rollbook.errors import InsufficientScope, NotFound, TooManyStreams
from rollbook.limits.slots import WAITING, UserHasEnough
from rollbook.records import keys, request_log, users
from rollbook.records import usage as records
from rollbook.records.request_log import FoundRequests, Logged, Search
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
    """Users, in usage of the whole server only."""
    keys: list[OfKey]
    routes: list[OfRoute]
    windows: list[tuple[str, int]]
    """The windows of limits that refused requests, and how many; the most first."""
    names: dict[str, str]
    """Names of these users and keys, by ID, as far as the caller may read them and they were not erased."""


class ReadableNames(NamedTuple):
    """Kinds of names that the caller may read."""

    users: bool
    keys: bool


async def get_usage(on: Rollbook, by: Principal, query: ReadUsage) -> Usage:
    """Get usage

    Counts requests made with API keys, by hour or day, key, endpoint and exceeded rate limit: your own, and for admins
    those of any `user`, or of the whole server by user and key (`user=all`). Requests appear within 2 seconds.
    """
    user_id = await _whose(on, by, query)
    since, until, step = span(query.period, clock.now())
    named = ReadableNames(reaches(by, "users:read", user_id), reaches(by, "keys:read", user_id))
    report = await on.read_aside(_read, user_id, since, query.key, named)
    return report._replace(period=query.period, until=until, step=step, intervals=_by(step, report.intervals))


async def _whose(on: Rollbook, by: Principal, query: ReadUsage) -> str | None:
    """Raises InsufficientScope, InvalidParameter, NotFound."""
    if query.user != ALL:
        return await subject(on, by, SCOPE, query.user)
    require(by, SCOPE)
    if query.key is not None:
        refuse("key", "requires the user of the key")
    return None


def others(total: Hour, some: Sequence[OfUser | OfKey]) -> Hour:
    """Usage of the users and keys beyond the listed ones."""
    sums = records.total([Hour(0, line.requests, line.errors, line.refused, line.limited) for line in some])
    return Hour(0, *(whole - part for whole, part in zip(total[1:], sums[1:], strict=True)))


async def busiest_keys(on: Rollbook, by: Principal, query: ReadUsage) -> list[str]:
    """The IDs of the keys with the most requests in the period, at most `records.usage.MAX_KEYS`. Raises
    InsufficientScope, NotFound."""
    user_id = await subject(on, by, SCOPE, query.user)
    since, _, _ = span(query.period, clock.now())
    return [key.key_id for key in await on.read_aside(records.by_key, user_id, since)]


def span(period: str, now: int) -> tuple[int, int, int]:
    """Beginning and end of the period, in whole hours, and the length of its intervals. Days begin at midnight, UTC."""
    until = now - now % clock.HOUR + clock.HOUR
    if period == "24h":
        return until - clock.DAY, until, clock.HOUR
    days = DAYS[period]
    return now - now % clock.DAY - (days - 1) * clock.DAY, until, clock.HOUR if days <= 7 else clock.DAY


async def _read(queries: Queries, user_id: str | None, since: int, key_id: str | None, named: ReadableNames) -> Usage:
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
        windows=sorted(windows.items(), key=lambda window: (-window[1], window[0])),
        names=await _names(queries, user_id, by_user, by_key, named),
    )


async def _names(
    queries: Queries, user_id: str | None, by_user: list[OfUser], by_key: list[OfKey], named: ReadableNames
) -> dict[str, str]:
    names: dict[str, str] = {}
    if named.keys:
        names |= {key.id: key.name for key in await keys.names(queries, user_id, [line.key_id for line in by_key])}
    if named.users and user_id is None:
        for some in (by_user, by_key):
            missing = dict.fromkeys(line.user_id for line in some if line.user_id not in names)
            names |= await users.names(queries, list(missing))
    return names


def _by(step: int, hours: list[Hour]) -> list[Hour]:
    """The hours as intervals of this length."""
    steps: dict[int, list[Hour]] = {}
    for hour in hours:
        steps.setdefault(hour.at - hour.at % step, []).append(hour)
    return [records.total(some)._replace(at=at) for at, some in steps.items()]


PATH = "/v1/requests"
SETTLED = 4 * clock.SECOND
"""Requests answered so long ago are in the log, which each worker writes every 1.5 s. What follows the log looks no
nearer to the present."""
PAUSE = 1.0
"""Seconds between two looks for those who wait."""


class RequestPage(NamedTuple):
    requests: list[Logged]
    next: int | None
    """`before` of the next page, or `after` if the oldest come first; None if there is no more."""
    position: int
    """Up to here this page has what was asked for, or pages before it: `after`, to follow the log from here."""


async def list_requests(
    on: Rollbook, by: Principal, query: ListRequests, waiting: Waiting = nullcontext
) -> RequestPage:
    """List requests

    Returns calls that were made with API keys, newest first: your own, and for admins those of all users, or of one
    `user`. A request appears within 2 seconds. To follow the log, pass `order=asc` and the `Request-Position` of an
    earlier response as `after`: then a request appears after 4 seconds, in the order of answers, and none is missed.
    With `wait`, an empty list is returned only after that many seconds, and successful calls of this endpoint are left
    out, since they would end each wait. A search looks at a limited part of the log: a page can be short or empty, and
    if there is more, the `Link` header has the URL of the next page.
    """
    require_own(by, SCOPE)
    if query.wait and query.order == "desc":
        refuse("wait", "requires order=asc")
    if query.path_match == "exact" and not query.path:
        refuse("path_match", "requires path")
    search = await _search(on, by, query)
    page = await _page(on, search, query)
    if query.wait and not page.requests and page.next is None:
        with _counted(on, by.user_id):
            page = await _next_page(on, by, search, page, query, waiting)
    return page


async def get_request(on: Rollbook, by: Principal, id: str) -> Logged:
    """Get a request

    Returns one call from the request log, by the `X-Request-Id` of its response. It may be missing if it is less than 2
    seconds old, past its retention, or was only counted because thousands came at once.
    """
    require_own(by, SCOPE)
    line = await on.read_aside(request_log.request, None if reaches_all(by, SCOPE) else by.user_id, id)
    if line is None:
        raise NotFound("The request log has no such request. It may be too old, or less than 2 seconds old.")
    return line


@contextmanager
def _counted(on: Rollbook, user_id: str) -> Iterator[None]:
    """Raises TooManyStreams, Overloaded."""
    try:
        slot = on.slots.take(WAITING, user_id)
    except UserHasEnough:
        raise TooManyStreams(10) from None
    try:
        yield
    finally:
        slot.leave()


async def _search(on: Rollbook, by: Principal, query: ListRequests) -> Search:
    """Raises InsufficientScope, InvalidParameter, NotFound."""
    return Search(
        user_id=await subject_or_all(on, by, SCOPE, query.user),
        key_id=query.key,
        statuses=(0, 999) if query.status is None else request_log.statuses(query.status),
        method=query.method,
        path=query.path or "",
        is_whole=query.path_match == "exact",
        after=query.after or 0,
        before=request_log.END if query.before is None else query.before,
        hidden=PATH if query.wait else None,
    )


async def _page(on: Rollbook, search: Search, values: ListRequests) -> RequestPage:
    settled = clock.now() - SETTLED
    if values.order == "desc":
        batch = await on.read_aside(request_log.search, search, values.limit)
        return RequestPage(batch.lines, batch.next, settled)
    until = min(search.before, settled)
    if until <= search.after:
        return RequestPage([], None, search.after)
    batch: FoundRequests = await on.read_aside(request_log.search, search._replace(before=until), values.limit, True)
    return RequestPage(batch.lines, batch.next, until - 1 if batch.next is None else batch.next)


async def _next_page(
    on: Rollbook, by: Principal, search: Search, page: RequestPage, query: ListRequests, waiting: Waiting
) -> RequestPage:
    """The first that is not empty, or an empty one when the time is over, the client left or the server stops."""
    now = asyncio.get_running_loop().time
    until, left = now() + query.wait, asyncio.Event()
    with waiting(left.set):
        while not page.requests and now() < until and not left.is_set() and not on.feeds.is_closed:
            await asyncio.sleep(min(PAUSE, max(0.0, until - now())))
            page = await _page(on, search._replace(after=max(search.after, page.position)), query)
    if page.requests:
        caller = await on.read(as_of_now, by)
        if SCOPE not in (caller.scopes_on_self if search.user_id == by.user_id else caller.scopes_on_all):
            raise InsufficientScope(scope=SCOPE)
    return page
