"""One user: everything about them on one page, and what can be done to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rollbook import clock, roles
from rollbook.actions import keys, sessions, users
from rollbook.actions.arguments import KeyCreate, UserUpdate
from rollbook.api.parsing import read_object
from rollbook.api.show import for_people
from rollbook.errors import ApiError, InvalidJson, NotFound, PreconditionFailed
from rollbook.http.response import Response
from rollbook.quota import Limit
from rollbook.records import events, request_log
from rollbook.records import keys as key_records
from rollbook.records import sessions as session_records
from rollbook.records import usage as usage_records
from rollbook.records import users as user_records
from rollbook.records.keys import Key
from rollbook.records.request_log import Logged, Search
from rollbook.records.sessions import Lifetime, Session
from rollbook.records.usage import Hour
from rollbook.records.users import User
from rollbook.storage.database import Queries
from rollbook.web import forms, plots, usage
from rollbook.web.account.keys import state
from rollbook.web.admin import changes
from rollbook.web.admin.changes import Change
from rollbook.web.admin.new_user import show_link
from rollbook.web.admin.permitted import may_touch, roles_to_give
from rollbook.web.admin.user_filters import back_url
from rollbook.web.page_request import PageRequest

if TYPE_CHECKING:
    from markupsafe import Markup

MAX_SHOWN = 50
"""Keys and sessions on the page."""
LATEST = 20
"""Events on the page."""
LATEST_REQUESTS = 10


async def show(page: PageRequest) -> Response:
    return await _render(page, await _read(page))


async def edit(page: PageRequest) -> Response:
    """Changes the version that the form was made from."""
    form = page.form
    try:
        await _update(page, page.arguments(UserUpdate, _wanted(form)))
    except NotFound:
        raise
    except InvalidJson as error:
        problem = error.message.replace("The body", "This")
        return await _render(page, (await _read(page)).with_problems({"metadata": problem}, form), error.status)
    except PreconditionFailed as error:
        return await _render(page, (await _read(page)).changed_meanwhile(form), error.status)
    except ApiError as error:
        return await _render(page, (await _read(page)).with_problems(forms.problems(page, error), form), error.status)
    return page.redirect(f"/admin/users/{page.ids[0]}", "user-saved")


async def _update(page: PageRequest, wanted: UserUpdate) -> None:
    """Raises PreconditionFailed when the user was changed since the form was made. To sign in is no such change."""
    id, form = page.ids[0], page.form
    version = form.get("version", "")
    versions = frozenset([int(version)] if version.isascii() and version.isdigit() and len(version) < 19 else [])
    try:
        await users.update(page.on, page.by, id, wanted, versions)
    except PreconditionFailed:
        user = await users.get(page.on, page.by, id)
        if str(user.updated_at) != form.get("updated_at"):
            raise
        await users.update(page.on, page.by, id, wanted, frozenset([user.version]))


async def suspend(page: PageRequest) -> Response:
    await users.suspend(page.on, page.by, page.ids[0])
    return page.redirect(_from(page), "user-suspended")


async def activate(page: PageRequest) -> Response:
    await users.activate(page.on, page.by, page.ids[0])
    return page.redirect(_from(page), "user-activated")


async def delete(page: PageRequest) -> Response:
    await users.delete(page.on, page.by, page.ids[0])
    return page.redirect(_from(page), "user-deleted")


def _from(page: PageRequest) -> str:
    """The page that the form was on: the list, or the user's own."""
    return back_url(page.form) if "list" in page.form else f"/admin/users/{page.ids[0]}"


async def restore(page: PageRequest) -> Response:
    try:
        await users.restore(page.on, page.by, page.ids[0])
    except NotFound:
        raise
    except ApiError as error:
        return await _render(page, (await _read(page)).with_problems({"": forms.sentence(error)}), error.status)
    return page.redirect(f"/admin/users/{page.ids[0]}", "user-restored")


