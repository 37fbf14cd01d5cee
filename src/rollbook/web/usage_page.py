"""The page of a user's usage, for themselves and for admins: over a period, of all API keys or of one, also as a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

from rollbook import clock
from rollbook.actions import key_bounds
from rollbook.actions import usage as actions
from rollbook.actions.arguments import ReadUsage
from rollbook.actions.principal import key_bucket
from rollbook.actions.usage import Usage
from rollbook.api import spreadsheets
from rollbook.http.response import PRIVATE, Response, line
from rollbook.quota import Limit
from rollbook.records.keys import Key
from rollbook.records.usage import Hour, OfKey, OfRoute
from rollbook.web import plots, polling, usage
from rollbook.web.page_request import SAFE, PageRequest

PERIODS = (("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days"))
COLUMNS = ("of", "name", "requests", "client_errors", "rate_limited", "server_errors", "p50_ms", "p95_ms")


class Place(NamedTuple):
    """Whose usage a page shows, and where."""

    user_id: str
    limit: Limit
    path: str
    log: str
    """The page of the request log."""
    logged: dict[str, str]
    """What it is asked for, to show this user's."""
    key: Key | None = None
    """The one whose usage is asked for."""

    def url(self, **given: str) -> str:
        chosen = {name: value for name, value in given.items() if value}
        return f"{self.path}?{urlencode(chosen)}" if chosen else self.path

    def requests(self, **given: str) -> str:
        """The requests like this."""
        chosen = {**self.logged, "key": self.key.id if self.key else "", **given}
        query = urlencode({name: value for name, value in chosen.items() if value})
        return f"{self.log}?{query}" if query else self.log


class Row(NamedTuple):
    """A line of a table."""

    name: str
    url: str
    log: str
    of: OfKey | OfRoute


async def context(page: PageRequest, place: Place, names: dict[str, str]) -> dict[str, Any]:
    """What the template shows; `names` are those of the user's keys. Raises InvalidParameter."""
    found = await _read(page, place)
    key = place.key.id if place.key else ""
    return {
        "place": place,
        "period": found.period,
        "periods": [(name, text, place.url(period=name, key=key)) for name, text in PERIODS],
        "span": dict(PERIODS)[found.period],
        "gauges": await gauges(page, place),
        "polls": 0,
        "most_polls": polling.MAX_POLLS,
        "totals": found.total,
        "plot": _plot(page, place, found) if found.intervals else None,
        "hit": [(usage.window_name(name), count) for name, count in found.windows],
        "by_key": [_of_key(place, each, names, found.period) for each in found.keys],
        "by_route": [Row(each.route, "", _requests_to(place, each.route), each) for each in found.routes],
        "file": place._replace(path=f"{place.path}/export").url(period=found.period, key=key),
    }


async def export(page: PageRequest, place: Place, names: dict[str, str]) -> Response:
    """The numbers of the page as CSV."""
    found = await _read(page, place)
    name = f"rollbook-usage-{found.period}-{clock.format_time(found.until)[:10]}.csv"
    head = line("Content-Type", spreadsheets.CONTENT_TYPE) + line("Content-Disposition", f'attachment; filename="{name}"')
    return Response(200, head + PRIVATE + SAFE, spreadsheets.rows([COLUMNS, *_rows(found, names)]))


async def gauges(page: PageRequest, place: Place) -> list[usage.Gauge]:
    """The windows of the user's limit, or of the key's own."""
    if place.key is None:
        return await usage.gauges(page, place.user_id, place.limit)
    key = place.key
    return await usage.gauges(page, key_bucket(key.user_id, key.limited_with or key.id), key_bounds.limit_of(key.rate_limit))


async def _read(page: PageRequest, place: Place) -> Usage:
    """Raises InvalidParameter: also for what a page doesn't know."""
    given = {name: value for name, value in page.query.items() if value and name != "n"}
    return await actions.get_usage(page.on, page.by, page.arguments(ReadUsage, {**given, "user": place.user_id}))


def _plot(page: PageRequest, place: Place, found: Usage) -> object:
    draw, unit = (plots.requests_by_hour, "hour") if found.step == clock.HOUR else (plots.requests_by_day, "day")
    kept = clock.now() - page.on.settings.request_retention * clock.DAY
    return draw(found.intervals, found.since, found.until, f"Requests per {unit}", log=plots.Log(place.requests(), kept))


def _of_key(place: Place, of: OfKey, names: dict[str, str], period: str) -> Row:
    return Row(names.get(of.key_id, of.key_id), place.url(period=period, key=of.key_id), place.requests(key=of.key_id), of)


def _requests_to(place: Place, route: str) -> str:
    """Those of an endpoint; where its path has values, those that begin like it."""
    method, path = route.split(" ")
    start, brace, _ = path.partition("{")
    return place.requests(method=method, path=start, path_match="" if brace else "exact")


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
