"""The log of requests that were made with the person's keys, and one request in detail."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlencode

from rollbook import clock, errors
from rollbook.actions import requests
from rollbook.actions.arguments import ListRequests, Time
from rollbook.errors import NotFound, TooManyAttempts, TooManyRequests
from rollbook.http.response import Response
from rollbook.records.keys import Key
from rollbook.records.request_log import Logged
from rollbook.web import usage
from rollbook.web.account import own_keys
from rollbook.web.keys.holder import Holder, find, mine
from rollbook.web.page_request import PageRequest

PAGE = 50
MAX_STEPS = 40
"""Pages that one can turn back to; from further back, only to the newest."""
CLASSES = (
    ("", "All"),
    ("2xx", "Successful (2xx)"),
    ("4xx", "Client errors (4xx)"),
    ("429", "Rate limited (429)"),
    ("5xx", "Server errors (5xx)"),
)


async def show(page: PageRequest) -> Response:
    """Newest first. The URL holds the times at which the pages before this one began, so that one can turn back."""
    me, query = page.me.user.id, page.query
    wanted = query.get("id", "").strip()
    if wanted and await _own(page, wanted) is not None:
        return page.redirect(f"/account/requests/{wanted}")
    key_id = await own_keys.chosen(page)
    status = query.get("status") if query.get("status") in dict(CLASSES) else ""
    trail = [int(part) for part in query.get("before", "").split(".") if part.isascii() and part.isdigit() and len(part) < 19]
    found, following = list[Logged](), None
    if not wanted:
        asked = ListRequests(user=me, key=key_id, status=status or None, before=Time(trail[-1]) if trail else None, limit=PAGE)
        found, following, _ = await requests.list_requests(page.on, page.by, asked)
    mine = await own_keys.newest(page)

    def url(steps: list[int]) -> str:
        given = {"status": status, "key": key_id, "before": ".".join(map(str, steps[-MAX_STEPS:]))}
        chosen = urlencode({name: value for name, value in given.items() if value})
        return "/account/requests" + (f"?{chosen}" if chosen else "")

    return page.render(
        "account/requests.html",
        section="account/requests",
        requests=found,
        names=await _key_names(page, found, mine),
        keys=own_keys.options(mine),
        key_id=key_id or "",
        chosen=status,
        classes=CLASSES,
        wanted=wanted,
        is_filtered=bool(status or key_id or wanted),
        newer=url(trail[:-1]) if trail else None,
        older=url([*trail, following]) if following is not None else None,
        retention=page.on.settings.request_retention,
    )


async def show_one(page: PageRequest) -> Response:
    """Raises NotFound."""
    found = await _own(page, page.ids[0])
    if found is None:
        raise NotFound("The request log has no request of yours with this ID. It may be too old, or less than 2 seconds old.")
    return await detail(page, mine(page), found)


async def detail(page: PageRequest, holder: Holder, found: Logged) -> Response:
    """One request with a key of theirs."""
    return page.render(
        "account/request.html",
        section="account/requests" if holder.mine else holder.section,
        holder=holder,
        request=found,
        key_name=own_keys.label(await find(page, holder, found.key_id)),
        reason=_reason(found.status),
        about=_about(found),
        limited_by=usage.window_name(found.limited_by) if found.limited_by else None,
        exactly=clock.format_time_exactly(found.at),
    )


async def _own(page: PageRequest, id: str) -> Logged | None:
    """The person's request with this ID. Admins can see others', but not here."""
    with suppress(NotFound):
        found = await requests.get_request(page.on, page.by, id)
        return found if found.user_id == page.me.user.id else None
    return None


async def _key_names(page: PageRequest, requests: Iterable[Logged], known: Iterable[Key]) -> dict[str, str]:
    """What to call the keys of these requests."""
    found = {key.id: own_keys.label(key) for key in known}
    for id in {request.key_id for request in requests} - found.keys():
        found[id] = own_keys.label(await own_keys.find(page, id))
    return found


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _about(request: Logged) -> str | None:
    """Where the docs explain what happened: the error's page where the status tells which it was, else all of them."""
    if request.status < 400:
        return None
    if request.status == TooManyRequests.status:
        return f"/docs/errors/{(TooManyAttempts if request.limited_by == 'attempts' else TooManyRequests).code}"
    codes = {error.code for error in errors.tree() if error.status == request.status}
    return f"/docs/errors/{codes.pop()}" if len(codes) == 1 else "/docs/errors"
