"""Admin pages: the overview and the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from rollbook import clock, ids
from rollbook.errors import Fault, InvalidParameter
from rollbook.http.response import Response
from rollbook.records import events, usage, user_list, users
from rollbook.records.events import Event
from rollbook.records.usage import Hour
from rollbook.storage.database import Queries
from rollbook.web import browsers
from rollbook.web import usage as usage_pages
from rollbook.web.plots import BASE, HEIGHT, LEAST, TOP, bars, ceiling, short
from rollbook.web.visit import Visit

DAYS = 30
"""Days in the chart of new users."""
FEW = 1_000
"""The overview stops counting the users of a role here."""
LATEST = 10
PAGE = 50
NO_WORDS = ("updated_at", "last_sign_in_at")
"""Fields that change with every event and aren't worth showing."""

_decode = msgspec.json.Decoder().decode


class Day(NamedTuple):
    """The number of users created on a day, and its bar: percent of the width, pixels of the height."""

    at: int
    users: int
    x: float
    width: float
    height: float


class Field(NamedTuple):
    """A field that changed."""

    name: str
    before: str
    after: str


class Change(NamedTuple):
    """An event, prepared for display. Names of erased users are None."""

    event: Event
    user: str | None
    by: str | None
    about: str
    """The API key or session it is about, if any."""
    fields: list[Field]


class Board(NamedTuple):
    """The contents of the overview, from one snapshot."""

    joined: list[int]
    few: dict[str, int]
    deleted: int
    hours: list[Hour]
    changes: list[Change]


async def show(visit: Visit) -> Response:
    """The overview."""
    now = clock.now()
    today = now - now % clock.DAY
    since, until = usage_pages.last_week()
    days = [today - age * clock.DAY for age in range(DAYS - 1, -1, -1)]
    times = [*days, now - clock.DAY, now - 7 * clock.DAY]
    restorable = now - visit.services.settings.deleted_retention * clock.DAY
    await events.settle(visit.db)
    board = await visit.db.read(_board, times, since, restorable)
    total = (await visit.api("GET", "/v1/users/count")).content["count"]
    lately = [hour for hour in board.hours if hour.at >= until - clock.DAY]
    most = ceiling(max(_on_each_day(board.joined[:DAYS])))
    return visit.render(
        "admin/overview.html",
        section="admin",
        total=total,
        new_day=board.joined[DAYS],
        new_week=board.joined[DAYS + 1],
        days=_days(days, board.joined[:DAYS], most),
        scale=[(short(most * part / 2), BASE - part * (BASE - TOP) / 2) for part in range(3)],
        height=HEIGHT,
        top=TOP,
        base=BASE,
        few=board.few,
        most_counted=FEW,
        deleted=board.deleted,
        day=usage_pages.totals(lately),
        week=usage_pages.totals(board.hours),
        day_plot=bars(lately, until - clock.DAY, until, "Requests per hour, last 24 hours", "day"),
        week_plot=bars(board.hours, since, until, "Requests per hour, last 7 days", "week"),
        changes=board.changes,
    )


async def show_events(visit: Visit) -> Response:
    """The audit log, newest first."""
    type, user_id = visit.query.get("type") or None, visit.query.get("user", "").strip() or None
    problems: dict[str, str] = {}
    found: list[Event] = []
    changes: list[Change] = []
    older = newer = None
    try:
        before, after = _number(visit, "before"), _number(visit, "after")
        if type is not None and type not in events.TYPES:
            raise _wrong("type", "Unknown event type.")
        if user_id is not None and not ids.is_id("user", user_id):
            raise _wrong("user", "Not a user ID. User IDs start with user_.")
        await events.settle(visit.db)
        # There is an index by type and one by user, but events of one type and one user may be few and far between.
        read = visit.db.read if type is None or user_id is None else visit.db.read_aside
        found, changes = await read(_page, type, user_id, before, after)
    except InvalidParameter as error:
        problems = visit.problems(error)
    else:
        more = len(found) > PAGE
        if after is not None:
            changes, newer = (changes[1:], changes[1].event.seq) if more else (changes, None)
            older = changes[-1].event.seq if changes else None
        else:
            changes, older = (changes[:PAGE], changes[PAGE - 1].event.seq) if more else (changes, None)
            newer = changes[0].event.seq if changes and before is not None else None
    return visit.render(
        "admin/events.html",
        400 if problems else 200,
        section="admin/events",
        types=[("", "All"), *((name, name) for name in events.TYPES)],
        type=type or "",
        user=user_id or "",
        changes=changes,
        older=older,
        newer=newer,
        problems=problems,
    )


