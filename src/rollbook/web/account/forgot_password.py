"""The form for a forgotten password. Its answer is always the same, so that it tells no one who has an account."""

from __future__ import annotations

from rollbook.actions import token_requests
from rollbook.actions.arguments.tokens import TokenRequest
from rollbook.errors import ApiError
from rollbook.http.request import Response
from rollbook.web import forms
from rollbook.web.page_request import PageRequest


async def is_offered(page: PageRequest) -> bool:
    """Test whether anyone would deliver the link: the server's own mail, or a webhook."""
    on = page.on
    return on.settings.sends_mail or await token_requests.find_deliverer(on.db, on.settings, "member") is not None


async def show(page: PageRequest) -> Response:
    return await _form(page)


async def ask(page: PageRequest) -> Response:
    """Beyond the limits of the email or the address, the answer is the same, and nothing is sent."""
    given = {"email": page.form.get("email", "").strip(), "purpose": "reset_password", "language": page.language.code}
    if not await is_offered(page):
        return await _form(page)
    try:
        await token_requests.ask(page.on, page.by, page.arguments(TokenRequest, given), page.by.address)
    except ApiError as error:
        return await _form(page, given["email"], error)
    return page.render("sign_in/link_sent.html", secret=True, section="sign-in", email=given["email"])


async def _form(page: PageRequest, email: str = "", error: ApiError | None = None) -> Response:
    return page.render(
        "sign_in/forgot_password.html",
        error=error,
        section="sign-in",
        email=email,
        is_offered=await is_offered(page),
        problems=forms.problems(page, error),
    )
