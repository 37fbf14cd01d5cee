"""Admin pages for users: the list, creating a user, and the user page."""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec

from rollbook import clock, ids, roles
from rollbook.actions import permissions
from rollbook.api.parsing import read_object
from rollbook.errors import ApiError, Fault, InvalidJson, InvalidParameter, NotFound, PreconditionFailed
from rollbook.http.response import Response, line
from rollbook.quota import Limit
from rollbook.records import events, keys, sessions, usage, users
from rollbook.records.keys import Key
from rollbook.records.sessions import Lifetime, Session
from rollbook.records.usage import Hour, Logged
from rollbook.records.user_search import MIN_LENGTH
from rollbook.records.users import Deleted, User
from rollbook.storage.database import Queries
from rollbook.web import account, admin, browsers
from rollbook.web import keys as key_pages
from rollbook.web import usage as usage_pages
from rollbook.web.admin import Change
from rollbook.web.plots import bars
from rollbook.web.visit import Visit

PAGE = 50
MOST_SHOWN = 50
"""Keys and sessions shown on the user page."""
LATEST = 20
"""Events shown on the user page."""
LATEST_REQUESTS = 10
ROLES = ("member", "viewer", "admin", "owner")
SORTS = [
    ("", "Oldest first"),
    ("-created_at", "Newest first"),
    ("name", "Name, A to Z"),
    ("-name", "Name, Z to A"),
    ("email", "Email, A to Z"),
    ("-email", "Email, Z to A"),
]
EXPIRIES = {"": "Never", "7": "In 7 days", "30": "In 30 days", "90": "In 90 days", "365": "In 1 year"}
MOST_SESSIONS = 1_000
"""Sessions ended at once."""

LABELS = {
    "name": "The name",
    "email": "The email address",
    "password": "The password",
    "role": "The role",
    "status": "The status",
    "external_id": "The external ID",
    "rate_limit": "The rate limit",
    "metadata": "The metadata",
    "scopes": "The permissions",
    "expires_at": "The expiry",
}

_LINK = re.compile(r'<([^>]*)>; rel="(\w+)"').findall


class Listed(NamedTuple):
    """A page of the list, with the URLs of the previous and the next page."""

    users: list[dict[str, Any]]
    total: int | None
    previous: str | None
    next: str | None


class Whole(NamedTuple):
    """Everything on the user page, from one snapshot. If the user is deleted, `deleted` is set and only the events are filled."""

    user: User
    deleted: Deleted | None
    keys: list[Key]
    key_count: int
    sessions: list[Session]
    changes: list[Change]


# ---- the list