# ---- shared with the user page


async def latest(
    queries: Queries,
    limit: int,
    type: str | None = None,
    user_id: str | None = None,
    *,
    before: int = 1 << 62,
    after: int | None = None,
) -> list[Change]:
    """The newest events."""
    return await in_words(queries, await events.latest(queries, limit, type, user_id, before=before, after=after))


async def in_words(queries: Queries, found: Iterable[Event]) -> list[Change]:
    names: dict[str | None, str | None] = {None: None}
    changes = []
    for event in found:
        for id in (event.user_id, event.actor.user_id):
            if id not in names and id is not None:
                names[id] = await users.name(queries, id)
        object = _decode(event.object) if event.object else {}
        changes.append(
            Change(event, names[event.user_id], names[event.actor.user_id], _about(event.type, object), _fields(event, object))
        )
    return changes


def _about(type: str, object: dict[str, Any]) -> str:
    if type.startswith("key."):
        return f"{object.get('name', '')} {object.get('masked', '')}".strip()
    return browsers.name(str(object.get("user_agent", ""))) if type.startswith("session.") else ""


def _fields(event: Event, object: dict[str, Any]) -> list[Field]:
    """The fields an update changed. For other events the type says everything."""
    if event.before is None or not event.type.startswith("user."):
        return []
    before: dict[str, Any] = _decode(event.before)
    return [Field(name, _text(old), _text(object.get(name))) for name, old in before.items() if name not in NO_WORDS]


def _text(value: Any) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else text[:79] + "…"


# ---- reading


async def _board(queries: Queries, times: list[int], since: int, restorable: int) -> Board:
    few = {role: await user_list.count_few(queries, "role", role, FEW) for role in ("owner", "admin", "viewer")}
    few["suspended"] = await user_list.count_few(queries, "status", "suspended", FEW)
    return Board(
        await user_list.created_since(queries, times),
        few,
        await users.count_lately_deleted(queries, restorable, FEW),
        await usage.server_hours(queries, since),
        await latest(queries, LATEST),
    )


async def _page(
    queries: Queries, type: str | None, user_id: str | None, before: int | None, after: int | None
) -> tuple[list[Event], list[Change]]:
    found = await events.latest(queries, PAGE + 1, type, user_id, before=1 << 62 if before is None else before, after=after)
    return found, await in_words(queries, found)


# ---- numbers


def _number(visit: Visit, name: str) -> int | None:
    text = visit.query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise _wrong(name, "This link is invalid. Start from the newest events.")
    return int(text)


def _wrong(name: str, message: str) -> InvalidParameter:
    return InvalidParameter(message, param=name, faults=[Fault(name, message)])


def _on_each_day(joined: list[int]) -> list[int]:
    """Users created per day, from the number of users created since the start of each day."""
    return [count - later for count, later in zip(joined, [*joined[1:], 0], strict=True)]


def _days(days: list[int], joined: list[int], most: int) -> list[Day]:
    width = 100 / len(days)
    return [
        Day(at, count, round(number * width, 3), round(width * 0.88, 3), round(max(LEAST, count / most * (BASE - TOP)), 1))
        for number, (at, count) in enumerate(zip(days, _on_each_day(joined), strict=True))
    ]
