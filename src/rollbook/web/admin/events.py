"""The audit log: all events, newest first, filtered by type and user."""

from __future__ import annotations

from rollbook import ids
from rollbook.errors import Fault, InvalidParameter
from rollbook.http.response import Response
from rollbook.records import event_types, events
from rollbook.web import forms
from rollbook.web.admin import changes
from rollbook.web.admin.changes import Change, ChangePage
from rollbook.web.page_request import PageRequest

PAGE = 50


async def show(page: PageRequest) -> Response:
    type, user_id = page.query.get("type") or None, page.query.get("user", "").strip() or None
    problems: dict[str, str] = {}
    found: list[Change] = []
    older = newer = None
    try:
        before, after = _number(page, "before"), _number(page, "after")
        if type is not None and type not in event_types.TYPES:
            raise wrong("type", "Unknown event type.")
        if user_id is not None and not ids.is_id("user", user_id):
            raise wrong("user", "Not a user ID. User IDs start with user_.")
    except InvalidParameter as error:
        problems = forms.problems(page, error)
    else:
        found, more = await _read(page, type, user_id, before, after)
        if found and after is not None:
            newer, older = found[0].event.seq if more else None, found[-1].event.seq
        elif found:
            newer, older = found[0].event.seq if before is not None else None, found[-1].event.seq if more else None
    return page.render(
        "admin/events.html",
        400 if problems else 200,
        section="admin/events",
        types=[("", "All"), *((name, name) for name in event_types.TYPES)],
        type=type or "",
        user=user_id or "",
        changes=found,
        older=older,
        newer=newer,
        problems=problems,
    )


async def _read(page: PageRequest, type: str | None, user_id: str | None, before: int | None, after: int | None) -> ChangePage:
    await events.settle(page.on.db)
    # An index leads to a type, or to a user; those of the one that are also of the other may be few and far between.
    read = page.on.read if type is None or user_id is None else page.on.read_aside
    return await read(changes.latest, PAGE, type, user_id, before, after)


def _number(page: PageRequest, name: str) -> int | None:
    text = page.query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise wrong(name, "This link is invalid. Start from the newest events.")
    return int(text)


def wrong(name: str, message: str) -> InvalidParameter:
    return InvalidParameter(message, param=name, faults=[Fault(name, message)])
