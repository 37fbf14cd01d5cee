"""Usage of API keys: current rate limits, requests per hour, and the request log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlencode

from rollbook import clock, errors, quota
from rollbook.errors import NotFound, TooManyAttempts, TooManyRequests
from rollbook.http.response import Response
from rollbook.quota import Limit
from rollbook.records import keys, usage
from rollbook.records.keys import Key
from rollbook.records.usage import Hour, Logged
from rollbook.web import plots
from rollbook.web.sign_in import spoken
from rollbook.web.visit import Visit

HOURS = 7 * 24
PAGE = 50
MOST_KEYS = 200
"""The newest keys, offered as filters."""
MOST_STEPS = 40
"""Pages one can go back. Beyond that, start from the newest."""
MOST_POLLS = 600
"""Refreshes of an open page, half an hour: an unattended browser must not keep its session alive."""

CLASSES = (
    ("", "All"),
    ("2xx", "Successful (2xx)"),
    ("4xx", "Client errors (4xx)"),
    ("429", "Rate limited (429)"),
    ("5xx", "Server errors (5xx)"),
)


class Gauge(NamedTuple):
    """The current state of one window of a rate limit."""

    label: str
    used: int
    limit: int
    hint: str


async def show(visit: Visit) -> Response:
    """The last seven days, for all keys or one."""
    me = visit.me.user.id
    mine = await choices(visit)
    key_id = visit.query.get("key") or None
    if key_id is not None:
        await own_key(visit, key_id)
    since, until = last_week()
    hours = await usage.hours(visit.db, me, since, key_id)
    hit = await usage.hit(visit.db, me, since)
    return visit.render(
        "account/usage.html",
        section="account/usage",
        keys=mine,
        key_id=key_id or "",
        gauges=await gauges(visit, me, visit.limit),
        polls=0,
        most_polls=MOST_POLLS,
        totals=totals(hours),
        plot=plots.bars(hours, since, until) if hours else None,
        hit=sorted([(window_name(name), count) for name, count in hit.items()], key=lambda each: -each[1]),
    )


async def show_live(visit: Visit) -> Response:
    """Only the rate limits, for the open page."""
    if not visit.is_fragment:
        return visit.redirect("/account/usage")
    text = visit.query.get("n", "0")
    polls = int(text) + 1 if text.isascii() and text.isdigit() and len(text) < 6 else MOST_POLLS
    found = await gauges(visit, visit.me.user.id, visit.limit)
    return visit.render("account/live.html", gauges=found, polls=polls, most_polls=MOST_POLLS)


async def show_requests(visit: Visit) -> Response:
    """The request log, newest first. The URL contains the starts of the previous pages, so that one can go back."""
    me, query = visit.me.user.id, visit.query
    wanted = query.get("id", "").strip()
    if wanted and await visit.db.read_aside(usage.request, me, wanted) is not None:
        return visit.redirect(f"/account/requests/{wanted}")
    key_id = query.get("key") or None
    if key_id is not None:
        await own_key(visit, key_id)
    status = query.get("status") if query.get("status") in dict(CLASSES) else ""
    trail = [int(part) for part in query.get("before", "").split(".") if part.isascii() and part.isdigit() and len(part) < 19]
    found: list[Logged] = []
    if not wanted:
        before = trail[-1] if trail else None
        found = await visit.db.read_aside(usage.requests, me, key_id, status or None, before, PAGE + 1)
    has_more = len(found) > PAGE
    found = found[:PAGE]
    mine = await choices(visit)

    def page(steps: list[int]) -> str:
        given = {"status": status, "key": key_id, "before": ".".join(map(str, steps[-MOST_STEPS:]))}
        chosen = urlencode({name: value for name, value in given.items() if value})
        return "/account/requests" + (f"?{chosen}" if chosen else "")

    return visit.render(
        "account/requests.html",
        section="account/requests",
        requests=found,
        names=await names(visit, mine, (request.key_id for request in found)),
        keys=mine,
        key_id=key_id or "",
        chosen=status,
        classes=CLASSES,
        wanted=wanted,
        is_filtered=bool(status or key_id or wanted),
        newer=page(trail[:-1]) if trail else None,
        older=page([*trail, found[-1].at]) if has_more else None,
        retention=visit.services.settings.request_retention,
        **WORDS,
    )


async def show_request(visit: Visit) -> Response:
    """One request. Raises NotFound."""
    found = await visit.db.read_aside(usage.request, visit.me.user.id, visit.ids[0])
    if found is None:
        raise NotFound("The request log has no request of yours with this ID. It may be too old, or less than 2 seconds old.")
    return visit.render(
        "account/request.html",
        section="account/requests",
        request=found,
        names=await names(visit, [], [found.key_id]),
        reason=_reason(found.status),
        about=_about(found),
        limited_by=window_name(found.limited_by) if found.limited_by else None,
        exactly=clock.format_time_exactly(found.at),
        **WORDS,
    )


# ---- shared with the pages for API keys


def last_week() -> tuple[int, int]:
    """The last seven days in whole hours, including the current one."""
    now = clock.now()
    until = now - now % clock.HOUR + clock.HOUR
    return until - HOURS * clock.HOUR, until


def totals(hours: Sequence[Hour]) -> Hour:
    """The sum of all hours; its time is 0."""
    return Hour(0, *(sum(hour[place] for hour in hours) for place in range(1, len(Hour._fields))))


async def gauges(visit: Visit, bucket: str, limit: Limit) -> list[Gauge]:
    """The state of each window, without counting a request."""
    seen = await visit.services.limiter.peek(bucket, limit, clock.now())
    return [
        Gauge(
            f"Per {_length(window.seconds)}",
            window.calls - left,
            window.calls,
            f"{left:,} left. Resets in {spoken(reset)}." if left < window.calls else f"{left:,} left.",
        )
        for window, (left, reset) in zip(limit, seen, strict=True)
    ]


def window_name(name: str) -> str:
    """A name for `key-minute` and other windows in the log."""
    if name == "attempts":
        return "Wrong passwords"
    whose = "Limit of one key" if name.startswith("key-") else "All keys together"
    unit = name.removeprefix("key-")
    return f"{whose}, per {f'{unit[:-1]} seconds' if unit[:-1].isdecimal() else unit}"


async def own_key(visit: Visit, id: str) -> Key:
    """One of the person's own keys. Raises NotFound."""
    key = await keys.get(visit.db, id)
    if key.user_id != visit.me.user.id:
        raise NotFound()
    return key


