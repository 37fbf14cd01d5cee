"""One user: their profile, and what can be done to them. Their keys, sessions, requests and events have pages of their
own.

Create a user, with a password or with an invitation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from rollbook import clock, languages
from rollbook.actions import groups, invitations, second_factors, users
from rollbook.actions import tokens as links
from rollbook.actions.arguments.tokens import HANDED_ON, TokenCreate
from rollbook.actions.arguments.users import UserCreate, UserUpdate
from rollbook.api.show import for_people
from rollbook.auth import tokens
from rollbook.config import LanguageCode
from rollbook.errors import ApiError, NotFound, PreconditionFailed
from rollbook.http.request import Response
from rollbook.records import events
from rollbook.records import users as user_records
from rollbook.records.one_time_tokens import Token
from rollbook.records.second_factors import SecondFactor
from rollbook.records.users import METADATA, User
from rollbook.roles import APPLICATION
from rollbook.storage.database import Queries
from rollbook.web import forms, shown_once, usage
from rollbook.web.admin import changes, stopping, user_tabs
from rollbook.web.admin.changes import EventInWords
from rollbook.web.admin.events import undoable, wrong
from rollbook.web.admin.user_filters import back_url
from rollbook.web.page_request import PageRequest, whole_number

LATEST = 20
"""Events on the page of a deleted user."""


async def show(page: PageRequest) -> Response:
    try:
        return await _profile(page, Edited(await user_tabs.find_user(page)))
    except NotFound:
        # As in the list of deleted users.
        if not page.may("users:write"):
            raise
        return await _deleted(page)


async def edit(page: PageRequest) -> Response:
    """Changes the version that the form was made from."""
    form = page.form
    try:
        await _update(page, page.arguments(UserUpdate, _wanted(form)))
    except NotFound:
        raise
    except ApiError as error:
        stored = Edited(await user_tabs.find_user(page))
        if isinstance(error, PreconditionFailed):
            forms.problems(page, error)
            return await _profile(page, stored.changed_meanwhile(form))
        problems = forms.problems(page, error, proof="current_password")
        return await _profile(page, stored._replace(problems=problems, sent=form))
    return page.redirect(f"/admin/users/{page.ids[0]}", "user-saved", undo=await undoable(page, page.ids[0]))


async def _update(page: PageRequest, update: UserUpdate) -> None:
    """Raises PreconditionFailed when the user was changed since the form was made. To sign in is no such change."""
    id, form = page.ids[0], page.form
    version = whole_number(form.get("version", ""))
    versions = frozenset([] if version is None else [version])
    try:
        await users.update(page.on, page.by, id, update, versions)
    except PreconditionFailed:
        user = await users.get(page.on, page.by, id)
        if str(user.updated_at) != form.get("updated_at"):
            raise
        await users.update(page.on, page.by, id, update, frozenset([user.version]))


async def suspend(page: PageRequest) -> Response:
    if (asks := await _asks_first(page, "suspend")) is not None:
        return asks
    count = await _count_of_stopping(page)
    await users.suspend(page.on, page.by, page.ids[0])
    notice, undo = "user-suspended-with" if count else "user-suspended", await undoable(page, page.ids[0])
    return page.redirect(back(page), notice, count=count, undo=undo)


async def activate(page: PageRequest) -> Response:
    await users.activate(page.on, page.by, page.ids[0])
    return page.redirect(back(page), "user-activated", undo=await undoable(page, page.ids[0]))


async def delete(page: PageRequest) -> Response:
    if (asks := await _asks_first(page, "delete")) is not None:
        return asks
    count = await _count_of_stopping(page)
    await users.delete(page.on, page.by, page.ids[0])
    notice, undo = "user-deleted-with" if count else "user-deleted", await undoable(page, page.ids[0])
    return page.redirect(back(page), notice, count=count, undo=undo)


async def _count_of_stopping(page: PageRequest) -> int | None:
    """Number of keys and webhooks of others that stop with the user; None for none."""
    user = await user_tabs.find_user(page)
    return (await stopping.of_users(page, [user]))[user.id].count or None


async def _asks_first(page: PageRequest, what: str) -> Response | None:
    """The page that asks before an application is stopped. None: it is a person."""
    user = await user_tabs.find_user(page)
    return page.redirect(f"/admin/applications/{user.id}/{what}") if user.kind == APPLICATION else None


def back(page: PageRequest) -> str:
    """The page that the form was on: a list, or the user's own."""
    if "invitations" in page.form:
        return back_url(page.form, "/admin/invitations")
    return back_url(page.form) if "list" in page.form else f"/admin/users/{page.ids[0]}"


