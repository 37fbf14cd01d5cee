"""The page of a user's usage, for themselves and for admins: over a period, of all API keys or of one, also as a
file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

from rollbook import clock
from rollbook.actions import keys
from rollbook.actions import usage as actions
from rollbook.actions.arguments import ReadUsage
from rollbook.actions.usage import Usage
from rollbook.api import spreadsheets
from rollbook.http.response import Response
from rollbook.records.keys import Key
from rollbook.records.usage import Hour, OfKey, OfRoute
from rollbook.records.users import User
from rollbook.web import plots, usage
from rollbook.web.admin import user_tabs
from rollbook.web.keys import holder
from rollbook.web.keys.holder import find, theirs
from rollbook.web.page_request import PageRequest, download

PERIODS = (("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days"))
COLUMNS = ("of", "name", "requests", "client_errors", "rate_limited", "server_errors", "p50_ms", "p95_ms")


class UsageView(NamedTuple):
    """Usage that a page shows: one's own, or that of a user whom an admin looks at."""

    user: User
    is_own: bool
    key: Key | None
    """The one whose usage is asked for."""

    @property
    def path(self) -> str:
        return "/account/usage" if self.is_own else f"/admin/users/{self.user.id}/usage"

    def url(self, below: str = "", **given: str) -> str:
        return _url(self.path + below, given)

    def requests(self, **given: str) -> str:
        """The requests like this, in the log."""
        whose = {"key": self.key.id if self.key else "", **given}
        return (
            _url("/account/requests", whose)
            if self.is_own
            else _url("/admin/requests", {"user": self.user.id, **whose})
        )


def _url(path: str, given: dict[str, str]) -> str:
    query = urlencode({name: value for name, value in given.items() if value})
    return f"{path}?{query}" if query else path


class UsageLine(NamedTuple):
    """A line of a table."""

    name: str
    url: str
    log: str
    of: OfKey | OfRoute


async def show(page: PageRequest, view: UsageView) -> Response:
    """Raises InvalidParameter."""
    asked = _asked(page, view)
    found = await actions.get_usage(page.on, page.by, asked)
    busiest = [each.key_id for each in found.keys]
    if view.key is not None:
        busiest = await actions.busiest_keys(page.on, page.by, asked)
    choices = holder.key_options(await keys.choices(page.on, page.by, view.user.id, busiest), view.key)
    return page.render(
        "account/usage.html",
        section="account/usage" if view.is_own else "admin/users",
        about=None if view.is_own else view.user,
        keys=choices,
        **await _context(page, view, found, dict(choices)),
    )


async def show_live(page: PageRequest, view: UsageView) -> Response:
    """The windows alone, for a page that is open."""
    if not page.is_htmx:
        return page.redirect(view.path)
    return page.render("account/live.html", view=view, gauges=await _gauges(page, view), polls=page.next_poll())


async def _context(page: PageRequest, view: UsageView, found: Usage, names: dict[str, str]) -> dict[str, Any]:
    key = view.key.id if view.key else ""
    return {
        "view": view,
        "period": found.period,
        "periods": [(name, text, view.url(period=name, key=key)) for name, text in PERIODS],
        "span": dict(PERIODS)[found.period],
        "gauges": await _gauges(page, view),
        "polls": 0,
        "totals": found.total,
        "plot": _plot(page, view, found) if found.intervals else None,
        "hit": [(usage.window_name(name), count) for name, count in found.windows],
        "by_key": [_of_key(view, each, names, found.period) for each in found.keys],
        "by_route": [UsageLine(each.route, "", _requests_to(view, each.route), each) for each in found.routes],
        "file": view.url("/export", period=found.period, key=key),
    }


async def export(page: PageRequest, view: UsageView) -> Response:
    """The numbers of the page as CSV."""
    found = await actions.get_usage(page.on, page.by, _asked(page, view))
    named = await keys.names(page.on, page.by, view.user.id, [each.key_id for each in found.keys])
    names = {key.id: key.name for key in named}
    name = f"rollbook-usage-{found.period}-{clock.format_time(found.until)[:10]}.csv"
    return download(name, spreadsheets.CONTENT_TYPE, spreadsheets.rows([COLUMNS, *_rows(found, names)]))


async def _gauges(page: PageRequest, view: UsageView) -> list[usage.Gauge]:
    """The windows of the user's limit, or of the key's own."""
    user, key = view.user, view.key
    if key is None:
        return await usage.gauges(page, user.id, page.on.policy.limit_for(user.role, user.rate_limit))
    return await usage.gauges_of(page, key)


def _asked(page: PageRequest, view: UsageView) -> ReadUsage:
    """Raises InvalidParameter: also for what a page doesn't know."""
    given = {name: value for name, value in page.query.items() if value and name != "n"}
    return page.arguments(ReadUsage, {**given, "user": view.user.id})


def _plot(page: PageRequest, view: UsageView, found: Usage) -> object:
    log = plots.Log(view.requests(), clock.now() - page.on.settings.request_retention * clock.DAY)
    label = "Requests per hour" if found.step == clock.HOUR else "Requests per day"
    return plots.requests(found.intervals, found.since, found.until, label, step=found.step, log=log)


def _of_key(view: UsageView, of: OfKey, names: dict[str, str], period: str) -> UsageLine:
    return UsageLine(
        names.get(of.key_id, of.key_id), view.url(period=period, key=of.key_id), view.requests(key=of.key_id), of
    )


def _requests_to(view: UsageView, route: str) -> str:
    """Requests to an endpoint; where its path has values, those that begin like it."""
    method, path = route.split(" ")
    start, brace, _ = path.partition("{")
    return view.requests(method=method, path=start, path_match="" if brace else "exact")


def _rows(found: Usage, names: dict[str, str]) -> Iterator[list[str]]:
    for each in found.intervals:
        yield ["hour" if found.step == clock.HOUR else "day", clock.format_time(each.at), *_numbers(each)]
    for key in found.keys:
        yield ["key", f"{names[key.key_id]} {key.key_id}" if key.key_id in names else key.key_id, *_numbers(key)]
    for route in found.routes:
        yield ["endpoint", route.route, *_numbers(route), f"{route.quantile(0.5):g}", f"{route.quantile(0.95):g}"]
    for name, count in found.windows:
        yield ["rate_limit", name, "", "", str(count)]


def _numbers(of: Hour | OfKey | OfRoute) -> list[str]:
    return [str(number) for number in (of.requests, of.refused, of.limited, of.errors)]


def _own(
    handler: Callable[[PageRequest, UsageView], Awaitable[Response]],
) -> Callable[[PageRequest], Awaitable[Response]]:
    async def handle(page: PageRequest) -> Response:
        return await handler(page, UsageView(page.me.user, True, await holder.chosen_own(page)))

    return handle


def _theirs(
    handler: Callable[[PageRequest, UsageView], Awaitable[Response]],
) -> Callable[[PageRequest], Awaitable[Response]]:
    async def handle(page: PageRequest) -> Response:
        user, id = await user_tabs.find_user(page), page.query.get("key")
        return await handler(page, UsageView(user, False, await find(page, theirs(user), id) if id else None))

    return handle


show_own, show_own_live, export_own = _own(show), _own(show_live), _own(export)
show_theirs, show_their_live, export_theirs = _theirs(show), _theirs(show_live), _theirs(export)
