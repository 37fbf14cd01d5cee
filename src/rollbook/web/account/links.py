"""Pages behind the links of mails: each confirms an email or changes it, sets a password, signs in without one, or
stops a change of email. To open one uses nothing up: programs that show email open links, too. A form does. And the
page on which an admin begins to act as a user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from rollbook import clock
from rollbook.actions import own_email, passkeys, sessions, tokens, users
from rollbook.actions.arguments.tokens import TokenConsume, TokenCreate
from rollbook.actions.sessions import UsedToken
from rollbook.actions.tokens import OpenToken
from rollbook.errors import ApiError, BadRequest, InvalidParameter, TokenInvalid
from rollbook.http.request import Response
from rollbook.records import users as user_records
from rollbook.records.one_time_tokens import IMPERSONATE, OF_PASSWORDS
from rollbook.web import factors, forms
from rollbook.web.account import sign_in
from rollbook.web.account.sign_in import FORGET_PAGES, home
from rollbook.web.page_request import PageRequest


def token_of(page: PageRequest) -> str:
    """The token in the URL, or in the form that is sent."""
    return (page.form if page.request.method == "POST" else page.query).get("token", "")


Show = Callable[[PageRequest, OpenToken, ApiError | None], Awaitable[Response]]
"""A page with the form that uses a link, or says why it can't."""
Use = Callable[[PageRequest, OpenToken], Awaitable[Response]]


def page_of(show: Show, *purposes: str, use: Use | None = None) -> Callable[[PageRequest], Awaitable[Response]]:
    """Return what answers requests with links for these purposes. Of a link that can't be used, the page says so before
    anything is typed, and when somebody else who has the link was faster."""

    async def respond(page: PageRequest) -> Response:
        open = await tokens.look(page.on, token_of(page))
        if open is None or open.token.purpose not in purposes:
            return await dead(page)
        try:
            return await (show(page, open, None) if use is None else use(page, open))
        except TokenInvalid:
            return await dead(page)
        except ApiError as error:
            return await show(page, open, error)

    return respond


async def used(page: PageRequest, fields: TokenConsume | None = None) -> UsedToken:
    """Use up the link, once the second factor in the form is right where its user has one. Raises ApiError."""
    fields = fields or TokenConsume(token=token_of(page))
    return await sessions.use_token(page.on, page.by, fields, page.browser, factors.given(page, _about(page)))


def _about(page: PageRequest) -> str:
    return passkeys.about_step(token_of(page))


async def dead(page: PageRequest) -> Response:
    """The page of a link that can't be used. It doesn't say why: the reason is about an account."""
    offers = await sign_in.is_link_offered(page)
    acts = page.request.path == "/account/impersonate"
    return page.render("sign_in/link_dead.html", 404, secret=True, section="sign-in", offers_link=offers, acts=acts)


async def form(
    page: PageRequest, template: str, open: OpenToken, error: ApiError | None = None, **context: Any
) -> Response:
    """The page with the form that uses the link. Its policy lets the form lead to where the link does."""
    parts = urlsplit(open.redirect_url)
    needs_factor = await tokens.needs_factor(page.on.db, open)
    problems = forms.problems(page, error, proof=factors.CODE if needs_factor else "")
    return page.render(
        template,
        secret=True,
        error=error,
        leads_to=f"{parts.scheme}://{parts.netloc}" if parts.netloc else "",
        section="sign-in",
        host=parts.netloc,
        token=token_of(page),
        user=open.user,
        email=open.token.email or open.user.email,
        purpose=open.token.purpose,
        asked=await factors.asked(page, open.user.id, _about(page)) if needs_factor else None,
        problems=problems,
        **context,
    )


async def _confirm_form(page: PageRequest, open: OpenToken, error: ApiError | None) -> Response:
    return await form(page, "sign_in/confirm_email.html", open, error)


async def _confirm(page: PageRequest, open: OpenToken) -> Response:
    """Uses up the link, and leads to where it says. No one is signed in by it."""
    done = await used(page)
    if done.redirect_url:
        return page.leave(done.redirect_url)
    return page.render("sign_in/email_confirmed.html", secret=True, section="sign-in", email=done.user.email)


async def _disown(page: PageRequest, open: OpenToken) -> Response:
    """*This was not me*: ends all that leads into the account."""
    await tokens.disown(page.on, page.by, token_of(page))
    return page.render("sign_in/disowned.html", secret=True, section="sign-in", email=open.user.email)


show_confirm_email = page_of(_confirm_form, "verify_email", "change_email")
confirm_email = page_of(_confirm_form, "verify_email", "change_email", use=_confirm)
disown = page_of(_confirm_form, "verify_email", use=_disown)


