"""Signing in and out."""

from __future__ import annotations

from rollbook.auth import attempts
from rollbook.auth import sessions as session_texts
from rollbook.errors import ApiError, UserSuspended, WrongPassword
from rollbook.gate import stranger
from rollbook.http.response import Response
from rollbook.records import sessions, users
from rollbook.records.sessions import Session
from rollbook.storage.database import Tx
from rollbook.web.visit import Visit

HOME = "/account"


async def root(visit: Visit) -> Response:
    """The bare address leads to where people have something to do."""
    return visit.redirect(HOME)


async def show(visit: Visit) -> Response:
    """The form."""
    if visit.person is not None:
        return visit.redirect(_next(visit.query.get("next", "")))
    return visit.render("sign_in/sign_in.html", email=visit.query.get("email", ""), next=visit.query.get("next", ""), problems={})


async def sign_in(visit: Visit) -> Response:
    """E-mail and password; a session in exchange. Whoever is signed in here already gets a new one, and the old one ends."""
    form, services = visit.form, visit.services
    email, password = form.get("email", "").strip(), form.get("password", "")
    user, hash = await users.sign_in(visit.db, email)
    try:
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
        if user.status != "active":
            raise UserSuspended("This account is suspended. Ask an administrator.")
        if user.role not in services.settings.sign_in_roles:
            raise WrongPassword("Signing in is switched off for this account.")
    except ApiError as error:
        headers = b"".join(f"{name}: {value}\r\n".encode() for name, value in error.headers.items() if name == "Retry-After")
        return visit.render(
            "sign_in/sign_in.html",
            error.status,
            headers=headers,
            email=email,
            next=form.get("next", ""),
            problems={"": sentence(error)},
        )
    renewed = (hash, await services.passwords.hash(password)) if services.passwords.needs_renewal(hash) else None
    return visit.redirect(_next(form.get("next", "")), headers=await begin(visit, user.id, renewed))


async def sign_out(visit: Visit) -> Response:
    """This session ends, others go on."""
    await visit.db.write(_end, visit)
    return visit.redirect("/account/sign-in", "signed-out", visit.no_cookie())


async def begin(visit: Visit, user_id: str, renewed: tuple[str, str] | None = None) -> bytes:
    """A new session in the place of the one this browser has; the header line with its cookie."""
    text = session_texts.mint()
    await visit.db.write(_begin, visit, session_texts.digest(text), user_id, renewed)
    return visit.cookie(text)


async def _begin(tx: Tx, visit: Visit, digest: bytes, user_id: str, renewed: tuple[str, str] | None) -> Session:
    await _end(tx, visit)
    await users.signed_in(tx, user_id, renewed)
    agent = visit.request.headers.get(b"user-agent", b"").decode("utf-8", "replace")
    return await sessions.add(tx, digest, user_id, visit.actor._replace(user_id=user_id), agent)


async def _end(tx: Tx, visit: Visit) -> None:
    if visit.person is not None:
        await sessions.forget(tx, [visit.person.session.id])


def _next(path: str) -> str:
    """Where to after signing in: a page of ours, never another site."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isascii() and path.isprintable() else HOME


def sentence(error: ApiError) -> str:
    """What to say about a password that was not taken, and how long to wait."""
    wait = error.headers.get("Retry-After")
    return f"{error.message} Try again in {spoken(int(wait))}." if wait else error.message


def spoken(seconds: int) -> str:
    """`1 minute`, `40 seconds`."""
    number, unit = (seconds, "second") if seconds < 90 else (-(-seconds // 60), "minute")
    return f"{number} {unit}{'' if number == 1 else 's'}"
