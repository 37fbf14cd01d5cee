"""The step between a form and what it asks for, where the person has to prove first who they are: a page that asks for
the password, and sends the form again with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollbook.actions import proof
from rollbook.actions.arguments import PasswordProof
from rollbook.actions.principal import Principal
from rollbook.errors import ApiError, ProofRequired
from rollbook.http.response import Response
from rollbook.web import forms
from rollbook.web.page_request import PageRequest, Person, accepts_html, header_lines

if TYPE_CHECKING:
    from rollbook.web.pages import Page

FIELD = "proof_password"
CONFIRM = "/account/confirm"


async def answer(page: PageRequest, row: Page) -> Response:
    """Return what the row's handler responds, or the page that asks. Raises ApiError."""
    takes_proof = row.who != "anyone" and row.method == "POST" and not row.streams_body
    try:
        if takes_proof and FIELD in page.form:
            await _prove(page)
    except ApiError as error:
        return ask(page, error)
    try:
        return await row.handler(page)
    except ProofRequired:
        if not takes_proof or page.is_htmx or not accepts_html(page.request):
            raise
        return ask(page)


def ask(page: PageRequest, error: ApiError | None = None, next: str = "") -> Response:
    """The page that asks for the password. It sends the form of the request again or, after a GET, leads to `next`."""
    sent = [] if page.request.method == "GET" else [pair for pair in page.fields if pair[0] != FIELD]
    return page.render(
        "account/confirm.html",
        200 if error is None else error.status,
        secret=True,
        headers=b"" if error is None else header_lines(error),
        section="account/confirm",
        action=CONFIRM if page.request.method == "GET" else page.request.path,
        sent=sent or [("next", next)],
        field=FIELD,
        problems={} if error is None else forms.problems(page, error, {"password": "Your password"}, proof=FIELD),
    )


async def _prove(page: PageRequest) -> None:
    """Raises InvalidParameter, WrongPassword, TooManyAttempts, Overloaded, NotFound."""
    given = page.arguments(PasswordProof, {"password": page.form[FIELD]})
    session, token = await proof.renew(page.on, page.by, page.me.session, given)
    by = page.by
    page.person = Person(page.me.user, session)
    page.by = Principal(by.caller, by.address, by.request_id, by.trace_id, session.proven_at, session.id)
    page.new_cookies = page.set_cookie(token, page.on.settings.session_lifetime * 3600)
