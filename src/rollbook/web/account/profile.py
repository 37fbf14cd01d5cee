"""The person's own profile: name, email, password, and an export of their data.

Deleting one's own account: what happens to it, the form, and the page behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rollbook import clock, roles
from rollbook.actions import own_email, passwords, sessions, users
from rollbook.actions.arguments.passwords import PasswordChange
from rollbook.actions.arguments.users import UserUpdate
from rollbook.actions.permissions import reaches_all
from rollbook.api.exports import export_document
from rollbook.errors import ApiError, Forbidden
from rollbook.http.request import Response
from rollbook.records.users import User
from rollbook.web import forms
from rollbook.web.account.sign_in import FORGET_PAGES
from rollbook.web.page_request import PageRequest, download


async def change_profile(page: PageRequest) -> Response:
    values = {name: page.form.get(name, "").strip() for name in ("name", "email")}
    proof = {"current_password": password} if (password := page.form.get("current_password")) else {}
    try:
        fields = page.arguments(UserUpdate, values | proof)
        mails = page.on.settings.sends_mail and values["email"] != page.me.user.email
        if mails:  # the new one counts once it is confirmed
            await own_email.ask(page.on, page.by, values["email"], fields.current_password, page.reads)
            fields = page.arguments(UserUpdate, {"name": values["name"]})
        await users.update(page.on, page.by, page.me.user.id, fields)
    except ApiError as error:
        problems = forms.problems(page, error, proof="current_password")
        return await show(page, error, values=values, problems=problems)
    return page.redirect("/account", "email-asked" if mails else "profile-saved")


async def verify_email(page: PageRequest) -> Response:
    try:
        await own_email.ask_to_verify(page.on, page.by, page.reads)
    except ApiError as error:
        return await show(page, error, account_problems=forms.problems(page, error))
    return page.redirect("/account", "verification-sent")


async def cancel_email(page: PageRequest) -> Response:
    await own_email.cancel(page.on, page.by)
    return page.redirect("/account", "email-canceled")


async def change_password(page: PageRequest) -> Response:
    """The old password's sessions end with it; this browser gets a new one, so that only the others are signed out."""
    values: dict[str, object] = {name: page.form.get(name, "") for name in ("password", "current_password")}
    values["revoke_keys"] = "revoke_keys" in page.form
    try:
        await passwords.set_password(page.on, page.by, page.me.user.id, page.arguments(PasswordChange, values))
    except ApiError as error:
        labels = forms.LABELS | {"password": "The new password"}
        problems = forms.problems(page, error, labels, proof="current_password")
        return await show(page, error, password_problems=problems)
    signed_in = await sessions.start(page.on, page.by, page.me.user.id, page.browser)
    return page.redirect("/account", "password-changed", page.cookies(signed_in))


async def export(page: PageRequest) -> Response:
    """Everything that is stored about the person, as a file."""
    personal = await users.export(page.on, page.by, page.me.user.id)
    name = f"rollbook-{page.me.user.id}-{clock.format_time(clock.now())[:10]}.json"
    return download(name, "application/json", export_document(personal, indented=True))


async def show(
    page: PageRequest,
    error: ApiError | None = None,
    *,
    values: Mapping[str, str] | None = None,
    problems: Mapping[str, str] = {},
    password_problems: Mapping[str, str] = {},
    account_problems: Mapping[str, str] = {},
) -> Response:
    user = page.me.user
    return page.render(
        "account/profile.html",
        error=error,
        section="account",
        user=user,
        metadata=_metadata(user),
        role_text=roles.ROLES[user.role],
        given=values or {"name": user.name, "email": user.email},
        least=page.on.settings.password_min_length,
        mails=page.on.settings.sends_mail,
        can_delete=page.on.settings.self_deletion,
        own=("name", "email") if reaches_all(page.by, "users:write") else page.on.settings.member_fields,
        problems=problems,
        password_problems=password_problems,
        account_problems=account_problems,
        waiting=await own_email.waiting(page.on, page.by),
    )


def _metadata(user: User) -> dict[str, str]:
    """The values of their metadata as text."""
    values: dict[str, Any] = msgspec.json.decode(user.metadata)
    return {name: value if isinstance(value, str) else _json(value) for name, value in values.items()}


def _json(value: object) -> str:
    """On one line, with spaces."""
    return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()


async def show_delete(page: PageRequest) -> Response:
    if not page.on.settings.self_deletion:
        raise Forbidden("This account can’t be deleted here.")
    return _delete_page(page)


async def delete_account(page: PageRequest) -> Response:
    """Ends all sessions, so that this browser is signed out, too."""
    try:
        await users.delete_own(page.on, page.by)
    except ApiError as error:
        return _delete_page(page, error)
    return page.redirect(page.localized("/account/deleted"), headers=page.set_cookie("", 0) + FORGET_PAGES)


async def show_deleted(page: PageRequest) -> Response:
    return page.render("sign_in/deleted.html", section="sign-in", time=_time(page))


def _delete_page(page: PageRequest, error: ApiError | None = None) -> Response:
    return page.render(
        "sign_in/delete_account.html",
        error=error,
        section="sign-in",
        time=_time(page),
        problems=forms.problems(page, error),
    )


def _time(page: PageRequest) -> str:
    """Time in which the account can be restored."""
    days = page.on.settings.deleted_retention
    return page.language.counted("day", days) if days else ""
