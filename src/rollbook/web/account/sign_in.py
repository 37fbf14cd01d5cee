"""Sign in, sign out, and where people go from there; the browsers they are signed in with; and the form for a forgotten
password, whose answer is always the same, so that it tells no one who has an account."""

from __future__ import annotations

import posixpath
from urllib.parse import urlsplit

from rollbook import clock
from rollbook.actions import authorization, owners, passkeys, sessions, token_requests
from rollbook.actions.arguments.sessions import ListSessions
from rollbook.actions.arguments.tokens import TokenRequest
from rollbook.actions.sessions import SecondStep
from rollbook.auth import tokens
from rollbook.errors import ApiError, NotFound
from rollbook.http.request import Response
from rollbook.records import clients
from rollbook.records.second_factors import VALID
from rollbook.web import factors, forms
from rollbook.web.page_request import PageRequest


async def is_link_offered(page: PageRequest) -> bool:
    """Test whether anyone would deliver the link: the server's own mail, or a webhook."""
    on = page.on
    return on.settings.sends_mail or await token_requests.find_deliverer(on.db, on.settings, "member") is not None


async def ask_for_link(page: PageRequest) -> Response:
    """Beyond the limits of the email or the address, the answer is the same, and nothing is sent."""
    values = {"email": page.form.get("email", "").strip(), "purpose": "reset_password", "language": page.language.code}
    if not await is_link_offered(page):
        return await show_forgot_password(page)
    try:
        await token_requests.ask(page.on, page.by, page.arguments(TokenRequest, values), page.by.address)
    except ApiError as error:
        return await show_forgot_password(page, values["email"], error)
    return page.render("sign_in/link_sent.html", secret=True, section="sign-in", email=values["email"])


async def show_forgot_password(page: PageRequest, email: str = "", error: ApiError | None = None) -> Response:
    return page.render(
        "sign_in/forgot_password.html",
        error=error,
        section="sign-in",
        email=email,
        is_offered=await is_link_offered(page),
        problems=forms.problems(page, error),
    )


HOME = "/"
FORGET_PAGES = b'Clear-Site-Data: "cache"\r\n'
"""Not its storage, which holds no more than the theme and the tab of examples."""
SECTIONS = ("/account", "/admin", "/docs")
"""The sections that people who sign in may have wanted to see."""
SECOND_STEP = "/account/sign-in/code"
ENTRANCES = (
    SECOND_STEP,
    "/account/sign-in",
    "/account/sign-out",
    "/account/set-password",
    "/account/invitation",
    "/account/forgot-password",
    "/account/confirm-email",
    "/account/sign-in-link",
    "/account/deleted",
)


async def root(page: PageRequest) -> Response:
    """Redirect / to where people begin."""
    return page.redirect("/account/sign-in" if page.person is None else home(page.person.user.role))


def home(role: str) -> str:
    """Page on which people with this role begin: admins and owners at the overview of the server."""
    return "/admin" if role in ("admin", "owner") else "/account"


async def show(page: PageRequest) -> Response:
    next_path = page.query.get("next", "")
    if page.person is not None:
        return page.redirect(destination(next_path))
    return await _form(page, next_path, page.query.get("login_hint", "")[:254])


