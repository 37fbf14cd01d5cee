"""The second step of a sign-in: after the password, a second factor. A cookie has the challenge, so that the page can
be loaded again."""

from __future__ import annotations

from rollbook.actions import passkeys, sessions
from rollbook.auth import tokens
from rollbook.errors import ApiError, InvalidChallenge
from rollbook.http.response import Response
from rollbook.records.users import User
from rollbook.web import factors, forms
from rollbook.web.account.sign_in import destination
from rollbook.web.page_request import PageRequest, cookie_of


async def show(page: PageRequest) -> Response:
    token = _token(page)
    try:
        return await _form(page, token, await sessions.user_of_step(page.on, token), page.query.get("next", ""))
    except InvalidChallenge:
        return _too_late(page)


async def finish(page: PageRequest) -> Response:
    """A session for the right factor. A wrong one can be tried again until the challenge ends."""
    token, wanted = _token(page), page.form.get("next", "")
    given = factors.given(page, passkeys.about_step(token))
    try:
        user = await sessions.user_of_step(page.on, token)
        try:
            signed_in = await sessions.finish_sign_in(page.on, page.by, token, given, page.browser)
        except InvalidChallenge:
            raise
        except ApiError as error:
            return await _form(page, token, user, wanted, error)
    except InvalidChallenge:
        return _too_late(page)
    page.request.user_id = user.id
    return page.redirect(destination(wanted), headers=page.cookies(signed_in) + _forget(page))


def _token(page: PageRequest) -> str:
    return cookie_of(page.request, page.on.settings, tokens.STEP) or ""


def _forget(page: PageRequest) -> bytes:
    return page.set_cookie("", 0, tokens.STEP)


def _too_late(page: PageRequest) -> Response:
    return page.redirect(page.localized("/account/sign-in"), "sign-in-expired", _forget(page))


async def _form(page: PageRequest, token: str, user: User, wanted: str, error: ApiError | None = None) -> Response:
    return page.render(
        "sign_in/second_step.html",
        secret=True,
        error=error,
        section="sign-in",
        user=user,
        next=wanted,
        asked=await factors.asked(page, user.id, passkeys.about_step(token)),
        problems=forms.problems(page, error, proof=factors.CODE),
    )