async def restore(page: PageRequest) -> Response:
    try:
        await users.restore(page.on, page.by, page.ids[0])
    except NotFound:
        raise
    except ApiError as error:
        return await _deleted(page, forms.problems(page, error))
    return page.redirect(f"/admin/users/{page.ids[0]}", "user-restored")


async def ask_delete(page: PageRequest) -> Response:
    return await _asks_first(page, "delete") or await _ask_delete(page, await user_tabs.find_user(page))


async def purge(page: PageRequest) -> Response:
    """Erases the user, once their email has been typed."""
    try:
        user, is_deleted = await user_tabs.find_user(page), False
    except NotFound:
        user, is_deleted = (await page.on.read(_stored, page.ids[0])).user, True
    if page.form.get("confirm", "").strip().casefold() != user.email.casefold():
        problems = forms.problems(page, wrong("confirm", f"Type {user.email} to erase this user permanently."))
        return await _deleted(page, problems) if is_deleted else await _ask_delete(page, user, problems)
    await users.delete(page.on, page.by, user.id, purge=True)
    return page.redirect("/admin/users", "user-purged")


async def lift_factors(page: PageRequest) -> Response:
    await second_factors.lift_second_factors(page.on, page.by, page.ids[0])
    return page.redirect(f"/admin/users/{page.ids[0]}", "factors-lifted")


async def adopt(page: PageRequest) -> Response:
    await users.adopt(page.on, page.by, page.ids[0])
    return page.redirect(f"/admin/users/{page.ids[0]}", "user-adopted")


async def create_link(page: PageRequest) -> Response:
    return await redirect_to_link(page, await user_tabs.find_user(page))


async def send_link(page: PageRequest) -> Response:
    """Mail the user a link with which they set a password."""
    await mail_link(page, await user_tabs.find_user(page))
    return page.redirect(back(page), "link-sent")


async def mail_link(page: PageRequest, user: User) -> None:
    new = TokenCreate(purpose=links.password_purpose(user.status), send=True, language=_language(page))
    await links.create_token(page.on, page.by, user.id, new)


def _language(page: PageRequest) -> LanguageCode | UnsetType:
    """The language of a link, where the form offers one."""
    return languages.named(page.form.get("language", "")) or UNSET


async def redirect_to_link(page: PageRequest, user: User, is_new: bool = False) -> Response:
    """Create a link to set a password, which ends the one before, and lead to its page."""
    purpose = links.password_purpose(user.status)
    lifetime = UNSET if purpose == "invite" else HANDED_ON
    new = TokenCreate(purpose=purpose, expires_in=lifetime, language=_language(page))
    link = await links.create_token(page.on, page.by, user.id, new)
    url = tokens.link_url(page.on.url, link.token.purpose, link.text, link.token.language)
    shown = {"url": url, "expires_at": link.token.expires_at, "is_new": is_new}
    return shown_once.redirect(page, f"/admin/users/{user.id}/link", shown)


async def show_link(page: PageRequest) -> Response:
    """Show the link once; once it is too late, leads to the user. Raises NotFound."""
    user = await user_tabs.find_user(page)
    shown = shown_once.found(page)
    if shown is None:
        return page.redirect(f"/admin/users/{user.id}")
    return page.render(
        "admin/link.html",
        secret=True,
        section="admin/users",
        user=user,
        link_url=shown["url"],
        expires_at=shown["expires_at"],
        is_new=shown["is_new"],
        minutes=shown_once.MINUTES,
    )