async def purge(page: PageRequest) -> Response:
    """Erases the user, once their email has been typed."""
    found = await _read(page)
    if page.form.get("confirm", "").strip().casefold() != found.user.email.casefold():
        return await _render(
            page, found.with_problems({"confirm": f"Type {found.user.email} to erase this user permanently."}), 400
        )
    await users.delete(page.on, page.by, found.user.id, purge=True)
    return page.redirect("/admin/users", "user-purged")


async def create_link(page: PageRequest) -> Response:
    return await show_link(page, await users.get(page.on, page.by, page.ids[0]))


# ---- their keys and sessions


async def create_key(page: PageRequest) -> Response:
    """The response is the only page with the key on it."""
    id, form = page.ids[0], page.form
    wanted = {
        "name": form.get("key_name", "").strip(),
        "user_id": id,
        "scopes": page.getlist("scopes") or None,
        "expires_at": forms.expiry(form.get("expires", "")),
        "rate_limit": form.get("key_limit", "").strip() or None,
    }
    try:
        issued = await keys.create(page.on, page.by, page.arguments(KeyCreate, wanted))
    except NotFound:
        raise
    except ApiError as error:
        renamed = {"name": "key_name", "rate_limit": "key_limit", "expires_at": "expires"}
        problems = {renamed.get(name, name): sentence for name, sentence in forms.problems(page, error).items()}
        found = (await _read(page)).with_key_problems(problems, form, page.getlist("scopes"))
        return await _render(page, found, error.status)
    user = await users.get(page.on, page.by, id)
    return page.render("admin/key.html", secret=True, section="admin/users", user=user, key=issued.key, token=issued.token)


async def revoke_key(page: PageRequest) -> Response:
    id, key_id = page.ids
    await keys.revoke(page.on, page.by, key_id, of=id)
    return page.redirect(f"/admin/users/{id}", "user-key-revoked")


async def end_session(page: PageRequest) -> Response:
    id, session_id = page.ids
    await sessions.end(page.on, page.by, session_id, of=id)
    return page.redirect(f"/admin/users/{id}", "user-session-ended")


async def end_sessions(page: PageRequest) -> Response:
    await sessions.end_all(page.on, page.by, page.ids[0])
    return page.redirect(f"/admin/users/{page.ids[0]}", "user-sessions-ended")


# ---- the page


class UserPage(NamedTuple):
    """What is stored about a user, from one moment, and what was typed into the forms. Of a deleted user, only the events are left."""

    user: User
    changes: list[Change]
    deleted_at: int | None = None
    keys: Sequence[Key] = ()
    key_count: int = 0
    sessions: Sequence[Session] = ()
    sent: Mapping[str, str] | None = None
    problems: Mapping[str, str] = {}
    key_form: Mapping[str, str] = {}
    key_scopes: Sequence[str] = ()
    key_problems: Mapping[str, str] = {}

    @property
    def form(self) -> Mapping[str, str]:
        return self.stored if self.sent is None else self.sent

    @property
    def stored(self) -> dict[str, str]:
        """The fields of the form as they are stored."""
        user = self.user
        found = {
            "version": str(user.version),
            "updated_at": str(user.updated_at),
            "name": user.name,
            "email": user.email,
            "role": user.role,
            "status": user.status,
            "rate_limit": user.rate_limit or "",
            **{field.name: getattr(user, field.name) or "" for field in forms.PLAIN_FIELDS},
            "metadata": "" if user.metadata == "{}" else for_people(user.metadata.encode()).decode(),
        }
        return found | ({"email_verified": "on"} if user.email_verified else {})

    def with_problems(self, problems: Mapping[str, str], sent: Mapping[str, str] | None = None) -> UserPage:
        """`sent` is the form that was refused."""
        return self._replace(problems=problems, sent=sent)

    def with_key_problems(self, problems: Mapping[str, str], sent: Mapping[str, str], scopes: Sequence[str]) -> UserPage:
        return self._replace(key_problems=problems, key_form=sent, key_scopes=scopes)

    def changed_meanwhile(self, sent: Mapping[str, str]) -> UserPage:
        """The form shows what is stored now; beside the fields stands what was sent."""
        problems = {
            "": "Someone else changed this user while you were editing. Nothing was saved; the form shows the current values."
        }
        for name, value in self.stored.items():
            if _differs(name, sent.get(name, ""), value):
                problems[name] = f"{forms.LABELS[name]} you entered was “{sent.get(name, '')}”."
        return self.with_problems(problems)


