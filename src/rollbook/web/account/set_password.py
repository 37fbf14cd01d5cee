"""The pages behind an invitation, a setup link and a password reset link: each sets a password."""

from __future__ import annotations

from rollbook.actions import sessions
from rollbook.actions.arguments import TokenConsume
from rollbook.actions.tokens import Open
from rollbook.errors import ApiError, InvalidParameter, TokenInvalid
from rollbook.http.response import Response
from rollbook.records.one_time_tokens import OF_PASSWORDS
from rollbook.web.account import links
from rollbook.web.account.sign_in import home
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    open = await links.opened(page, *OF_PASSWORDS)
    return await links.dead(page) if open is None else await _form(page, open)


async def set_password(page: PageRequest) -> Response:
    """Sets the password, once a second factor has been given where there is one, uses up the link, signs the person in
    and leads to the overview, or to their profile; or to where the link says."""
    form = page.form
    open = await links.opened(page, *OF_PASSWORDS)
    if open is None:
        return await links.dead(page)
    password = form.get("password", "")
    if form.get("again", "") != password:
        return await _form(page, open, InvalidParameter(page.t("passwords_differ"), param="again"))
    given: dict[str, object] = {"token": links.token_of(page), "password": password}
    if open.token.purpose == "invite":
        given["name"] = form.get("name", open.user.name)
    else:
        given["revoke_keys"] = "revoke_keys" in form
    try:
        asked = page.arguments(TokenConsume, given)
        used = await sessions.use_token(page.on, page.by, asked, page.browser, links.factor_of(page))
    except TokenInvalid:
        return await links.dead(page)  # somebody else who has the link was faster
    except ApiError as error:
        return await _form(page, open, error)
    if used.redirect_url:
        return page.leave(used.redirect_url)
    if used.signed_in is None:
        return page.redirect(page.localized("/account/sign-in"), "password-set-only")
    return page.redirect(home(used.user.role), "password-set", page.cookies(used.signed_in))


async def _form(page: PageRequest, open: Open, error: ApiError | None = None) -> Response:
    user, sent = open.user, page.request.method == "POST"
    invites = open.token.purpose == "invite"
    return await links.form(
        page,
        "sign_in/set_password.html",
        open,
        error,
        invites=invites,
        name=page.form.get("name", "") if sent else user.name,
        can_change_name="name" in page.on.settings.member_fields,
        # Who has never signed in sets a first password.
        is_reset=not invites and user.last_sign_in_at is not None,
        revokes_keys=not sent or "revoke_keys" in page.form,
        signs_in=user.role in page.on.settings.sign_in_roles and not open.redirect_url,
        least=page.on.settings.password_min_length,
    )