# ---- pages


class Edited(NamedTuple):
    """A user, and what was typed into the form."""

    user: User
    sent: Mapping[str, str] | None = None
    problems: Mapping[str, str] = {}

    @property
    def form(self) -> Mapping[str, str]:
        return self.stored if self.sent is None else self.sent

    @property
    def stored(self) -> dict[str, str]:
        """The fields of the form as they are stored."""
        user = self.user
        values = {
            "version": str(user.version),
            "updated_at": str(user.updated_at),
            "name": user.name,
            "email": user.email,
            "role": user.role,
            "rate_limit": user.rate_limit or "",
            **dict.fromkeys(
                ("ends_at", "ends_was"), "" if user.ends_at is None else clock.format_time(user.ends_at)[:-1]
            ),
            **{field.name: getattr(user, field.name) or "" for field in forms.PLAIN_FIELDS},
            **{name: _document(getattr(user, name)) for name in METADATA},
        }
        return values | ({"email_verified": "on"} if user.email_verified else {})

    def changed_meanwhile(self, sent: Mapping[str, str]) -> Edited:
        """The form shows what is stored now; beside the fields stands what was sent."""
        problems = {
            "": "Someone else changed this user while you were editing. Nothing was saved; the form shows the "
            "current values."
        }
        for name, value in self.stored.items():
            if _differs(name, sent.get(name, ""), value):
                problems[name] = f"{forms.LABELS[name]} you entered was “{sent.get(name, '')}”."
        return self._replace(problems=problems)


def _document(text: str) -> str:
    return "" if text == "{}" else for_people(text.encode()).decode()


class DeletedUserView(NamedTuple):
    """Remains of a deleted user."""

    user: User
    deleted_at: int
    changes: list[EventInWords]


async def _profile(page: PageRequest, edited: Edited) -> Response:
    user = edited.user
    limit = page.on.policy.limit_for(user.role, user.rate_limit)
    return page.render(
        "admin/user.html",
        edited=edited,
        problems=edited.problems,
        factors=await _factors(page, user),
        is_unproven=page.may("users:write") and await users.is_unproven(page.on, user),
        memberships=await groups.of_user(page.on, page.by, user.id) if page.may("groups:read") else [],
        plain_fields=forms.PLAIN_FIELDS,
        roles=[role for role in page.roles_to_give() if role != "owner" or user.kind != APPLICATION],
        limit=limit,
        role_limit=page.on.policy.limit_for(user.role),
        invitation=await invitation_of(page, user) if user.status == "invited" and page.may("tokens:create") else None,
        gauges=await usage.gauges(page, user.id, limit) if page.may("requests:read") else [],
        **await user_tabs.context(page, user),
    )


class Invitation(NamedTuple):
    """An invited user, and the link that they were given last."""

    user: User
    token: Token | None
    is_open: bool


async def invitations_of(page: PageRequest, users: Sequence[User]) -> list[Invitation]:
    tokens_by_user = await invitations.of_users(page.on, page.by, [user.id for user in users])
    tokens = [tokens_by_user.get(user.id) for user in users]
    now = clock.now()
    return [
        Invitation(user, token, token is not None and token.expires_at > now)
        for user, token in zip(users, tokens, strict=True)
    ]


async def invitation_of(page: PageRequest, user: User) -> Invitation:
    return (await invitations_of(page, [user]))[0]


async def _factors(page: PageRequest, user: User) -> list[SecondFactor]:
    """Active second factors, for those who may lift them."""
    if not page.may("users:write"):
        return []
    listing = await second_factors.list_second_factors(page.on, page.by, user.id)
    return [factor for factor in listing.factors if factor.confirmed_at is not None]


async def _deleted(page: PageRequest, problems: Mapping[str, str] = {}) -> Response:
    """Raises NotFound."""
    await events.settle(page.on.db)
    deleted = await page.on.read(_stored, page.ids[0])
    return page.render(
        "admin/deleted_user.html",
        section="admin/users",
        user=deleted.user,
        found=deleted,
        problems=problems,
        plain_fields=forms.PLAIN_FIELDS,
        may_touch=page.may_touch(deleted.user.role),
        erased_at=deleted.deleted_at + page.on.settings.deleted_retention * clock.DAY,
    )


