"""A new setup link or password reset link for a user, and the page that shows it once."""

from __future__ import annotations

from rollbook.actions import passwords
from rollbook.actions.arguments import PasswordLinkCreate
from rollbook.auth import tokens
from rollbook.http.response import Response
from rollbook.records.users import User
from rollbook.web import shown_once
from rollbook.web.page_request import PageRequest


async def redirect(page: PageRequest, user: User, is_new: bool = False) -> Response:
    """Creates one, which invalidates the one before, and leads to its page."""
    link = await passwords.create_password_link(page.on, page.by, user.id, PasswordLinkCreate())
    shown = {"url": tokens.password_link(page.on.url, link.token), "expires_at": link.expires_at, "is_new": is_new}
    return shown_once.redirect(page, f"/admin/users/{user.id}/password-link", shown)


def show(page: PageRequest, user: User) -> Response:
    """Once it is too late, leads to the user."""
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
        is_setup=user.last_sign_in_at is None,
        minutes=shown_once.MINUTES,
    )