async def choices(visit: Visit) -> list[tuple[str, str]]:
    """Keys for the filter, ID and name, newest first."""
    me = visit.me.user.id
    skipped = max(0, await keys.count(visit.db, me) - MOST_KEYS)
    found = await keys.of_user(visit.db, me, MOST_KEYS, skipped)
    return [(key.id, _name(key)) for key in reversed(found)]


async def names(visit: Visit, known: Iterable[tuple[str, str]], ids: Iterable[str]) -> dict[str, str]:
    """The names of keys by ID."""
    found = dict(known)
    for id in ids:
        if id not in found:
            found[id] = _name(await own_key(visit, id))
    return found


def _name(key: Key) -> str:
    return f"{key.name} (…{key.last_four})"


# ---- formatting


def took(microseconds: int) -> str:
    """`412 µs`, `1.3 ms`, `2.1 s`."""
    if microseconds < 1000:
        return f"{microseconds} µs"
    if microseconds < 1_000_000:
        return f"{microseconds / 1000:.1f} ms"
    return f"{microseconds / 1_000_000:.1f} s"


def moment(at: int) -> str:
    """`25 Nov, 10:00:03`."""
    return f"{datetime.fromtimestamp(at // clock.SECOND, UTC):%-d %b, %H:%M:%S}"


def kind(status: int) -> str:
    """The color of a status."""
    if status == 429:
        return "warn"
    return "bad" if status >= 500 else "" if status >= 400 else "ok"


WORDS: Mapping[str, Any] = {"took": took, "moment": moment, "kind": kind, "shown": clock.format_time}


def _length(seconds: int) -> str:
    """`minute`, `30 seconds`."""
    return next((unit for unit, length in quota.UNITS.items() if seconds == length), f"{seconds} seconds")


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _about(request: Logged) -> str | None:
    """The documentation of the error: its own page if the status identifies it, otherwise the list of errors."""
    if request.status < 400:
        return None
    if request.status == TooManyRequests.status:
        return f"/docs/errors/{(TooManyAttempts if request.limited_by == 'attempts' else TooManyRequests).code}"
    codes = {error.code for error in errors.tree() if error.status == request.status}
    return f"/docs/errors/{codes.pop()}" if len(codes) == 1 else "/docs/errors"
