"""The pages of usage: of a user, for themselves and for admins, of all API keys or of one; and of the whole server, by
user and key. Over a period, also as a file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from rollbook import clock
from rollbook.actions import keys
from rollbook.actions import usage as actions
from rollbook.actions.arguments.usage import ReadUsage
from rollbook.actions.usage import ALL, Usage
from rollbook.api import files
from rollbook.http.request import Response
from rollbook.records.keys import Key
from rollbook.records.usage import Hour, OfKey, OfRoute, OfUser
from rollbook.records.users import User
from rollbook.web import plots, usage, zones
from rollbook.web.admin import user_tabs
from rollbook.web.keys import pages
from rollbook.web.keys.pages import find_key, theirs
from rollbook.web.page_request import PageRequest, download

PERIODS = (("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days"))
COLUMNS = ("of", "name", "requests", "client_errors", "rate_limited", "server_errors", "p50_ms", "p95_ms")
REFRESHES = {"24h": 5, "7d": 20}
"""Seconds after which the page of all refreshes itself: a longer period costs more to read, and changes less."""
BUSIEST = 20
"""Users and keys of the whole server that the page tells apart; the file has those of `records.usage`."""


class UsageView(NamedTuple):
    """Usage that a page shows: one's own, that of a user whom an admin looks at, or without a user that of all."""

    user: User | None
    is_own: bool = False
    key: Key | None = None
    """The one whose usage is asked for."""

    @property
    def path(self) -> str:
        if self.user is None:
            return "/admin/usage"
        return "/account/usage" if self.is_own else f"/admin/users/{self.user.id}/usage"

    def url(self, below: str = "", **query: str) -> str:
        return _url(self.path + below, query)

    def requests(self, **query: str) -> str:
        """The requests like this, in the log."""
        whose = {
            "user": "" if self.user is None or self.is_own else self.user.id,
            "key": self.key.id if self.key else "",
        }
        return _url("/account/requests" if self.is_own else "/admin/requests", whose | query)


def _url(path: str, values: dict[str, str]) -> str:
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{path}?{query}" if query else path


class UsageLine(NamedTuple):
    """A line of a table."""

    name: str
    url: str
    log: str
    of: Hour | OfUser | OfKey | OfRoute
    user: str = ""
    """The name of the key's user, on the page of all."""


async def show(page: PageRequest, view: UsageView) -> Response:
    """Raises InvalidParameter."""
    query = _asked(page, view)
    report = await actions.get_usage(page.on, page.by, query)
    if view.user is None:
        return page.render("account/usage.html", section="admin/usage", keys=[], **_context(page, view, report, 0))
    busiest = [key.key_id for key in report.keys]
    if view.key is not None:
        busiest = await actions.busiest_keys(page.on, page.by, query)
    choices = pages.key_options(await keys.choices(page.on, page.by, view.user.id, busiest), view.key)
    report = report._replace(names=report.names | dict(choices))
    whose: dict[str, Any] = {"section": "account/usage"}
    if not view.is_own:
        whose = await user_tabs.context(page, view.user, "usage")
    limits = await _gauges(page, view.user, view.key)
    return page.render("account/usage.html", keys=choices, gauges=limits, **whose, **_context(page, view, report, 0))


async def show_live(page: PageRequest, view: UsageView) -> Response:
    """Refresh a page that is open: the windows alone, or of the whole server all that is counted."""
    if not page.is_htmx:
        return page.redirect(view.path)
    if view.user is None:
        report = await actions.get_usage(page.on, page.by, _asked(page, view))
        return page.render("account/usage_report.html", **_context(page, view, report, page.next_poll()))
    limits = await _gauges(page, view.user, view.key)
    return page.render("account/live.html", view=view, gauges=limits, polls=page.next_poll())


def _context(page: PageRequest, view: UsageView, report: Usage, polls: int | None) -> dict[str, Any]:
    key = view.key.id if view.key else ""
    most = BUSIEST if view.user is None else len(report.keys)
    return {
        "view": view,
        "period": report.period,
        "periods": [(name, text, view.url(period=name, key=key)) for name, text in PERIODS],
        "span": dict(PERIODS)[report.period],
        "polls": polls,
        "refreshes": REFRESHES.get(report.period),
        "totals": report.total,
        "zone": page.zone if report.step == clock.HOUR else zones.WORLD,
        "plot": _plot(page, view, report) if report.intervals else None,
        "hit": [(usage.window_name(name), count) for name, count in report.windows],
        "by_user": _told(view, report, report.users[:BUSIEST]),
        "by_key": _told(view, report, report.keys[:most]),
        "by_route": [UsageLine(route.route, "", _requests_to(view, route.route), route) for route in report.routes],
        "file": view.url("/export", period=report.period, key=key),
    }


