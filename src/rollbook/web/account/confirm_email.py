"""The page behind a link that confirms an email, or changes it to a new one."""

from __future__ import annotations

from rollbook.actions import sessions, tokens
from rollbook.actions.arguments import TokenConsume
from rollbook.errors import ApiError, TokenInvalid
from rollbook.http.response import Response
from rollbook.web.account import links
from rollbook.web.page_request import PageRequest

PURPOSES = ("verify_email", "change_email")


async def show(page: PageRequest) -> Response:
    open = await links.opened(page, *PURPOSES)
    return await links.dead(page) if open is None else await links.form(page, "sign_in/confirm_email.html", open)


async def confirm(page: PageRequest) -> Response:
    """Uses up the link, and leads to where it says. No one is signed in by it."""
    open = await links.opened(page, *PURPOSES)
    if open is None:
        return await links.dead(page)
    try:
        asked = TokenConsume(token=links.token_of(page))
        used = await sessions.use_token(page.on, page.by, asked, page.browser, links.factor_of(page))
    except TokenInvalid:
        return await links.dead(page)
    except ApiError as error:
        return await links.form(page, "sign_in/confirm_email.html", open, error)
    if used.redirect_url:
        return page.leave(used.redirect_url)
    return page.render("sign_in/email_confirmed.html", secret=True, section="sign-in", email=used.user.email)


async def disown(page: PageRequest) -> Response:
    """*This was not me*: ends all that leads into the account."""
    open = await links.opened(page, "verify_email")
    if open is None:
        return await links.dead(page)
    try:
        await tokens.disown(page.on, page.by, links.token_of(page))
    except TokenInvalid:
        return await links.dead(page)
    except ApiError as error:
        return await links.form(page, "sign_in/confirm_email.html", open, error)
    return page.render("sign_in/disowned.html", secret=True, section="sign-in", email=open.user.email)
