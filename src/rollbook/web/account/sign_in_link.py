"""The page behind a link that signs in without a password."""

from __future__ import annotations

from rollbook.actions import sessions
from rollbook.actions.arguments import TokenConsume
from rollbook.errors import ApiError, TokenInvalid
from rollbook.http.response import Response
from rollbook.web.account import links
from rollbook.web.account.sign_in import home
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    open = await links.opened(page, "sign_in")
    return await links.dead(page) if open is None else await links.form(page, "sign_in/sign_in_link.html", open)


async def sign_in(page: PageRequest) -> Response:
    """Sign in; in a browser that is signed in already, the new session replaces the old one."""
    open = await links.opened(page, "sign_in")
    if open is None:
        return await links.dead(page)
    try:
        asked = TokenConsume(token=links.token_of(page))
        used = await sessions.use_token(page.on, page.by, asked, page.browser, links.factor_of(page))
    except TokenInvalid:
        return await links.dead(page)
    except ApiError as error:
        return await links.form(page, "sign_in/sign_in_link.html", open, error)
    page.request.user_id = used.user.id
    cookies = b"" if used.signed_in is None else page.cookies(used.signed_in)
    if used.redirect_url:
        return page.leave(used.redirect_url, cookies)
    return page.redirect(home(used.user.role), headers=cookies)
