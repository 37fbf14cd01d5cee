"""The pages of the request log, for those whose requests they are and for admins: the list, which can follow the log,
and one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlencode

from msgspec import structs

from rollbook import clock, errors
from rollbook.actions import keys
from rollbook.actions import usage as usage_actions
from rollbook.actions.arguments import Time
from rollbook.actions.arguments.usage import ListRequests
from rollbook.api.show import encode, pretty
from rollbook.api.usage import logged_error
from rollbook.errors import Fault, InvalidParameter, NotFound
from rollbook.http.request import Response
from rollbook.records import keys as key_records
from rollbook.records import users
from rollbook.records.request_log import Logged
from rollbook.web import forms, usage, zones
from rollbook.web.keys import pages
from rollbook.web.page_request import PageRequest, whole_number

PAGE = 50
MAX_STEPS = 40
"""Pages that one can turn back to; from further back, only to the newest."""
FILTERS = ("status", "method", "path", "path_match", "key", "user", "after", "before")
TIMES = (("after", False), ("before", True))
"""And whether it is the end of a range."""
OTHERS = ("id", "turned", "live", "n", "zone")
"""Other parameters that the URL of a list can have."""
LABELS = {
    "status": "The status",
    "method": "The method",
    "path": "The path",
    "path_match": "The comparison of paths",
    "key": "The key ID",
    "user": "The user ID",
    "after": "From",
    "before": "Until",
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


class LogView(NamedTuple):
    """View of the request log: the requests that a page lists, and its path."""

    path: str
    section: str
    user_id: str | None
    """None: those of all users."""
    title: str
    keys: list[tuple[str, str]] | None
    """The keys to choose from, if there are few."""
    name: Callable[[Logged], Any]
    """Name of the key of a request, and the address of its page."""


class KeyLink(NamedTuple):
    name: str
    url: str


async def show_own(page: PageRequest) -> Response:
    return await show(page, await _own(page))


async def show_own_live(page: PageRequest) -> Response:
    return await show_live(page, await _own(page))


async def show_own_request(page: PageRequest) -> Response:
    """Raises NotFound. Admins can see others' requests, but not here."""
    return await show_one(page, await _own(page), page.ids[0])


async def show_all(page: PageRequest) -> Response:
    return await show(page, _all(page))


async def show_all_live(page: PageRequest) -> Response:
    return await show_live(page, _all(page))


async def show_any_request(page: PageRequest) -> Response:
    """Raises NotFound."""
    return await show_one(page, _all(page), page.ids[0])


async def show(page: PageRequest, view: LogView) -> Response:
    """Newest first. The URL holds the times at which the pages before this one began, so that one can turn back."""
    request_id = page.query.get("id", "").strip()
    if request_id and await find(page, view, request_id) is not None:
        return page.redirect(f"{view.path}/{request_id}")
    context = await _list(page, view, request_id, 0)
    return page.render(
        "account/requests.html",
        section=view.section,
        wanted=request_id,
        methods=[("", "All"), *((name, name) for name in METHODS)],
        matches=[("", "Begins with"), ("exact", "Is exactly")],
        retention=page.on.settings.request_retention,
        **context,
    )


async def show_live(page: PageRequest, view: LogView) -> Response:
    """The list alone, for a page that follows the log."""
    if not page.is_htmx:
        return page.redirect(view.path)
    return page.render("account/requests_live.html", **await _list(page, view, "", page.next_poll()))


async def show_one(page: PageRequest, view: LogView, id: str) -> Response:
    """Raises NotFound."""
    request = await find(page, view, id)
    if request is None:
        raise NotFound("The request log has no such request. It may be too old, or less than 2 seconds old.")
    return page.render(
        "account/request.html",
        section=view.section,
        view=view,
        request=request,
        key=await view.name(request),
        key_name=next(iter(await page.on.read(key_records.names, request.user_id, [request.key_id])), None),
        reason=_reason(request.status),
        about=_about(request),
        body=_body(page, request),
        limited_by=usage.window_name(request.limited_by) if request.limited_by else None,
        exactly=clock.format_time_exactly(request.at),
    )


async def find(page: PageRequest, view: LogView, id: str) -> Logged | None:
    """The request with this ID, if it belongs here."""
    with suppress(NotFound):
        request = await usage_actions.get_request(page.on, page.by, id)
        return request if view.user_id in (None, request.user_id) else None
    return None


