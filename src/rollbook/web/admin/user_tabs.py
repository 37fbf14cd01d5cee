"""Tabs of the pages about one user: the frame that all share, API keys, sessions, requests and events.

One user as they were at a time, or before or after an event, beside what they are now.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from rollbook import clock
from rollbook.actions import events, sessions, users
from rollbook.actions import usage as usage_actions
from rollbook.actions.arguments import Time
from rollbook.actions.arguments.events import AuditFilters
from rollbook.actions.arguments.sessions import ListSessions
from rollbook.actions.arguments.usage import ListRequests
from rollbook.api.show import for_people
from rollbook.errors import InvalidParameter, NotFound, NotInLog
from rollbook.http.request import Response
from rollbook.records import clients
from rollbook.records import usage as usage_records
from rollbook.records import users as user_records
from rollbook.records.request_log import Logged
from rollbook.records.user_history import OF_USERS, SAME_UPDATED_AT, UserAsOf
from rollbook.records.users import METADATA, User
from rollbook.roles import APPLICATION, PERSON
from rollbook.web import forms, log_page, plots, usage
from rollbook.web.admin import changes, stopping
from rollbook.web.keys import form, pages
from rollbook.web.keys.pages import find_key, key_label, theirs
from rollbook.web.log_page import KeyLink, LogView
from rollbook.web.page_request import PageRequest, whole_number

MAX_SESSIONS = 50
PAGE = 20


class Tab(NamedTuple):
    name: str
    text: str
    scope: str
    """Scope that reading it takes."""
    kind: str | None = None
    """Users who have it; None: all."""


TABS = (
    Tab("overview", "Overview", "users:read", APPLICATION),
    Tab("", "Profile", "users:read", PERSON),
    Tab("", "Details", "users:read", APPLICATION),
    Tab("sign-in", "Sign-in", "users:read", APPLICATION),
    Tab("groups", "Groups", "groups:read"),
    Tab("keys", "API keys", "keys:read"),
    Tab("sessions", "Sessions", "sessions:read", PERSON),
    Tab("usage", "Usage", "requests:read"),
    Tab("requests", "Requests", "requests:read"),
    Tab("events", "Events", "events:read"),
)


async def find_user(page: PageRequest) -> User:
    """The user that the path names. Raises NotFound."""
    return await users.get(page.on, page.by, page.ids[0])


def path(page: PageRequest, tab: str) -> str:
    return f"/admin/users/{page.ids[0]}/{tab}"


async def context(page: PageRequest, user: User, tab: str = "") -> dict[str, Any]:
    """Context of `admin/user_head.html`, with the name of the tab that is open."""
    return {
        "section": "admin/applications" if user.kind == APPLICATION else "admin/users",
        "user": user,
        "tab": tab,
        "tabs": [entry for entry in TABS if page.may(entry.scope) and entry.kind in (None, user.kind)],
        "may_touch": page.may_touch(user.role),
        "is_me": user.id == page.me.user.id,
        "stops": await stopping.of_user(page, user),
    }


async def show_keys(page: PageRequest) -> Response:
    holder = theirs(await find_user(page))
    frame = await pages.listed(page, holder)
    return page.render("admin/user_keys.html", **await context(page, holder.user, "keys"), **frame)


async def show_key(page: PageRequest) -> Response:
    holder = theirs(await find_user(page))
    return await pages.show(page, holder, page.ids[1], page.may_touch(holder.user.role))


def _theirs(handler: Callable[..., Awaitable[Response]]) -> Callable[[PageRequest], Awaitable[Response]]:
    async def handle(page: PageRequest) -> Response:
        return await handler(page, theirs(await find_user(page)), *page.ids[1:])

    return handle


show_key_form, create_key = _theirs(form.show), _theirs(form.create)
show_key_edit, save_key = _theirs(form.show_edit), _theirs(form.save)
show_key_secret, rotate_key, revoke_key = _theirs(pages.show_secret), _theirs(pages.rotate), _theirs(pages.revoke)


async def show_sessions(page: PageRequest) -> Response:
    user = await find_user(page)
    listing = await sessions.list_sessions(page.on, page.by, ListSessions(user=user.id, limit=MAX_SESSIONS))
    names = await page.on.read(clients.names, [session.audience for session in listing.items])
    actors = await sessions.actors(page.on, listing.items)
    about = await context(page, user, "sessions")
    return page.render("admin/user_sessions.html", found=listing, names=names, actors=actors, **about)


async def end_session(page: PageRequest) -> Response:
    await sessions.end(page.on, page.by, page.ids[1], of=page.ids[0])
    return page.redirect(path(page, "sessions"), "user-session-ended")


async def end_sessions(page: PageRequest) -> Response:
    await sessions.end_all(page.on, page.by, page.ids[0])
    return page.redirect(path(page, "sessions"), "user-sessions-ended")


async def show_requests(page: PageRequest) -> Response:
    """Newest first: of all keys, or of the one that the URL asks for."""
    user = await find_user(page)
    key_id, before = page.query.get("key") or None, whole_number(page.query.get("before", ""))
    key = None if key_id is None else await find_key(page, theirs(user), key_id)
    query = ListRequests(user=user.id, key=key_id, before=None if before is None else Time(before), limit=PAGE)
    batch = await usage_actions.list_requests(page.on, page.by, query)
    since, until = usage.last_week()
    hours = await page.on.read_aside(usage_records.hours, user.id, since, key_id)
    more = "" if key is None else f"&key={key.id}"
    return page.render(
        "admin/user_requests.html",
        requests=batch.requests,
        key=key,
        newest=before is None,
        older=None if batch.next is None else f"{path(page, 'requests')}?before={batch.next}{more}",
        plot=plots.requests(hours, since, until, "Requests per hour over 7 days", zone=page.zone) if hours else None,
        retention=page.on.settings.request_retention,
        **await context(page, user, "requests"),
    )


async def show_request(page: PageRequest) -> Response:
    """Raises NotFound."""
    holder = theirs(await find_user(page))

    async def name(request: Logged) -> KeyLink:
        key = await find_key(page, holder, request.key_id)
        return KeyLink(key_label(key), f"{holder.base}/{key.id}")

    view = LogView(holder.requests, holder.section, holder.user.id, f"Requests of {holder.user.name}", None, name)
    return await log_page.show_one(page, view, page.ids[1])


async def show_events(page: PageRequest) -> Response:
    user = await find_user(page)
    before = whole_number(page.query.get("before", ""))
    batch = await events.search(
        page.on, page.by, page.arguments(AuditFilters, {"types": [], "user": user.id}), PAGE, before
    )
    return page.render(
        "admin/user_events.html",
        changes=await page.on.read(changes.in_words, batch.events),
        newest=before is None,
        older=None if batch.older is None else f"{path(page, 'events')}?before={batch.older}",
        searched_to=batch.searched_to,
        **await context(page, user, "events"),
    )


OF_FIELDS = [*sorted(OF_USERS - SAME_UPDATED_AT), "user.deleted"]
"""Types of events that changed the user."""
LABELS = {"at": "The time"}
NAMES = {
    **{field.name: field.label for field in forms.PLAIN_FIELDS},
    "id": "User ID",
    "email_verified": "Email is verified",
    "rate_limit": "Rate limit",
    "created_at": "Created",
    "updated_at": "Updated",
    "last_sign_in_at": "Last sign-in",
    "last_active_at": "Last active",
    "ends_at": "Ends",
}
"""The names of fields on the page, where they are not just their own."""

_encode = msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class FieldThen(NamedTuple):
    """A field then and now, a time in microseconds. None: the log doesn't tell, or the user has been deleted."""

    label: str
    then: str | int | None
    now: str | int | None

    @property
    def has_changed(self) -> bool:
        return self.then is not None and self.now is not None and self.then != self.now


