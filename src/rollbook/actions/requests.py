"""The request log: calls that were made with API keys. Everyone sees those with their own keys, admins those of all
users."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

from rollbook import clock
from rollbook.actions.arguments import ListRequests
from rollbook.actions.checking import refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.events import Waiting
from rollbook.actions.permissions import reaches_all, require_own, subject_or_all
from rollbook.actions.principal import Principal, as_of_now
from rollbook.errors import InsufficientScope, NotFound, TooManyStreams
from rollbook.limits.slots import WAITING, UserHasEnough
from rollbook.records import request_log
from rollbook.records.request_log import FoundRequests, Logged, Search

PATH = "/v1/requests"
SETTLED = 4 * clock.SECOND
"""Requests answered so long ago are in the log, which each worker writes every 1.5 s. What follows the log looks no
nearer to the present."""
PAUSE = 1.0
"""Seconds between two looks for those who wait."""
SCOPE = "requests:read"


class RequestPage(NamedTuple):
    requests: list[Logged]
    next: int | None
    """`before` of the next page, or `after` if the oldest come first; None if there is no more."""
    position: int
    """Up to here this page has what was asked for, or pages before it: `after`, to follow the log from here."""


async def list_requests(
    on: Rollbook, by: Principal, asked: ListRequests, waiting: Waiting = nullcontext
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
    if asked.wait and asked.order == "desc":
        refuse("wait", "requires order=asc")
    if asked.path_match == "exact" and not asked.path:
        refuse("path_match", "requires path")
    wanted = await _search(on, by, asked)
    page = await _page(on, wanted, asked)
    if asked.wait and not page.requests and page.next is None:
        with _counted(on, by.user_id):
            page = await _next_page(on, by, wanted, page, asked, waiting)
    return page


async def get_request(on: Rollbook, by: Principal, id: str) -> Logged:
    """Get a request

    Returns one call from the request log, by the `X-Request-Id` of its response. It may be missing if it is less than 2
    seconds old, past its retention, or was only counted because thousands came at once.
    """
    require_own(by, SCOPE)
    found = await on.read_aside(request_log.request, None if reaches_all(by, SCOPE) else by.user_id, id)
    if found is None:
        raise NotFound("The request log has no such request. It may be too old, or less than 2 seconds old.")
    return found


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


async def _search(on: Rollbook, by: Principal, asked: ListRequests) -> Search:
    """Raises InsufficientScope, InvalidParameter, NotFound."""
    return Search(
        user_id=await subject_or_all(on, by, SCOPE, asked.user),
        key_id=asked.key,
        statuses=(0, 999) if asked.status is None else request_log.statuses(asked.status),
        method=asked.method,
        path=asked.path or "",
        is_whole=asked.path_match == "exact",
        after=asked.after or 0,
        before=request_log.END if asked.before is None else asked.before,
        hidden=PATH if asked.wait else None,
    )


async def _page(on: Rollbook, wanted: Search, asked: ListRequests) -> RequestPage:
    settled = clock.now() - SETTLED
    if asked.order == "desc":
        found = await on.read_aside(request_log.search, wanted, asked.limit)
        return RequestPage(found.lines, found.next, settled)
    until = min(wanted.before, settled)
    if until <= wanted.after:
        return RequestPage([], None, wanted.after)
    found: FoundRequests = await on.read_aside(request_log.search, wanted._replace(before=until), asked.limit, True)
    return RequestPage(found.lines, found.next, until - 1 if found.next is None else found.next)


async def _next_page(
    on: Rollbook, by: Principal, wanted: Search, page: RequestPage, asked: ListRequests, waiting: Waiting
) -> RequestPage:
    """The first that is not empty, or an empty one when the time is over, the client left or the server stops."""
    now = asyncio.get_running_loop().time
    until, left = now() + asked.wait, asyncio.Event()
    with waiting(left.set):
        while not page.requests and now() < until and not left.is_set() and not on.feeds.is_closed:
            await asyncio.sleep(min(PAUSE, max(0.0, until - now())))
            page = await _page(on, wanted._replace(after=max(wanted.after, page.position)), asked)
    if page.requests:
        caller = await on.read(as_of_now, by)
        if SCOPE not in (caller.scopes_on_self if wanted.user_id == by.user_id else caller.scopes_on_all):
            raise InsufficientScope(scope=SCOPE)
    return page
