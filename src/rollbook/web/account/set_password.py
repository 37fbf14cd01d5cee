"""The page behind a setup link or a password reset link."""

from __future__ import annotations

from urllib.parse import urlsplit

from rollbook.actions import sessions, tokens
from rollbook.actions.arguments import NewPassword, TokenConsume
from rollbook.actions.tokens import Open
from rollbook.errors import ApiError, TokenInvalid
from rollbook.http.response import Response
from rollbook.records.one_time_tokens import OF_PASSWORDS
from rollbook.web import forms
from rollbook.web.account.sign_in import home
from rollbook.web.page_request import PageRequest, header_lines


async def show(page: PageRequest) -> Response:
    """Opening it uses nothing up: programs that show email open links too."""
    token = page.query.get("token", "")
    open = await _look(page, token)
    return _dead(page) if open is None else _form(page, token, open)


async def _look(page: PageRequest, token: str) -> Open | None:
    open = await tokens.look(page.on, token)
    return open if open is not None and open.token.purpose in OF_PASSWORDS else None


async def set_password(page: PageRequest) -> Response:
    """Sets the password, uses up the link, signs the person in and leads to the overview, or to their API keys; or to
    where the link says."""
    form = page.form
    token, password = form.get("token", ""), form.get("password", "")
    open = await _look(page, token)
    if open is None:
        return _dead(page)
    if form.get("again", "") != password:
        return _form(page, token, open, 400, problems={"again": page.t("passwords_differ")})
    try:
        asked = TokenConsume(token=token, password=NewPassword(password), revoke_keys="revoke_keys" in form)
        used = await sessions.use_token(page.on, page.by, asked, page.browser)
    except TokenInvalid:
        return _dead(page)  # somebody else who has the link was faster
    except ApiError as error:
        return _form(page, token, open, error.status, headers=header_lines(error), problems=forms.problems(page, error))
    if used.redirect_url:
        return page.leave(used.redirect_url)
    if used.signed_in is None:
        return page.redirect(page.localized("/account/sign-in"), "password-set-only")
    return page.redirect(home(used.user.role, "/account/keys"), "password-set", page.cookies(used.signed_in))


def _form(
    page: PageRequest,
    token: str,
    open: Open,
    status: int = 200,
    *,
    headers: bytes = b"",
    problems: dict[str, str] | None = None,
) -> Response:
    user, parts = open.user, urlsplit(open.redirect_url)
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
        signs_in=sessions.may_sign_in(page.on, user) and not open.redirect_url,
        least=page.on.settings.password_min_length,
        problems=problems or {},
    )


def _dead(page: PageRequest) -> Response:
    return page.render("sign_in/link_dead.html", 404, secret=True, section="sign-in")
