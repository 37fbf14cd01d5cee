"""The audit log: all events, newest first, filtered by person, type, actor, address and time; one event; and all of
them as a file.

Events as a file for other programs: CSV (RFC 4180) for spreadsheets, NDJSON with a whole event on each line.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from rollbook import clock
from rollbook.actions import events as event_actions
from rollbook.actions import reverting
from rollbook.actions.arguments.events import AuditFilters
from rollbook.actions.events import FoundEvents
from rollbook.actions.previews import looking
from rollbook.api import files
from rollbook.api.files import File
from rollbook.api.show import for_people
from rollbook.errors import ApiError, BadRequest, Fault, Forbidden, InvalidParameter, NotFound, NotReversible
from rollbook.http.request import Response
from rollbook.records import event_types, events
from rollbook.records.events import Event
from rollbook.records.user_history import OF_USERS, KeptField
from rollbook.web import forms, zones
from rollbook.web.admin import changes, webhooks
from rollbook.web.page_request import PageRequest, download_file, minute, whole_number

COLUMNS = tuple(
    "id type created_at user_id actor_user_id actor_key_id address request_id trace_id client key_created_by "
    "object before".split()
)


def _cells(event: Event) -> dict[str, Any]:
    actor = event.actor
    whose = {"user_id": event.user_id, "actor_user_id": actor.user_id, "actor_key_id": actor.key_id}
    return event._asdict() | actor._asdict() | whose | {"created_at": clock.format_time(event.created_at)}


SECTION = "admin/events"
OF_ADMINS = re.compile(r"/admin(/[\w-]+)*(\?[\w%&=+.*~-]*)?", re.ASCII)
"""Pages that the button of a notice leads back to."""
PAGE = 50
TIMES = (("created_after", False), ("created_before", True))
"""And whether it is the end of a range."""
TEXTS = ("user", "actor", "address", "created_after", "created_before")
LABELS = {
    "types": "The event types",
    "user": "The user",
    "actor": "The actor",
    "address": "The IP address",
    "created_after": "From",
    "created_before": "Until",
}
NEVER_LOGGED = ("server.test",)
NOTICES = {"user.deleted": "user-restored", "user.restored": "user-deleted", "user.suspended": "user-activated"}
"""Of what puts back an event with one effect, the notice after it."""

_encode = msgspec.json.Encoder().encode


async def show(page: PageRequest) -> Response:
    texts = _given(page)
    problems: dict[str, str] = {}
    batch = FoundEvents([], None, None, None)
    try:
        before, after = _number(page, "before"), _number(page, "after")
        batch = await event_actions.search(page.on, page.by, _filters(page, texts), PAGE, before, after)
    except InvalidParameter as error:
        problems = forms.problems(page, error, LABELS)
    return page.render(
        "admin/events.html",
        section=SECTION,
        groups=webhooks.groups(NEVER_LOGGED),
        given=texts,
        zone=zones.fitting(page.zone, [(texts[name], last) for name, last in TIMES]),
        kept=urlencode([(name, value) for name, values in texts.items() for value in _all(values)]),
        changes=await page.on.read(changes.in_rows, batch.events),
        found=batch,
        problems=problems,
    )


async def show_one(page: PageRequest, refused: ApiError | None = None) -> Response:
    """Raises NotFound."""
    event = await event_actions.get(page.on, page.by, page.ids[0])
    [change] = await page.on.read(changes.in_words, [event])
    about = event_types.TYPES.get(event.type)
    return page.render(
        "admin/event.html",
        problems=forms.problems(page, refused),
        section=SECTION,
        undo=await _undo(page, event),
        has_user=event.type in OF_USERS and not event.is_erased,
        change=change,
        event=event,
        more="" if about is None else about.more.replace("`", ""),
        rows=changes.differences(event),
        document=for_people(_encode(events.public(event))).decode(),
    )


async def revert(page: PageRequest) -> Response:
    """Put back what the event changed."""
    try:
        undo = await reverting.revert(page.on, page.by, page.ids[0])
    except NotFound:
        raise
    except ApiError as error:
        return await show_one(page, error)
    back = page.form.get("back", "")
    notice = "event-partly-reverted" if undo.kept else NOTICES.get(undo.event.type, "event-reverted")
    return page.redirect(back if OF_ADMINS.fullmatch(back) else f"/admin/events/{page.ids[0]}", notice)


async def undoable(page: PageRequest, user_id: str) -> str:
    """The event of the one thing that this request has changed of a user and the reader may put back; "" for none."""
    log = await page.on.read(events.all_of_request, user_id, page.by.request_id or "")
    undone = [event.id for event in log if (undo := await _undo(page, event)) is not None and not undo.reason]
    return undone[0] if len(undone) == 1 else ""


class Undo(NamedTuple):
    """The effect of an event's button."""

    fields: list[changes.Field]
    """Values that they have, and those that they get."""
    kept: list[KeptField]
    reason: str = ""
    """The reason why there is no button."""
    put_back: changes.EventInWords | None = None
    """The event that has put back all of its fields."""


async def _undo(page: PageRequest, event: Event) -> Undo | None:
    """The undoing of an event; None: there is nothing to undo, or it is for others to do."""
    if not page.may("users:write"):
        return None
    try:
        undo = await reverting.revert(page.on.dry(), looking(page.by), event.id)
    except NotReversible as problem:
        if problem.message == reverting.CHANGES_NOTHING:
            return None
        return Undo([], [], problem.message.replace("'", "’"), await page.on.read(changes.put_back_by, event))
    except Forbidden:
        return None
    except BadRequest as problem:  # someone else has the email by now, for example
        return Undo([], [], problem.full_message.replace("'", "’"))
    return Undo(changes.put_back(undo), undo.kept)


async def export(page: PageRequest) -> Response:
    """All events that the filters select, as a file. Raises ApiError."""
    format = page.query.get("format", "")
    if format not in files.CONTENT_TYPES:
        raise wrong("format", f"The format must be one of {', '.join(files.CONTENT_TYPES)}.")
    parts = await event_actions.export(page.on, page.by, _filters(page, _given(page)))
    form = files.table(format, COLUMNS, events.public, _cells)
    return download_file(f"rollbook-events-{minute()}", File(format, files.written(form, parts)))


def _given(page: PageRequest) -> dict[str, Any]:
    """Filters, as they were typed; times in UTC."""
    texts = {name: page.query.get(name, "").strip() for name in TEXTS}
    times = {name: page.sent_utc(texts[name], last) for name, last in TIMES}
    return {"type": [type for type in page.queried("type") if type], **texts, **times}


def _filters(page: PageRequest, texts: dict[str, Any]) -> AuditFilters:
    filters = {name: texts[name] for name in TEXTS if texts[name]}
    return page.arguments(AuditFilters, {"types": texts["type"], **filters})


def _all(values: str | list[str]) -> list[str]:
    return values if isinstance(values, list) else [values] if values else []


def _number(page: PageRequest, name: str) -> int | None:
    text = page.query.get(name, "")
    number = whole_number(text)
    if text and number is None:
        raise wrong(name, "This link is invalid. Start from the newest events.")
    return number


def wrong(name: str, message: str) -> ApiError:
    return InvalidParameter(message, param=name, faults=[Fault(name, message)])