async def _own(page: PageRequest) -> LogView:
    """The requests of the person's keys. Raises NotFound."""
    chosen = await pages.chosen_own(page)
    choices = pages.key_options(await keys.choices(page.on, page.by, page.me.user.id), chosen)
    names = dict(choices)

    async def name(request: Logged) -> KeyLink:
        if request.key_id not in names:
            names[request.key_id] = pages.key_label(await pages.find_own(page, request.key_id))
        return KeyLink(names[request.key_id], f"/account/keys/{request.key_id}")

    return LogView("/account/requests", "account/requests", page.me.user.id, "Requests", choices, name)


def _all(page: PageRequest) -> LogView:
    """The requests of all users."""
    names: dict[str, str] = {}

    async def name(request: Logged) -> KeyLink:
        id = request.user_id
        if id not in names:
            try:
                names[id] = (await users.get(page.on.db, id)).name
            except NotFound:  # deleted since
                names[id] = id
        return KeyLink(names[id], f"/admin/users/{id}")

    return LogView("/admin/requests", "admin/requests", None, "All requests", None, name)


async def _list(page: PageRequest, view: LogView, request_id: str, polls: int | None) -> dict[str, Any]:
    values = {name: page.query.get(name, "").strip() for name in FILTERS}
    values |= {name: page.sent_utc(values[name], last) for name, last in TIMES}
    filters = {name: value for name, value in values.items() if value}
    trail = [time for part in page.query.get("turned", "").split(".") if (time := whole_number(part)) is not None]
    requests, following, problems = list[Logged](), None, dict[str, str]()
    try:
        query = _asked(page, view, filters, trail)
        if not request_id:
            requests, following, _ = await usage_actions.list_requests(page.on, page.by, query)
    except (InvalidParameter, NotFound) as error:
        problems = _problems(page, error)
    live = "live" in page.query and not trail

    def url(steps: list[int], **more: str) -> str:
        query = urlencode({**filters, **more, **({"turned": ".".join(map(str, steps[-MAX_STEPS:]))} if steps else {})})
        return f"{view.path}?{query}" if query else view.path

    return {
        "view": view,
        "given": values,
        "zone": zones.fitting(page.zone, [(values[name], last) for name, last in TIMES]),
        "problems": problems,
        "requests": [(line, await view.name(line)) for line in requests],
        "is_filtered": bool(filters or request_id),
        "newer": url(trail[:-1]) if trail else None,
        "older": url([*trail, following]) if following is not None else None,
        "live": live,
        "following": url([], live="on"),
        "paused": url([]),
        "refresh": f"{view.path}/live?{urlencode({**filters, 'live': 'on', 'n': str(polls)})}",
        "polls": polls,
    }


def _asked(page: PageRequest, view: LogView, filters: Mapping[str, str], trail: list[int]) -> ListRequests:
    """Raises InvalidParameter: also for what the page doesn't know."""
    unknown = page.query.keys() - {*FILTERS, *OTHERS} | ({"user"} & filters.keys() if view.user_id else set())
    if unknown:
        raise InvalidParameter(
            faults=[Fault("", f"There is no filter “{errors.shortened(name)}”.") for name in sorted(unknown)]
        )
    who = {"user": view.user_id} if view.user_id else {}
    query = page.arguments(ListRequests, {**filters, **who, "limit": PAGE})
    if query.after is not None:  # From is the first moment that is shown
        query = structs.replace(query, after=Time(query.after - 1))
    return structs.replace(query, before=Time(trail[-1])) if trail else query


def _problems(page: PageRequest, error: InvalidParameter | NotFound) -> dict[str, str]:
    if isinstance(error, NotFound):
        error = InvalidParameter(faults=[Fault("user", "There is no such user.")])
    return forms.problems(page, error, LABELS)


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _body(page: PageRequest, request: Logged) -> str:
    error = logged_error(request, page.on.url)
    return "" if error is None else pretty(encode(error).decode())


def _about(request: Logged) -> str | None:
    """Page of the docs that explains what happened."""
    if request.error is not None and request.error.code in {error.code for error in errors.tree()}:
        return f"/docs/errors/{request.error.code}"
    return "/docs/errors" if request.status >= 400 else None
