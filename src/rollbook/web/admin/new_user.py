"""Create a user, with a password or with an invitation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollbook.actions import users
from rollbook.actions.arguments import UserCreate
from rollbook.errors import ApiError
from rollbook.http.response import Response
from rollbook.web import forms
from rollbook.web.admin.user import mail_link, redirect_to_link
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    return _form(page)


async def create(page: PageRequest) -> Response:
    """Without a password, they are invited: they get the link with which they set one by mail, or whoever creates them
    does."""
    form = page.form
    try:
        user = await users.create(page.on, page.by, page.arguments(UserCreate, _wanted(form)))
    except ApiError as error:
        return _form(page, error.status, form, forms.problems(page, error))
    if form.get("password"):
        return page.redirect(f"/admin/users/{user.id}", "user-created")
    if page.on.settings.sends_mail and "show_link" not in form:
        await mail_link(page, user)
        return page.redirect(f"/admin/users/{user.id}", "user-invited")
    return await redirect_to_link(page, user, is_new=True)


def _wanted(form: Mapping[str, str]) -> dict[str, Any]:
    """The form as arguments. Raises InvalidJson."""
    wanted = {
        "name": form.get("name", ""),
        "email": form.get("email", "").strip(),
        "role": form.get("role", "member"),
        "email_verified": "email_verified" in form,
        "metadata": forms.read_metadata(form.get("metadata", "")),
        **forms.plain_fields(form),
    }
    return wanted | ({"password": form["password"]} if form.get("password") else {"status": "invited"})


def _form(
    page: PageRequest, status: int = 200, form: Mapping[str, str] = {}, problems: Mapping[str, str] = {}
) -> Response:
    return page.render(
        "admin/new_user.html",
        status,
        section="admin/users",
        form=form,
        problems=problems,
        roles=page.roles_to_give(),
        plain_fields=forms.PLAIN_FIELDS,
        least=page.on.settings.password_min_length,
    )