async def show_as_of(page: PageRequest) -> Response:
    """Raises NotFound."""
    id, before = page.ids[0], page.query.get("before", "")
    at = before or page.sent_utc(page.query.get("at", "").strip())
    user = await _now(page)
    then, problems = None, dict[str, str]()
    try:
        if at:
            then = await events.as_of(page.on, page.by, id, at, bool(before))
    except InvalidParameter as error:
        problems = forms.problems(page, error, LABELS)
    except (NotFound, NotInLog) as error:
        page.error, problems = error, {"": forms.sentence(error, page.language)}
    event = await events.get(page.on, page.by, at) if then is not None and at.startswith("evt_") else None
    filters = page.arguments(AuditFilters, {"types": OF_FIELDS, "user": id})
    log = (await events.search(page.on, page.by, filters, PAGE, None)).events
    return page.render(
        "admin/user_as_of.html",
        section="admin/users",
        id=id,
        user=user,
        given="" if at.startswith("evt_") else at,
        time=clock.parse(at) if then is not None and event is None else None,
        event=event,
        is_before=bool(before),
        rows=_rows(then, user) if then is not None else [],
        changes=await page.on.read(changes.in_words, log),
        problems=problems,
    )


async def _now(page: PageRequest) -> user_records.User | None:
    """The user; None: they have been deleted since. Raises NotFound for one who is gone for good."""
    try:
        return await users.get(page.on, page.by, page.ids[0])
    except NotFound:
        if await page.on.read(user_records.deleted, page.ids[0]) is None:
            raise
        return None


def _rows(then: UserAsOf, user: user_records.User | None) -> list[FieldThen]:
    now = {} if user is None else _fields(_encode(user_records.complete(user)))
    rows = []
    for name in (*then.fields, *then.unknown):
        label, was, value = NAMES.get(name, name.replace("_", " ").capitalize()), then.fields.get(name), now.get(name)
        keys = changes.by_key(was, value) if name in METADATA and was is not None else []
        if not keys:
            rows.append(FieldThen(label, _value(name, was), _value(name, value)))
        for key, old, new in keys:
            rows.append(FieldThen(f"{label}: {key}", _of_key(old), None if value is None else _of_key(new)))
    return sorted(rows, key=lambda row: not row.has_changed)


def _of_key(value: msgspec.Raw | None) -> str:
    return "none" if value is None else for_people(bytes(value)).decode()


def _value(name: str, value: msgspec.Raw | None) -> str | int | None:
    if value is None:
        return None
    document = bytes(value)
    if document.startswith(b"{"):
        return for_people(document).decode() if document != b"{}" else "none"
    decoded = msgspec.json.decode(document)
    if name.endswith("_at") and decoded:
        return clock.parse(decoded)
    return {None: "none", True: "yes", False: "no", "": "none"}.get(decoded, str(decoded))
