"""What those who keep the users see first: how many, what is asked of the server, what changed; and the log of changes."""

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
"""Of which the overview shows how many users came."""
FEW = 1_000
"""Where the overview ends counting those of a role."""
LATEST = 10
PAGE = 50
NO_WORDS = ("updated_at", "last_sign_in_at")
"""Fields that change with every change and tell nothing by themselves."""

_decode = msgspec.json.Decoder().decode


class Day(NamedTuple):
    """How many users came on a day and are still here, and its bar: per cent of the width, pixels of the height."""

    at: int
    users: int
    x: float
    width: float
    height: float


class Field(NamedTuple):
    """One field that changed."""

    name: str
    before: str
    after: str


class Change(NamedTuple):
    """An event in words. Names are None of those who are gone."""

    event: Event
    user: str | None
    by: str | None
    about: str
    """Which key or session, where it is about one."""
    fields: list[Field]


class Board(NamedTuple):
    """What the overview shows, all from one moment."""

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
    """The log of changes, newest first."""
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
        # An index leads to a type, or to a user; those of the one that are also of the other may be few and far between.
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


# ---- shared with the page of one user


async def latest(
    queries: Queries,
    limit: int,
    type: str | None = None,
    user_id: str | None = None,
    *,
    before: int = 1 << 62,
    after: int | None = None,
) -> list[Change]:
    """Newest changes, in words."""
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
    """What an update changed. Other events say all by their type."""
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


# ---- what is read


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
    """Of how many came since the beginning of each day: how many came on it."""
    return [count - later for count, later in zip(joined, [*joined[1:], 0], strict=True)]


def _days(days: list[int], joined: list[int], most: int) -> list[Day]:
    width = 100 / len(days)
    return [
        Day(at, count, round(number * width, 3), round(width * 0.88, 3), round(max(LEAST, count / most * (BASE - TOP)), 1))
        for number, (at, count) in enumerate(zip(days, _on_each_day(joined), strict=True))
    ]
