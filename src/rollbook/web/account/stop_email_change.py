"""The page behind the link that stops a change of email."""

from __future__ import annotations

from rollbook.actions import stopped_changes
from rollbook.errors import TokenInvalid
from rollbook.http.request import Response
from rollbook.web.account import forgot_password, links
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    """Asks first: programs that show email open links by themselves."""
    token = links.token_of(page)
    user = await stopped_changes.look(page.on, token)
    if user is None:
        return await _over(page)
    return page.render(
        "sign_in/stop_email_change.html", secret=True, section="sign-in", token=token, email=user.email, is_done=False
    )


async def stop(page: PageRequest) -> Response:
    try:
        user = await stopped_changes.stop(page.on, page.by, links.token_of(page))
    except TokenInvalid:
        return await _over(page)
    return page.render(
        "sign_in/stop_email_change.html",
        secret=True,
        section="sign-in",
        email=user.email,
        is_done=True,
        offers_link=await forgot_password.is_offered(page),
    )


async def _over(page: PageRequest) -> Response:
    return page.render("sign_in/stop_email_change_over.html", 404, secret=True, section="sign-in")