class Used(NamedTuple):
    """What the user's keys did."""

    plot: Markup | None
    requests: list[Logged]
    gauges: list[usage.Gauge]


async def _render(page: PageRequest, found: UserPage, status: int = 200) -> Response:
    user, settings = found.user, page.on.settings
    context = {
        "section": "admin/users",
        "user": user,
        "found": found,
        "problems": found.problems,
        "plain_fields": forms.PLAIN_FIELDS,
        "may_touch": may_touch(page, user.role),
        "retention_days": settings.deleted_retention,
    }
    if found.deleted_at is not None:
        return page.render(
            "admin/deleted_user.html", status, erased_at=found.deleted_at + settings.deleted_retention * clock.DAY, **context
        )
    limit = page.on.policy.limit_for(user.role, user.rate_limit)
    return page.render(
        "admin/user.html",
        status,
        used=await _used(page, user, limit),
        state=state,
        roles=roles_to_give(page),
        expiries=forms.EXPIRIES,
        scopes=[(scope, text) for scope, text in roles.SCOPES.items() if scope in roles.grantable(user.role)],
        limit=limit,
        role_limit=page.on.policy.limit_for(user.role),
        most=MAX_SHOWN,
        **context,
    )


async def _read(page: PageRequest) -> UserPage:
    """Raises NotFound."""
    await events.settle(page.on.db)
    return await page.on.read(_stored, page.ids[0], page.on.session_lifetime)


async def _stored(queries: Queries, id: str, lifetime: Lifetime) -> UserPage:
    latest = (await changes.latest(queries, LATEST, id)).changes
    user = await user_records.by_id(queries, id)
    if user is None:
        deleted = await user_records.deleted(queries, id)
        if deleted is None:
            raise NotFound()
        return UserPage(deleted.user, latest, deleted.deleted_at)
    return UserPage(
        user,
        latest,
        keys=await key_records.of_user(queries, id, MAX_SHOWN, newest_first=True),
        key_count=await key_records.count(queries, id),
        sessions=await session_records.of_user(queries, id, lifetime, MAX_SHOWN + 1),
    )


async def _used(page: PageRequest, user: User, limit: Limit) -> Used:
    since, until = usage.last_week()
    hours, requests = await page.on.read_aside(_requests, user.id, since)
    plot = plots.requests_by_hour(hours, since, until, "Requests per hour over 7 days") if hours else None
    return Used(plot, requests, await usage.gauges(page, user.id, limit))


async def _requests(queries: Queries, id: str, since: int) -> tuple[list[Hour], list[Logged]]:
    """By the hour, and the last ones. The cost grows with the number of keys."""
    found = await request_log.search(queries, Search(id), LATEST_REQUESTS)
    return await usage_records.hours(queries, id, since), found.lines


# ---- the form


def _wanted(form: Mapping[str, str]) -> dict[str, object]:
    """The form as arguments. Raises InvalidJson."""
    return {
        "name": form.get("name", ""),
        "email": form.get("email", "").strip(),
        "role": form.get("role", ""),
        "status": form.get("status", ""),
        "rate_limit": form.get("rate_limit", "").strip() or None,
        "email_verified": "email_verified" in form,
        "metadata": read_object(form.get("metadata", "").strip().encode() or b"{}", None, None),
        **forms.plain_fields(form),
    }


def _differs(name: str, sent: str, stored: str) -> bool:
    if name in ("version", "updated_at", "email_verified"):
        return False
    if name == "metadata":
        return "".join(sent.split()) != "".join(stored.split())
    return sent.strip() != stored