async def _stored(queries: Queries, id: str) -> DeletedUserView:
    deleted = await user_records.deleted(queries, id)
    if deleted is None:
        raise NotFound()
    log = (await events.latest(queries, LATEST, id)).events
    return DeletedUserView(deleted.user, deleted.deleted_at, await changes.in_words(queries, log))


async def _ask_delete(page: PageRequest, user: User, problems: Mapping[str, str] = {}) -> Response:
    return page.render(
        "admin/delete_user.html",
        section="admin/users",
        user=user,
        problems=problems,
        is_allowed=page.may_touch(user.role) and user.id != page.me.user.id,
        stops=(await stopping.of_users(page, [user]))[user.id],
        stopped=await stopping.previewed(page, lambda on, by: users.delete(on, by, user.id)),
        retention_days=page.on.settings.deleted_retention,
    )


# ---- the form


def _wanted(form: Mapping[str, str]) -> dict[str, Any]:
    """The form as arguments. Raises InvalidJson."""
    return {
        **_fields(form),
        "role": form.get("role", ""),
        "rate_limit": form.get("rate_limit", "").strip() or None,
        **{name: forms.read_metadata(form[name], name) for name in METADATA if name in form},
    } | ({"current_password": form["current_password"]} if form.get("current_password") else {})


def _fields(form: Mapping[str, str]) -> dict[str, Any]:
    """The fields that a new user and one who is changed have."""
    plain = {"name": form.get("name", ""), "email": form.get("email", "").strip(), **forms.plain_fields(form)}
    if (end := _end(form.get("ends_at", ""))) != _end(form.get("ends_was", "")):
        plain["ends_at"] = end
    return plain | {"email_verified": "email_verified" in form}


def _end(typed: str) -> str | None:
    """The value of a datetime-local field in UTC as an RFC 3339 time. Browsers leave out seconds that are 0."""
    minutes = typed.strip().removesuffix(":00") if typed.count(":") == 2 else typed.strip()
    return None if not minutes else minutes + ("Z" if minutes.count(":") == 2 else ":00Z")


def _differs(name: str, sent: str, stored: str) -> bool:
    if name in ("version", "updated_at", "email_verified", "ends_was"):
        return False
    if name in METADATA:
        return "".join(sent.split()) != "".join(stored.split())
    return sent.strip() != stored


async def show_new(page: PageRequest) -> Response:
    return _new_form(page)


async def create(page: PageRequest) -> Response:
    """Without a password, they are invited: they get the link with which they set one by mail, or whoever creates them
    does."""
    form = page.form
    try:
        user = await users.create(page.on, page.by, page.arguments(UserCreate, _new_user(form)))
    except ApiError as error:
        return _new_form(page, form, forms.problems(page, error))
    if form.get("password"):
        return page.redirect(f"/admin/users/{user.id}", "user-created")
    if page.on.settings.sends_mail and "show_link" not in form:
        await mail_link(page, user)
        return page.redirect(f"/admin/users/{user.id}", "user-invited")
    return await redirect_to_link(page, user, is_new=True)


def _new_user(form: Mapping[str, str]) -> dict[str, Any]:
    """The form as arguments. Raises InvalidJson."""
    fields = {
        **_fields(form),
        "role": form.get("role", "member"),
        "metadata": forms.read_metadata(form.get("metadata", "")),
    }
    return fields | ({"password": form["password"]} if form.get("password") else {"status": "invited"})


def _new_form(page: PageRequest, form: Mapping[str, str] = {}, problems: Mapping[str, str] = {}) -> Response:
    return page.render(
        "admin/new_user.html",
        section="admin/users",
        form=form,
        problems=problems,
        roles=page.roles_to_give(),
        plain_fields=forms.PLAIN_FIELDS,
        least=page.on.settings.password_min_length,
    )
