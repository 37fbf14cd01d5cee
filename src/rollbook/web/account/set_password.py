"""The page behind a setup link or a password reset link."""

from __future__ import annotations

from urllib.parse import urlsplit

from rollbook.actions import sessions
from rollbook.auth import tokens
from rollbook.errors import ApiError, NotFound
from rollbook.http.response import Response
from rollbook.records.users import User
from rollbook.web import forms
from rollbook.web.account.sign_in import home
from rollbook.web.page_request import PageRequest, header_lines


async def show(page: PageRequest) -> Response:
    """Opening it uses nothing up: programs that show email open links too."""
    token = page.query.get("token", "")
    user = await sessions.user_of_link(page.on, token)
    return _dead(page) if user is None else _form(page, token, user)


async def set_password(page: PageRequest) -> Response:
    """Sets the password, uses up the link, signs the person in and leads to the overview, or to their API keys; or to
    where the link says."""
    form = page.form
    token, password = form.get("token", ""), form.get("password", "")
    user = await sessions.user_of_link(page.on, token)
    if user is None:
        return _dead(page)
    if form.get("again", "") != password:
        return _form(page, token, user, 400, problems={"again": page.t("passwords_differ")})
    try:
        signed_in = await sessions.use_link(page.on, page.by, token, password, page.browser, "revoke_keys" in form)
    except NotFound:
        return _dead(page)  # somebody else who has the link was faster
    except ApiError as error:
        return _form(page, token, user, error.status, headers=header_lines(error), problems=forms.problems(page, error))
    if url := tokens.redirect_url(token):
        return page.leave(url)
    if signed_in is None:
        return page.redirect(page.localized("/account/sign-in"), "password-set-only")
    return page.redirect(home(user.role, "/account/keys"), "password-set", page.cookies(signed_in))


def _form(
    page: PageRequest,
    token: str,
    user: User,
    status: int = 200,
    *,
    headers: bytes = b"",
    problems: dict[str, str] | None = None,
) -> Response:
    parts = urlsplit(tokens.redirect_url(token))
    return page.render(
        "sign_in/set_password.html",
        status,
        secret=True,
        leads_to=f"{parts.scheme}://{parts.netloc}" if parts.netloc else "",
        host=parts.netloc,
        headers=headers,
        section="sign-in",
        token=token,
        user=user,
        # Who has never signed in sets a first password.
        is_reset=user.last_sign_in_at is not None,
        revokes_keys=page.request.method == "GET" or "revoke_keys" in page.form,
        signs_in=sessions.link_signs_in(page.on, user, token),
        least=page.on.settings.password_min_length,
        problems=problems or {},
    )


def _dead(page: PageRequest) -> Response:
    return page.render("sign_in/link_dead.html", 404, secret=True, section="sign-in")