async def list_users(visit: Visit) -> Response:
    """The list, or only the table for htmx."""
    query = visit.query
    asked = {name: query.get(name, "").strip() for name in ("q", "role", "status", "sort")}
    plain = not any(asked.values())
    number = 1
    listed = Listed([], None, None, None)
    problems: dict[str, str] = {}
    try:
        number = _page_number(query.get("page", ""))
        listed = await _list(visit, asked, number)
    except InvalidParameter as error:
        problems = visit.problems(error)
        if "q" in problems and len(asked["q"]) < MIN_LENGTH:
            problems["q"] = "Enter at least 3 characters."
    pages = None if listed.total is None else max(1, -(-listed.total // PAGE))
    context: dict[str, Any] = {
        "section": "admin/users",
        "asked": asked,
        "role_options": [(role, role.capitalize()) for role in ROLES],
        "sorts": SORTS,
        "listed": listed,
        "plain": plain,
        "filtered": bool(asked["q"] or asked["role"] or asked["status"]),
        "number": number,
        "pages": pages,
        "counted": query.get("count", ""),
        "problems": problems,
        "sort_link": lambda name: _address(asked | {"sort": _turned(asked["sort"], name)}),
        "sorted_by": lambda name: {name: "ascending", f"-{name}": "descending"}.get(asked["sort"] or "created_at"),
        "count_link": _address(asked, count="exact"),
        "last_link": None if pages is None else _address(asked, page=pages),
    }
    if visit.is_fragment:
        # Searching while typing updates the URL, without empty fields.
        return visit.render("admin/users_table.html", headers=line("HX-Replace-Url", _address(asked)), **context)
    return visit.render("admin/users.html", 400 if problems else 200, **context)


async def _list(visit: Visit, asked: dict[str, str], number: int) -> Listed:
    """Raises InvalidParameter."""
    query = visit.query
    cursor = query.get("cursor", "")
    count = query.get("count", "")
    # An ID pasted into the search box finds that user.
    is_id = ids.is_id("user", asked["q"])
    answer = await visit.api(
        "GET",
        "/v1/users",
        q=None if is_id else asked["q"],
        ids=asked["q"] if is_id else None,
        role=asked["role"],
        status=asked["status"],
        sort=asked["sort"],
        fields="*",
        count=count,
        limit=PAGE,
        cursor=cursor,
        offset=None if cursor or number == 1 else (number - 1) * PAGE,
    )
    around = {
        rel: parse_qs(urlsplit(address).query).get("cursor", [""])[0] for address, rel in _LINK(answer.headers.get("link", ""))
    }
    total = answer.headers.get("x-total-count")
    return Listed(
        answer.content,
        None if total is None else int(total),
        _address(asked, page=max(1, number - 1), cursor=around["prev"], count=count) if around.get("prev") else None,
        _address(asked, page=number + 1, cursor=around["next"], count=count) if around.get("next") else None,
    )


def _address(asked: dict[str, str], **more: object) -> str:
    """The URL of the list with these filters and parameters."""
    given = {name: str(value) for name, value in (asked | more).items() if value not in (None, "")}
    return "/admin/users" + (f"?{urlencode(given)}" if given else "")


def _turned(sort: str, name: str) -> str:
    """The sort order after a click on a column heading: by that column, or reversed. Oldest first is the default."""
    wanted = f"-{name}" if (sort or "created_at") == name else name
    return "" if wanted == "created_at" else wanted


def _page_number(text: str) -> int:
    if not text:
        return 1
    if not (text.isascii() and text.isdigit() and int(text[:13]) > 0 and len(text) < 13):
        message = "The page must be a whole number, 1 or higher."
        raise InvalidParameter(message, param="page", faults=[Fault("page", message)])
    return int(text)


async def list_deleted(visit: Visit) -> Response:
    """Deleted users that can be restored, newest deletion first."""
    before = None
    if text := visit.query.get("before", ""):
        at, _, seq = text.partition("-")
        if not (at.isdigit() and seq.isdigit() and text.isascii() and len(at) < 18 and len(seq) < 18):
            raise InvalidParameter("This link is invalid. Start from the newest.", param="before")
        before = (int(at), int(seq))
    retention = visit.services.settings.deleted_retention * clock.DAY
    found = await users.lately_deleted(visit.db, clock.now() - retention, PAGE + 1, before)
    more = len(found) > PAGE
    found = found[:PAGE]
    return visit.render(
        "admin/deleted.html",
        section="admin/users",
        found=found,
        retention=retention,
        retention_days=visit.services.settings.deleted_retention,
        first=before is None,
        next=f"/admin/users/deleted?before={found[-1].deleted_at}-{found[-1].user.seq}" if more else None,
        may_touch=lambda user: _may_touch(visit, user),
    )


# ---- creating a user


async def new(visit: Visit) -> Response:
    """The form."""
    return _new(visit, {}, {})


async def create(visit: Visit) -> Response:
    """With a password, or without one and with a setup link."""
    form = visit.form
    body = {
        "name": form.get("name", ""),
        "email": form.get("email", "").strip(),
        # A random password that no one knows: the setup link replaces it.
        "password": form.get("password") or secrets.token_urlsafe(32),
        "role": form.get("role", "member"),
        "external_id": form.get("external_id", "").strip() or None,
        "email_verified": "email_verified" in form,
    }
    try:
        made = await visit.api("POST", "/v1/users", body)
    except ApiError as error:
        return _new(visit, form, account.problems(visit, error, LABELS), error.status)
    id = made.content["id"]
    if form.get("password"):
        return visit.redirect(f"/admin/users/{id}", "user-created")
    return await _link(visit, id, is_new=True)


def _new(visit: Visit, form: dict[str, str], problems: dict[str, str], status: int = 200) -> Response:
    return visit.render(
        "admin/new_user.html",
        status,
        section="admin/users",
        form=form,
        problems=problems,
        roles=_roles(visit),
        least=visit.services.settings.password_min_length,
    )


# ---- one user


async def show(visit: Visit) -> Response:
    """The user page."""
    return await _render(visit)


async def edit(visit: Visit) -> Response:
    """Update the user, if it still has the version shown in the form."""
    id, form = _id(visit), visit.form
    body: dict[str, Any] = {
        "name": form.get("name", ""),
        "email": form.get("email", "").strip(),
        "role": form.get("role", ""),
        "status": form.get("status", ""),
        "external_id": form.get("external_id", "").strip() or None,
        "rate_limit": form.get("rate_limit", "").strip() or None,
        "email_verified": "email_verified" in form,
    }
    try:
        body["metadata"] = read_object(form.get("metadata", "").strip().encode() or b"{}", None, None)
    except InvalidJson as error:
        return await _render(visit, 400, form=form, problems={"metadata": error.message.replace("The body", "This")})
    try:
        await _change(visit, id, body)
    except PreconditionFailed as error:
        return await _render(visit, error.status, stale=form)
    except NotFound:
        raise
    except ApiError as error:
        return await _render(visit, error.status, form=form, problems=account.problems(visit, error, LABELS))
    return visit.redirect(f"/admin/users/{id}", "user-saved")


async def _change(visit: Visit, id: str, body: dict[str, Any]) -> None:
    """Update the version shown in the form, or one that differs only by sign-ins, which don't count as a change.

    Raises ApiError.
    """
    form = visit.form
    try:
        await visit.api("PATCH", f"/v1/users/{id}", body, if_match=f'"{form.get("version", "")}"')
    except PreconditionFailed:
        user = await users.get(visit.db, id)
        if str(user.updated_at) != form.get("updated_at"):
            raise
        await visit.api("PATCH", f"/v1/users/{id}", body, if_match=f'"{user.version}"')


async def suspend(visit: Visit) -> Response:
    await visit.api("POST", f"/v1/users/{_id(visit)}/suspend")
    return visit.redirect(f"/admin/users/{_id(visit)}", "user-suspended")


async def activate(visit: Visit) -> Response:
    await visit.api("POST", f"/v1/users/{_id(visit)}/activate")
    return visit.redirect(f"/admin/users/{_id(visit)}", "user-activated")


async def delete(visit: Visit) -> Response:
    await visit.api("DELETE", f"/v1/users/{_id(visit)}")
    return visit.redirect(f"/admin/users/{_id(visit)}", "user-deleted")


async def restore(visit: Visit) -> Response:
    id = _id(visit)
    try:
        await visit.api("POST", f"/v1/users/{id}/restore")
    except NotFound:
        raise
    except ApiError as error:
        return await _render(visit, error.status, problems={"": error.message})
    return visit.redirect(f"/admin/users/{id}", "user-restored")


async def purge(visit: Visit) -> Response:
    """Permanently erase the user, once their email has been typed."""
    whole = await _read(visit)
    if visit.form.get("confirm", "").strip().casefold() != whole.user.email.casefold():
        problem = f"Type {whole.user.email} to erase this user permanently."
        return await _render(visit, 400, problems={"confirm": problem})
    await visit.api("DELETE", f"/v1/users/{whole.user.id}", purge="true")
    return visit.redirect("/admin/users", "user-purged")


async def make_link(visit: Visit) -> Response:
    """Create a setup or password reset link, shown once."""
    return await _link(visit, _id(visit))


async def _link(visit: Visit, id: str, is_new: bool = False) -> Response:
    made = await visit.api("POST", f"/v1/users/{id}/password-link")
    user = await users.get(visit.db, id)
    return visit.render("admin/link.html", secret=True, section="admin/users", user=user, made=made.content, is_new=is_new)


# ---- keys and sessions of a user


async def create_key(visit: Visit) -> Response:
    """Create an API key for the user, shown once."""
    id, form = _id(visit), visit.form
    days = form.get("expires", "")
    body = {"name": form.get("key_name", "").strip(), "user_id": id, "scopes": visit.chosen("scopes") or None}
    if days in EXPIRIES and days:
        body["expires_at"] = clock.format_time(clock.now() + int(days) * clock.DAY)
    if limit := form.get("key_limit", "").strip():
        body["rate_limit"] = limit
    try:
        made = await visit.api("POST", "/v1/keys", body)
    except NotFound:
        raise
    except ApiError as error:
        names = {"name": "key_name", "rate_limit": "key_limit"}
        problems = {names.get(name, name): sentence for name, sentence in account.problems(visit, error, LABELS).items()}
        return await _render(visit, error.status, key_form=form, key_problems=problems)
    user = await users.get(visit.db, id)
    return visit.render("admin/key.html", secret=True, section="admin/users", user=user, key=made.content)


async def revoke_key(visit: Visit) -> Response:
    id = _id(visit)
    await _check_owner(visit, (await keys.get(visit.db, visit.ids[1])).user_id)
    await visit.api("DELETE", f"/v1/keys/{visit.ids[1]}")
    return visit.redirect(f"/admin/users/{id}", "user-key-revoked")


async def end_session(visit: Visit) -> Response:
    id = _id(visit)
    await _check_owner(visit, (await sessions.get(visit.db, visit.ids[1])).user_id)
    await visit.api("DELETE", f"/v1/sessions/{visit.ids[1]}")
    return visit.redirect(f"/admin/users/{id}", "user-session-ended")


async def end_sessions(visit: Visit) -> Response:
    id = _id(visit)
    for session in await sessions.of_user(visit.db, id, _lifetime(visit), MOST_SESSIONS):
        with suppress(NotFound):  # it has just expired
            await visit.api("DELETE", f"/v1/sessions/{session.id}")
    return visit.redirect(f"/admin/users/{id}", "user-sessions-ended")


async def _check_owner(visit: Visit, user_id: str) -> None:
    """Check that the key or session belongs to the user in the URL. Raises NotFound."""
    if user_id != visit.ids[0]:
        raise NotFound()


# ---- rendering


async def _render(
    visit: Visit,
    status: int = 200,
    *,
    form: dict[str, str] | None = None,
    stale: dict[str, str] | None = None,
    problems: dict[str, str] | None = None,
    key_form: dict[str, str] | None = None,
    key_problems: dict[str, str] | None = None,
) -> Response:
    """The user page. `form` is a rejected form, `stale` a form for an outdated version."""
    whole = await _read(visit)
    user = whole.user
    stored = _form_of(user)
    problems = dict(problems or {})
    if stale is not None:
        problems = {
            "": "Someone else changed this user while you were editing. Nothing was saved; the form shows the current values."
        }
        problems |= {
            name: f"{LABELS[name]} you entered was “{stale.get(name, '')}”." for name in stored if _differs(name, stale, stored)
        }
    since, until = usage_pages.last_week()
    limit = _limit_of(visit, user.role)
    hours, requests = ([], []) if whole.deleted else await visit.db.read_aside(_used, user.id, since)
    return visit.render(
        "admin/deleted_user.html" if whole.deleted else "admin/user.html",
        status,
        section="admin/users",
        user=user,
        whole=whole,
        keys=[keys.public(key) for key in reversed(whole.keys)],
        state=key_pages.state,
        requests=requests,
        gauges=[] if whole.deleted else await usage_pages.gauges(visit, user.id, Limit.parse(user.rate_limit or limit)),
        **usage_pages.WORDS,
        browser=browsers.name,
        form=stored if form is None else form,
        problems=problems,
        key_form=key_form or {},
        key_problems=key_problems or {},
        me=visit.me.user,
        may_touch=_may_touch(visit, user),
        roles=_roles(visit),
        expiries=list(EXPIRIES.items()),
        scopes=[(scope, text) for scope, text in roles.SCOPES.items() if scope in roles.grantable(user.role)],
        most=MOST_SHOWN,
        retention=visit.services.settings.deleted_retention * clock.DAY,
        retention_days=visit.services.settings.deleted_retention,
        limit=limit,
        key_scopes=visit.chosen("scopes") if key_form else [],
        plot=bars(hours, since, until, "Requests per hour over 7 days") if hours else None,
    )


async def _read(visit: Visit) -> Whole:
    """Raises NotFound."""
    await events.settle(visit.db)
    return await visit.db.read(_whole, _id(visit), _lifetime(visit))


async def _whole(queries: Queries, id: str, lifetime: Lifetime) -> Whole:
    changes = await admin.latest(queries, LATEST, user_id=id)
    user = await users.by_id(queries, id)
    if user is None:
        deleted = await users.deleted(queries, id)
        if deleted is None:
            raise NotFound()
        return Whole(deleted.user, deleted, [], 0, [], changes)
    key_count = await keys.count(queries, id)
    return Whole(
        user,
        None,
        await keys.of_user(queries, id, MOST_SHOWN, max(0, key_count - MOST_SHOWN)),
        key_count,
        await sessions.of_user(queries, id, lifetime, MOST_SHOWN + 1),
        changes,
    )


async def _used(queries: Queries, id: str, since: int) -> tuple[list[Hour], list[Logged]]:
    """Usage by hour, and recent requests. The cost grows with the number of keys."""
    return await usage.hours(queries, id, since), await usage.requests(queries, id, limit=LATEST_REQUESTS)


def _form_of(user: User) -> dict[str, str]:
    """The form fields with the stored values."""
    found = {
        "version": str(user.version),
        "updated_at": str(user.updated_at),
        "name": user.name,
        "email": user.email,
        "role": user.role,
        "status": user.status,
        "external_id": user.external_id or "",
        "rate_limit": user.rate_limit or "",
        "metadata": "" if user.metadata == "{}" else msgspec.json.format(user.metadata, indent=2),
    }
    return found | ({"email_verified": "on"} if user.email_verified else {})


def _differs(name: str, sent: dict[str, str], stored: dict[str, str]) -> bool:
    if name in ("version", "updated_at", "email_verified"):
        return False
    if name == "metadata":
        return "".join(sent.get(name, "").split()) != "".join(stored[name].split())
    return sent.get(name, "").strip() != stored[name]


def _id(visit: Visit) -> str:
    """The user ID in the URL. Raises NotFound if it isn't one."""
    if not ids.is_id("user", visit.ids[0]):
        raise NotFound()
    return visit.ids[0]


def _may_touch(visit: Visit, user: User) -> bool:
    """Whether to show the buttons. The action checks again."""
    try:
        permissions.may_touch(visit.by, user.role)
    except ApiError:
        return False
    return True


def _roles(visit: Visit) -> list[str]:
    """The roles that the person can assign."""
    return [role for role in ROLES if role != "owner" or visit.me.user.role == "owner"]


def _limit_of(visit: Visit, role: str) -> str:
    """The rate limit of a role."""
    return str(visit.services.policy.limit_for(role))


def _lifetime(visit: Visit) -> Lifetime:
    return visit.services.session_lifetime
