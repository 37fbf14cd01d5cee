"""Signing in and out."""

from __future__ import annotations

from rollbook.actions import sessions
from rollbook.errors import ApiError
from rollbook.http.response import Response, line
from rollbook.web.visit import Visit

HOME = "/account"
ROOMS = ("/account", "/admin", "/docs")
"""Where people can be sent after signing in."""
ENTRANCES = ("/account/sign-in", "/account/sign-out", "/account/set-password")


async def root(visit: Visit) -> Response:
    """Redirect / to the account settings."""
    return visit.redirect(HOME)


async def show(visit: Visit) -> Response:
    """The form."""
    wanted = visit.query.get("next", "")
    if visit.person is not None:
        return visit.redirect(_next(wanted))
    return _form(visit, wanted)


async def sign_in(visit: Visit) -> Response:
    """Sign in with email and password. If the browser already has a session, the new one replaces it."""
    form = visit.form
    email, wanted = form.get("email", "").strip(), form.get("next", "")
    try:
        signed_in = await sessions.sign_in(visit.services, visit.by, email, form.get("password", ""), visit.browser)
    except ApiError as error:
        visit.problems(error)
        headers = b"".join([line(name, value) for name, value in error.headers.items()])
        return _form(visit, wanted, error.status, headers=headers, email=email, problem=sentence(error))
    visit.request.user_id = signed_in.session.user_id
    return visit.redirect(_next(wanted), headers=visit.cookie(signed_in.token))


async def sign_out(visit: Visit) -> Response:
    """Ends this session only."""
    if (digest := visit.cookie_digest) is not None:
        await sessions.sign_out(visit.services, visit.by, digest)
    return visit.redirect("/account/sign-in", "signed-out", visit.no_cookie())


def sentence(error: ApiError) -> str:
    """The error message, and when to try again."""
    wait = error.headers.get("Retry-After")
    return f"{error.message} Try again in {spoken(int(wait))}." if wait else error.message


def _form(
    visit: Visit, wanted: str, status: int = 200, *, headers: bytes = b"", email: str = "", problem: str | None = None
) -> Response:
    problems = {} if problem is None else {"": problem}
    return visit.render(
        "sign_in/sign_in.html", status, headers=headers, section="sign-in", next=wanted, email=email, problems=problems
    )


def _next(path: str) -> str:
    """The page to show after signing in: the requested one, if it is ours. Browsers treat `//host` and `/\\host` as other sites, and
    remove tabs and line breaks first."""
    plain = path.partition("?")[0]
    ours = plain.startswith(tuple(f"{room}/" for room in ROOMS)) or plain in ROOMS
    return path if ours and plain.rstrip("/") not in ENTRANCES and path.isascii() and path.isprintable() else HOME


_UNITS = (("second", 1, 89), ("minute", 60, 89 * 60), ("hour", 3_600, 35 * 3_600), ("day", 86_400, float("inf")))
"""Each unit with its length in seconds, and up to how many seconds it is used."""


def spoken(seconds: int) -> str:
    """`40 seconds`, `60 minutes`, `24 hours`, `31 days`: rounded up."""
    unit, length = next((unit, length) for unit, length, below in _UNITS if seconds <= below)
    number = -(-seconds // length)
    return f"{number} {unit}{'' if number == 1 else 's'}"
