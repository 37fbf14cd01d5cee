"""Deleting one's own account: what happens to it, the form, and the page behind it."""

from __future__ import annotations

from rollbook.actions import users
from rollbook.errors import ApiError, Forbidden
from rollbook.http.response import Response
from rollbook.web import forms
from rollbook.web.account.sign_in import FORGET_PAGES
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    if not page.on.settings.self_deletion:
        raise Forbidden("This account can’t be deleted here.")
    return _page(page)


async def delete(page: PageRequest) -> Response:
    """Ends all sessions, so that this browser is signed out, too."""
    try:
        await users.delete_own(page.on, page.by)
    except ApiError as error:
        return _page(page, error)
    return page.redirect(page.localized("/account/deleted"), headers=page.set_cookie("", 0) + FORGET_PAGES)


async def show_deleted(page: PageRequest) -> Response:
    return page.render("sign_in/deleted.html", section="sign-in", time=_time(page))


def _page(page: PageRequest, error: ApiError | None = None) -> Response:
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