async def export(page: PageRequest, view: UsageView) -> Response:
    """The numbers of the page as CSV."""
    report = await actions.get_usage(page.on, page.by, _asked(page, view))
    whose = "server-" if view.user is None else ""
    name = f"rollbook-usage-{whose}{report.period}-{clock.format_time(report.until)[:10]}.csv"
    return download(name, files.CONTENT_TYPES["csv"], files.write_rows([COLUMNS, *_rows(report)]))


async def _gauges(page: PageRequest, user: User, key: Key | None) -> list[usage.Gauge]:
    """The windows of the user's limit, or of the key's own."""
    if key is None:
        return await usage.gauges(page, user.id, page.on.policy.limit_for(user.role, user.rate_limit))
    return await usage.gauges_of(page, key)


def _asked(page: PageRequest, view: UsageView) -> ReadUsage:
    """Raises InvalidParameter: also for what a page doesn't know."""
    values = {name: value for name, value in page.query.items() if value and name != "n"}
    return page.arguments(ReadUsage, {**values, "user": ALL if view.user is None else view.user.id})


def _plot(page: PageRequest, view: UsageView, report: Usage) -> object:
    log = plots.Log(view.requests(), clock.now() - page.on.settings.request_retention * clock.DAY)
    label = "Requests per hour" if report.step == clock.HOUR else "Requests per day"
    return plots.requests(
        report.intervals, report.since, report.until, label, step=report.step, log=log, zone=page.zone
    )


def _told(view: UsageView, report: Usage, some: Sequence[OfUser | OfKey]) -> list[UsageLine]:
    """A line for each of them, and one for all others that there are."""
    rest = actions.others(report.total, some)
    lines = [_of_key(view, report, line) if isinstance(line, OfKey) else _of_user(view, report, line) for line in some]
    return [*lines, *([UsageLine("", "", "", rest)] if some and rest.requests else [])]


def _of_user(view: UsageView, report: Usage, of: OfUser) -> UsageLine:
    """Erased users have no page."""
    name, url = report.names.get(of.user_id), _url(f"/admin/users/{of.user_id}/usage", {"period": report.period})
    return UsageLine(name or of.user_id, url if name else "", view.requests(user=of.user_id), of)


def _of_key(view: UsageView, report: Usage, of: OfKey) -> UsageLine:
    name, key = report.names.get(of.key_id, of.key_id), {"period": report.period, "key": of.key_id}
    if view.user is not None:
        return UsageLine(name, view.url(**key), view.requests(key=of.key_id), of)
    user, log = report.names.get(of.user_id), view.requests(user=of.user_id, key=of.key_id)
    return UsageLine(name, _url(f"/admin/users/{of.user_id}/usage", key) if user else "", log, of, user or of.user_id)


def _requests_to(view: UsageView, route: str) -> str:
    """Requests to an endpoint; where its path has values, those that begin like it."""
    method, path = route.split(" ")
    start, brace, _ = path.partition("{")
    return view.requests(method=method, path=start, path_match="" if brace else "exact")


def _rows(report: Usage) -> Iterator[list[str]]:
    """Times are in UTC."""
    for line in report.intervals:
        yield ["hour" if report.step == clock.HOUR else "day", clock.format_time(line.at), *_numbers(line)]
    for kind, some in (("user", report.users), ("key", report.keys)):
        for line in some:
            id = line.key_id if isinstance(line, OfKey) else line.user_id
            yield [kind, f"{report.names[id]} {id}" if id in report.names else id, *_numbers(line)]
        if some and (rest := actions.others(report.total, some)).requests:
            yield [kind, "others", *_numbers(rest)]
    for route in report.routes:
        yield ["endpoint", route.route, *_numbers(route), f"{route.quantile(0.5):g}", f"{route.quantile(0.95):g}"]
    for name, count in report.windows:
        yield ["rate_limit", name, "", "", str(count)]


def _numbers(of: Hour | OfUser | OfKey | OfRoute) -> list[str]:
    return [str(number) for number in (of.requests, of.refused, of.limited, of.errors)]


def _own(
    handler: Callable[[PageRequest, UsageView], Awaitable[Response]],
) -> Callable[[PageRequest], Awaitable[Response]]:
    async def handle(page: PageRequest) -> Response:
        return await handler(page, UsageView(page.me.user, True, await pages.chosen_own(page)))

    return handle


def _theirs(
    handler: Callable[[PageRequest, UsageView], Awaitable[Response]],
) -> Callable[[PageRequest], Awaitable[Response]]:
    async def handle(page: PageRequest) -> Response:
        user, id = await user_tabs.find_user(page), page.query.get("key")
        return await handler(page, UsageView(user, False, await find_key(page, theirs(user), id) if id else None))

    return handle


def _all(
    handler: Callable[[PageRequest, UsageView], Awaitable[Response]],
) -> Callable[[PageRequest], Awaitable[Response]]:
    return lambda page: handler(page, UsageView(None))


show_own, show_own_live, export_own = _own(show), _own(show_live), _own(export)
show_theirs, show_their_live, export_theirs = _theirs(show), _theirs(show_live), _theirs(export)
show_all, show_all_live, export_all = _all(show), _all(show_live), _all(export)
