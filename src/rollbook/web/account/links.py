"""Common parts of the pages on which one-time tokens are used: the token, the form, and the page of a dead link.

To open a page uses nothing up: programs that show email open links, too. A form does.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from rollbook.actions import passkeys, tokens
from rollbook.actions.factor_proof import GivenFactor
from rollbook.actions.tokens import Open
from rollbook.errors import ApiError
from rollbook.http.response import Response
from rollbook.web import factors, forms
from rollbook.web.account import forgot_password
from rollbook.web.page_request import PageRequest


def token_of(page: PageRequest) -> str:
    """The token in the URL, or in the form that is sent."""
    return (page.form if page.request.method == "POST" else page.query).get("token", "")


async def opened(page: PageRequest, *purposes: str) -> Open | None:
    """The link's token, if it can be used and has one of these purposes. None: the page says so before anything is
    typed."""
    found = await tokens.look(page.on, token_of(page))
    return found if found is not None and found.token.purpose in purposes else None


def factor_of(page: PageRequest) -> GivenFactor:
    """The second factor in the form, where the user of the link has one."""
    return factors.given(page, _about(page))


def _about(page: PageRequest) -> str:
    return passkeys.about_step(token_of(page))


async def dead(page: PageRequest) -> Response:
    """The page of a link that can't be used. It doesn't say why: the reason is about an account."""
    offers = await forgot_password.is_offered(page)
    return page.render("sign_in/link_dead.html", 404, secret=True, section="sign-in", offers_link=offers)


async def form(page: PageRequest, template: str, open: Open, error: ApiError | None = None, **context: Any) -> Response:
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