async def _set_password(page: PageRequest, open: OpenToken) -> Response:
    """Sets the password, once a second factor has been given where there is one, uses up the link, signs the person in
    and leads to the overview, or to their profile; or to where the link says."""
    form = page.form
    values: dict[str, object] = {"token": token_of(page), "password": form.get("password", "")}
    if open.token.purpose == "invite":
        values["name"] = form.get("name", open.user.name)
    else:
        values["revoke_keys"] = "revoke_keys" in form
    done = await used(page, page.arguments(TokenConsume, values))
    if done.redirect_url:
        return page.leave(done.redirect_url)
    if done.signed_in is None:
        return page.redirect(page.localized("/account/sign-in"), "password-set-only")
    return page.redirect(page.localized(home(done.user.role)), "password-set", page.cookies(done.signed_in))


async def _password_form(page: PageRequest, open: OpenToken, error: ApiError | None) -> Response:
    user, sent = open.user, page.request.method == "POST"
    invites = open.token.purpose == "invite"
    return await form(
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


show_set_password = page_of(_password_form, *OF_PASSWORDS)
set_password = page_of(_password_form, *OF_PASSWORDS, use=_set_password)


async def _sign_in_form(page: PageRequest, open: OpenToken, error: ApiError | None) -> Response:
    return await form(page, "sign_in/sign_in_link.html", open, error)


async def _sign_in(page: PageRequest, open: OpenToken) -> Response:
    """Sign in; in a browser that is signed in already, the new session replaces the old one."""
    done = await used(page)
    page.request.user_id = done.user.id
    cookies = b"" if done.signed_in is None else page.cookies(done.signed_in)
    if done.redirect_url:
        return page.leave(done.redirect_url, cookies)
    return page.redirect(home(done.user.role), headers=cookies)


show_sign_in_link = page_of(_sign_in_form, "sign_in")
sign_in_by_link = page_of(_sign_in_form, "sign_in", use=_sign_in)


async def show_impersonate(page: PageRequest, error: ApiError | None = None) -> Response:
    """Asks before the caller acts as the user of their own link; without one, for the reason, on the page of a user."""
    try:
        own = await sessions.look_to_act(page.on, page.by, token_of(page)) if not page.ids else None
    except TokenInvalid:
        return await dead(page)
    user = await users.get(page.on, page.by, page.ids[0]) if own is None else own.user
    parts = urlsplit("" if own is None else own.token.redirect_url)
    return page.render(
        "admin/impersonate.html",
        secret=True,
        leads_to=f"{parts.scheme}://{parts.netloc}" if parts.netloc else "",
        error=error,
        section="admin/users",
        user=user,
        may_sign_in=sessions.may_sign_in(page.on, user),
        own=own,
        token=token_of(page),
        reason=page.form.get("reason", "") if page.request.method == "POST" else "",
        problems=forms.problems(page, error, {"reason": "The reason"}),
    )


async def impersonate(page: PageRequest) -> Response:
    """Act as the user, with a link or, on the page of a user, for a reason."""
    try:
        text, redirect_url = token_of(page), ""
        if page.ids:
            new = page.arguments(TokenCreate, {"purpose": IMPERSONATE, "reason": page.form.get("reason", "").strip()})
            text = (await tokens.create_token(page.on, page.by, page.ids[0], new)).text
        else:
            redirect_url = (await sessions.look_to_act(page.on, page.by, text)).token.redirect_url
        session, cookie = await sessions.act(page.on, page.by, text, page.browser)
    except TokenInvalid:
        return await dead(page)
    except (InvalidParameter, BadRequest) as error:
        return await show_impersonate(page, error)
    left = (session.refresh_expires_at or 0) - session.created_at
    headers = FORGET_PAGES + page.set_cookie(cookie, max(1, left // clock.SECOND))
    user = await page.on.read(user_records.get, session.user_id)
    return page.leave(redirect_url, headers) if redirect_url else page.redirect(home(user.role), headers=headers)


async def show_stop_email_change(page: PageRequest) -> Response:
    """Asks first: programs that show email open links by themselves."""
    token = token_of(page)
    user = await own_email.look_at_change(page.on, token)
    if user is None:
        return await _change_is_over(page)
    return page.render(
        "sign_in/stop_email_change.html", secret=True, section="sign-in", token=token, email=user.email, is_done=False
    )


async def stop_email_change(page: PageRequest) -> Response:
    try:
        user = await own_email.stop_change(page.on, page.by, token_of(page))
    except TokenInvalid:
        return await _change_is_over(page)
    return page.render(
        "sign_in/stop_email_change.html",
        secret=True,
        section="sign-in",
        email=user.email,
        is_done=True,
        offers_link=await sign_in.is_link_offered(page),
    )


async def _change_is_over(page: PageRequest) -> Response:
    return page.render("sign_in/stop_email_change_over.html", 404, secret=True, section="sign-in")