async def sign_in(page: PageRequest) -> Response:
    """A session for the right email and password, once a second factor has been given where there is one; or for a
    passkey alone. In a browser that is signed in already, it replaces the old session."""
    form = page.form
    email, next_path = form.get("email", "").strip(), form.get("next", "")
    try:
        presented = factors.given(page, passkeys.SIGN_IN).passkey
        if presented is None:
            signed_in = await sessions.sign_in(page.on, page.by, email, form.get("password", ""), page.browser)
        else:
            signed_in = await sessions.sign_in_with_passkey(page.on, page.by, presented, page.browser)
    except ApiError as error:
        return await _form(page, next_path, email, error)
    if isinstance(signed_in, SecondStep):
        path = page.localized(SECOND_STEP, **({"next": next_path} if next_path else {}))
        return page.redirect(path, headers=page.set_cookie(signed_in.token, VALID // clock.SECOND, tokens.STEP))
    page.request.user_id = signed_in.session.user_id
    return page.redirect(destination(next_path), headers=page.cookies(signed_in))


async def sign_out(page: PageRequest) -> Response:
    """Ends this session only. Whoever goes on as someone else signs in next."""
    next_path = destination(page.form.get("next", ""))
    if (digest := page.cookie_digest) is not None:
        await sessions.sign_out(page.on, page.by, digest)
    headers = page.set_cookie("", 0) + FORGET_PAGES
    if next_path != HOME:
        return page.redirect(page.localized("/account/sign-in", next=next_path), headers=headers)
    return page.redirect("/account/sign-in", "signed-out", headers)


async def _form(page: PageRequest, next_path: str, email: str = "", error: ApiError | None = None) -> Response:
    url, application = await authorization.target(page.on, next_path)
    return page.render(
        "sign_in/sign_in.html",
        error=error,
        leads_to=policy_of(url),
        application=application,
        section="sign-in",
        next=next_path,
        email=email,
        passkey=await factors.request(page, passkeys.SIGN_IN),
        offers_link=await is_link_offered(page),
        is_new=await owners.is_first_link_open(page.on),
        problems=forms.problems(page, error),
    )


async def leads_to(page: PageRequest, next_path: str) -> str:
    """Where the response to a form may lead beyond this site: to the application that asked for the sign-in."""
    return policy_of((await authorization.target(page.on, next_path))[0])


def policy_of(url: str) -> str:
    """Source of a content security policy for this URL of an application. Those have no bracketed addresses."""
    parts = urlsplit(url)
    if not parts.netloc or "[" in parts.netloc:
        return f"{parts.scheme}:" if parts.scheme else ""
    return f"{parts.scheme}://{parts.netloc}"


def destination(path: str) -> str:
    """Page to go to after signing in: the page that was wanted, if it is one of ours. Browsers take `//host` and
    `/\\host` for other sites, and ignore tabs and line breaks."""
    plain = path.partition("?")[0]
    if posixpath.normpath(plain) != plain.rstrip("/"):  # `/account/../..//host`
        return HOME
    if plain == authorization.PATH:
        return path if path.isascii() and path.isprintable() else HOME
    ours = plain.startswith(tuple(f"{section}/" for section in SECTIONS)) or plain in SECTIONS
    return path if ours and plain.rstrip("/") not in ENTRANCES and path.isascii() and path.isprintable() else HOME


MAX_SHOWN = 1_000


async def show_sessions(page: PageRequest) -> Response:
    """This one first, then the others, those that were seen last first."""
    settings = page.on.settings
    mine = await sessions.list_sessions(page.on, page.by, ListSessions(limit=MAX_SHOWN))
    others = [session for session in mine.items if session.id != page.me.session.id]
    all_sessions = [page.me.session, *sorted(others, key=lambda session: -session.last_seen_at)]
    return page.render(
        "account/sessions.html",
        section="account/sessions",
        sessions=all_sessions,
        names=await page.on.read(clients.names, [session.audience for session in all_sessions]),
        actors=await sessions.actors(page.on, all_sessions),
        others=mine.total - 1,
        browser=sessions.name,
        idle=_hours(page, settings.session_idle_timeout),
        lifetime=_hours(page, settings.session_lifetime),
    )


async def end_session(page: PageRequest) -> Response:
    id = page.ids[0]
    if id == page.me.session.id:
        raise NotFound("You are using this session. To end it, sign out.")
    try:
        await sessions.end(page.on, page.by, id, of=page.me.user.id)
    except NotFound:
        raise NotFound("This session has already ended.") from None
    return page.redirect("/account/sessions", "session-ended")


async def end_other_sessions(page: PageRequest) -> Response:
    await sessions.end_all(page.on, page.by, page.me.user.id, keep=page.me.session.id)
    return page.redirect("/account/sessions", "sessions-ended")


def _hours(page: PageRequest, hours: int) -> str:
    """`1 hour`, `14 days`."""
    return page.language.counted("hour", hours) if hours % 24 else page.language.counted("day", hours // 24)
