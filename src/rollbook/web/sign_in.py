"""Signing in and out."""

from __future__ import annotations

from rollbook.auth import attempts, tokens
from rollbook.errors import ApiError, Forbidden, UserSuspended, WrongPassword
from rollbook.gate import stranger
from rollbook.http.response import Response, line
from rollbook.records import sessions, users
from rollbook.records.users import User
from rollbook.storage.database import Tx
from rollbook.web.visit import Visit

HOME = "/account"
ROOMS = ("/account", "/admin", "/docs")
"""Where somebody who signs in may have wanted to go."""
ENTRANCES = ("/account/sign-in", "/account/sign-out", "/account/set-password")


async def root(visit: Visit) -> Response:
    """The bare address leads to where people have something to do."""
    return visit.redirect(HOME)


async def show(visit: Visit) -> Response:
    """The form."""
    wanted = visit.query.get("next", "")
    if visit.person is not None:
        return visit.redirect(_next(wanted))
    return _form(visit, wanted)


async def sign_in(visit: Visit) -> Response:
    """E-mail and password; a session in exchange. Whoever is signed in here already gets a new one, and the old one ends."""
    form = visit.form
    email, wanted = form.get("email", "").strip(), form.get("next", "")
    try:
        cookie = await _sign_in(visit, email, form.get("password", ""))
    except ApiError as error:
        visit.problems(error)
        headers = b"".join([line(name, value) for name, value in error.headers.items()])
        return _form(visit, wanted, error.status, headers=headers, email=email, problem=sentence(error))
    return visit.redirect(_next(wanted), headers=cookie)


async def sign_out(visit: Visit) -> Response:
    """This session ends, others go on."""
    if (digest := visit.cookie_digest) is not None:
        await visit.db.write(sessions.end_by_digest, digest, visit.actor)
    return visit.redirect("/account/sign-in", "signed-out", visit.no_cookie())


async def begin(visit: Visit, user_id: str) -> bytes:
    """A new session, in the place of the one this browser has, for who has just proven to be this user; the header line with its cookie."""
    text = tokens.mint()
    await visit.db.write(start, visit, tokens.digest(text), user_id)
    return visit.cookie(text)


async def start(tx: Tx, visit: Visit, digest: bytes, user_id: str) -> None:
    """The same where it is part of a larger change. Raises UserSuspended, Forbidden."""
    may_sign_in(visit, await users.signed_in(tx, user_id, None))
    if (old := visit.cookie_digest) is not None:
        await sessions.end_by_digest(tx, old, visit.actor)
    agent = visit.request.headers.get(b"user-agent", b"").decode("utf-8", "replace")
    await sessions.add(tx, digest, user_id, visit.actor._replace(user_id=user_id), agent)


def may_sign_in(visit: Visit, user: User) -> None:
    """For who knows the password: to others, no account tells what it is. Raises UserSuspended, Forbidden."""
    if user.status != "active":
        raise UserSuspended("This account is suspended. Contact an administrator.")
    if user.role not in visit.services.settings.sign_in_roles:
        raise Forbidden("This account is not allowed to sign in here.")


def sentence(error: ApiError) -> str:
    """What happened, and when to try again."""
    wait = error.headers.get("Retry-After")
    return f"{error.message} Try again in {spoken(int(wait))}." if wait else error.message


async def _sign_in(visit: Visit, email: str, password: str) -> bytes:
    """The header line with the cookie. Raises WrongPassword, TooManyAttempts, Overloaded, UserSuspended, Forbidden."""
    services = visit.services
    user, hash = await users.sign_in(visit.db, email)
    await attempts.verify(
        services.passwords,
        services.limiter,
        services.settings,
        attempts.account(email),
        hash,
        password,
        "sign-in:" + stranger(visit.request.address),
    )
    if user is None or hash is None:
        raise WrongPassword()
    may_sign_in(visit, user)
    renewed = await services.passwords.hash(password) if services.passwords.needs_renewal(hash) else None
    text = tokens.mint()
    await visit.db.write(_started, visit, tokens.digest(text), user.id, hash, renewed)
    visit.request.user_id = user.id
    return visit.cookie(text)


async def _started(tx: Tx, visit: Visit, digest: bytes, user_id: str, proven: str, renewed: str | None) -> None:
    """`proven` is the hash that the password was right for: it may have been changed since, which signs everybody out."""
    if await users.password_hash(tx, user_id) != proven:
        raise WrongPassword()
    if renewed is not None:
        await users.renew_hash(tx, user_id, proven, renewed)
    await start(tx, visit, digest, user_id)


def _form(
    visit: Visit, wanted: str, status: int = 200, *, headers: bytes = b"", email: str = "", problem: str | None = None
) -> Response:
    problems = {} if problem is None else {"": problem}
    return visit.render(
        "sign_in/sign_in.html", status, headers=headers, section="sign-in", next=wanted, email=email, problems=problems
    )


def _next(path: str) -> str:
    """Where to after signing in: the page that was wanted, if it is one of ours. Browsers take `//host` and `/\\host` for other sites, and
    leave out tabs and line breaks before they look."""
    plain = path.partition("?")[0]
    ours = plain.startswith(tuple(f"{room}/" for room in ROOMS)) or plain in ROOMS
    return path if ours and plain.rstrip("/") not in ENTRANCES and path.isascii() and path.isprintable() else HOME


_UNITS = (("second", 1, 89), ("minute", 60, 89 * 60), ("hour", 3_600, 35 * 3_600), ("day", 86_400, float("inf")))
"""Each with its seconds, and up to how many of them it is told in."""


def spoken(seconds: int) -> str:
    """`40 seconds`, `60 minutes`, `24 hours`, `31 days`: never less than it is."""
    unit, length = next((unit, length) for unit, length, below in _UNITS if seconds <= below)
    number = -(-seconds // length)
    return f"{number} {unit}{'' if number == 1 else 's'}"
