"""The step between a form and what it asks for, where the person has to prove first who they are: a page that asks for
a second factor or, if they have none, for the password, and sends the form again with it.

The page on which people confirm that it is them before they go on.

The second step of a sign-in: after the password, a second factor. A cookie has the challenge, so that the page can
be loaded again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from rollbook.actions import passkeys, proof, sessions
from rollbook.actions.checking import check_given_password
from rollbook.actions.principal import Principal
from rollbook.auth import tokens
from rollbook.errors import ApiError, InvalidChallenge, ProofRequired
from rollbook.http.request import Response
from rollbook.records.users import User
from rollbook.web import factors, forms
from rollbook.web.account.sign_in import destination, leads_to
from rollbook.web.page_request import PageRequest, Person, accepts_html, cookie_of

if TYPE_CHECKING:
    from rollbook.web.pages import Page


PASSWORD, CODE, CREDENTIAL = FIELDS = ("proof_password", "proof_code", "proof_credential")
CONFIRM, CONSENT = "/account/confirm", "/account/assistants/consent"


async def answer(page: PageRequest, row: Page) -> Response:
    """Return what the row's handler responds, or the page that asks. Raises ApiError."""
    takes_proof = row.who != "anyone" and row.method == "POST" and not row.streams_body
    try:
        if takes_proof and is_given(page):
            await _prove(page)
    except ApiError as error:
        return await ask(page, error)
    try:
        return await row.handler(page)
    except ProofRequired:
        if page.is_htmx or not accepts_html(page.request) or not (takes_proof or row.method == "GET"):
            raise
        if takes_proof:
            return await ask(page)
        next_path = page.request.path + (f"?{page.request.query}" if page.request.query else "")
        return page.redirect(f"{CONFIRM}?next={quote(next_path, safe='/')}")


def is_given(page: PageRequest) -> bool:
    """Test whether the form has a proof, right or not."""
    return not page.form.keys().isdisjoint(FIELDS)


async def ask(page: PageRequest, error: ApiError | None = None, next: str = "") -> Response:
    """The page that asks. It sends the form of the request again or, after a GET, leads to `next`."""
    sent = [] if page.request.method == "GET" else [pair for pair in page.fields if pair[0] not in FIELDS]
    challenge = await factors.asked(page, page.me.user.id, passkeys.about_proof(page.by))
    field = PASSWORD if challenge is None else CODE
    return page.render(
        "account/confirm.html",
        secret=True,
        leads_to=await leads_to(
            page, next or page.form.get("next", "") if page.request.path in (CONFIRM, CONSENT) else ""
        ),
        error=error,
        section="account/confirm",
        action=page.localized(CONFIRM if page.request.method == "GET" else page.request.path),
        sent=sent or [("next", next)],
        asked=challenge,
        field=field,
        credential=CREDENTIAL,
        problems=forms.problems(page, error, {"password": "Your password"}, proof=field),
    )


async def _prove(page: PageRequest) -> None:
    """Raises InvalidParameter, WrongPassword, SecondFactorRequired, WrongCode, TooManyAttempts, Overloaded,
    NotFound."""
    form = page.form
    if PASSWORD in form:
        proof_given = form[PASSWORD]
        check_given_password(proof_given)
    else:
        proof_given = factors.given(page, passkeys.about_proof(page.by), CODE, CREDENTIAL)
    session, token = await proof.renew(page.on, page.by, page.me.session, proof_given)
    by = page.by
    page.person = Person(page.me.user, session)
    page.by = Principal(by.caller, by.address, by.request_id, by.trace_id, session.proven_at, session.id)
    page.new_cookies = page.set_cookie(token, page.on.settings.session_lifetime * 3600)


async def show_confirm(page: PageRequest) -> Response:
    return await ask(page, next=page.query.get("next", ""))


async def confirm(page: PageRequest) -> Response:
    """Lead the person to where they wanted to go: they have been proven by now, if a proof was sent."""
    next_path = page.form.get("next", "")
    if not is_given(page):
        return await ask(page)
    return page.redirect(destination(next_path))


async def show_second_step(page: PageRequest) -> Response:
    token = _token(page)
    try:
        return await _second_step_form(
            page, token, await sessions.user_of_step(page.on, token), page.query.get("next", "")
        )
    except InvalidChallenge:
        return _too_late(page)


async def finish_second_step(page: PageRequest) -> Response:
    """A session for the right factor. A wrong one can be tried again until the challenge ends."""
    token, next_path = _token(page), page.form.get("next", "")
    factor = factors.given(page, passkeys.about_step(token))
    try:
        user = await sessions.user_of_step(page.on, token)
        try:
            signed_in = await sessions.finish_sign_in(page.on, page.by, token, factor, page.browser)
        except InvalidChallenge:
            raise
        except ApiError as error:
            return await _second_step_form(page, token, user, next_path, error)
    except InvalidChallenge:
        return _too_late(page)
    page.request.user_id = user.id
    return page.redirect(destination(next_path), headers=page.cookies(signed_in) + _forget(page))


def _token(page: PageRequest) -> str:
    return cookie_of(page.request, page.on.settings, tokens.STEP) or ""


def _forget(page: PageRequest) -> bytes:
    return page.set_cookie("", 0, tokens.STEP)


def _too_late(page: PageRequest) -> Response:
    return page.redirect(page.localized("/account/sign-in"), "sign-in-expired", _forget(page))


async def _second_step_form(
    page: PageRequest, token: str, user: User, next_path: str, error: ApiError | None = None
) -> Response:
    return page.render(
        "sign_in/second_step.html",
        secret=True,
        leads_to=await leads_to(page, next_path),
        error=error,
        section="sign-in",
        user=user,
        next=next_path,
        asked=await factors.asked(page, user.id, passkeys.about_step(token)),
        problems=forms.problems(page, error, proof=factors.CODE),
    )
