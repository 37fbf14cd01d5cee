"""Actions on sessions: where people are signed in, and signing in to the dashboard. `app_sessions` signs them in to
applications.

The name of a browser from its User-Agent (RFC 9110 section 10.1.5). Only a hint: clients can send anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from rollbook import roles
from rollbook.actions import attempts, creators, passkeys, passwords, proof, second_factors, tokens
from rollbook.actions.arguments.sessions import ListSessions
from rollbook.actions.arguments.tokens import TokenConsume
from rollbook.actions.checking import check_given_password
from rollbook.actions.context import ListPage, Rollbook
from rollbook.actions.creators import NOT_KNOWN, Origin
from rollbook.actions.passkeys import PasskeyAnswer
from rollbook.actions.permissions import (
    known,
    may_act_as,
    may_touch,
    reaches_all,
    require,
    require_audience,
    require_own,
    require_proof,
    subject,
)
from rollbook.actions.principal import Principal
from rollbook.actions.proof import GivenFactor, Proven
from rollbook.actions.second_factors import FactorUse
from rollbook.auth import tokens as cookies
from rollbook.config import LanguageCode
from rollbook.errors import (
    Forbidden,
    InvalidChallenge,
    NotFound,
    TokenInvalid,
    UserSuspended,
    WrongCode,
    WrongPassword,
)
from rollbook.languages import Language
from rollbook.records import events, lineages, one_time_tokens, sessions, user_languages, users
from rollbook.records.events import Actor
from rollbook.records.one_time_tokens import OF_PASSWORDS, Token
from rollbook.records.sessions import Acting, Session
from rollbook.records.user_history import decoded
from rollbook.records.users import User
from rollbook.storage.database import Queries, Tx

MAX_SESSIONS = 100
"""Sessions of a user. The next one ends the oldest."""
STEP = "dashboard"
"""Purpose of the challenge of whoever signs in to the dashboard."""
MAX_ENDED = 1_000
"""Ended by one sign-in, where a user has more than that from before there was a maximum."""


async def list_sessions(on: Rollbook, by: Principal, query: ListSessions) -> ListPage[Session]:
    """List sessions

    Returns where you are signed in, newest first: the browsers with the dashboard, whose `audience` is null, and
    applications. Admins can pass another `user`. A key with `audiences` lists only their sessions.
    """
    user_id = await subject(on, by, "sessions:read", query.user)
    if query.audience is not None:
        require_audience(by, query.audience)
    audiences = by.caller.audiences if query.audience is None else (query.audience,)
    lifetime = on.session_lifetime
    batch = await sessions.of_user(on.db, user_id, lifetime, query.limit, query.offset, audiences)
    return ListPage(batch, await sessions.count(on.db, user_id, lifetime, audiences))


async def end(on: Rollbook, by: Principal, id: str, of: str | None = None) -> None:
    """Delete a session

    Signs the user out there immediately: the cookie or the tokens of the session are no longer valid on any server.
    """
    # `of` names the user whose session it must be.
    require_own(by, "sessions:write")
    require_proof(by)
    await on.write(_end, by, known("ses", id), of)


async def _end(tx: Tx, by: Principal, id: str, of: str | None) -> None:
    """End a session. For callers who reach only themselves, others' sessions do not exist."""
    session = await sessions.get(tx, id)
    if of is not None and session.user_id != of:
        raise NotFound()
    if by.caller.audiences is not None and session.audience not in by.caller.audiences:
        raise NotFound()
    if session.user_id != by.user_id:
        if not reaches_all(by, "sessions:write"):
            raise NotFound()
        # An application signs out whomever it has signed in, owners too.
        if session.created_by is None or session.created_by != by.user_id:
            may_touch(by, session.user_id, (await users.get(tx, session.user_id)).role)
    await revoked(tx, by.actor, await sessions.end(tx, id))


async def end_all(on: Rollbook, by: Principal, user_id: str, keep: str = "") -> None:
    """Sign a user out everywhere, except for the session with the id `keep`, and end what else was begun for them."""
    require(by, "sessions:write", user_id)
    require_proof(by)
    await on.write(end_all_in, on, by, known("user", user_id), keep)


async def end_all_in(tx: Tx, on: Rollbook, by: Principal, user_id: str, keep: str = "") -> bool:
    """Sign a user out, in a transaction. Returns whether there was a session."""
    may_touch(by, user_id, (await users.get(tx, user_id)).role)
    ended = await sessions.end_others(tx, user_id, keep, on.session_lifetime)
    for session in ended:
        await revoked(tx, by.actor, session)
    await creators.end_begun(tx, user_id, keep)
    return bool(ended)


async def revoked(tx: Tx, by: Actor, session: Session) -> None:
    """Record that a session was ended."""
    await events.record(tx, "session.revoked", session.user_id, by, sessions.public(session))


# ---- signing in and out, by browser


class Browser(NamedTuple):
    """Browser in which somebody signs in."""

    agent: str
    """The browser's name for itself."""
    cookie: bytes | None
    """Digest of the session cookie it sent, whether it signs anybody in or not. That session ends."""
    device: str | None
    """The device cookie it sent, whoever's it is."""
    language: LanguageCode
    """The language of its pages."""


class SignedIn(NamedTuple):
    """A session, and the cookies of its browser."""

    session: Session
    token: str
    device: str
    """By which the browser is known at the next sign-in: `auth/devices`."""


class SecondStep(NamedTuple):
    """The password was right, and the user has a second factor, which is asked for next."""

    token: str
    """Text of a challenge: `finish_sign_in`."""


async def sign_in(on: Rollbook, by: Principal, email: str, password: str, browser: Browser) -> SignedIn | SecondStep:
    """A session for the right email and password, or what is left to do. Raises InvalidParameter, WrongPassword,
    TooManyAttempts, Overloaded, UserSuspended, Forbidden."""
    check_given_password(password)
    user, stored_hash = await users.sign_in(on.db, email)
    origin = attempts.in_browser(on, by, user, browser.device)
    hash = await passwords.prove_sign_in(on, by.actor, user, email, origin, stored_hash, password)
    if user is None:
        raise WrongPassword()
    _check_may_sign_in(on, user)
    renewed = await passwords.renewed(on, hash, password)
    return await on.write(_sign_in, on, by, user.id, hash, renewed, browser, cookies.mint())


async def _sign_in(
    tx: Tx, on: Rollbook, by: Principal, user_id: str, proven: str, renewed: str | None, browser: Browser, token: str
) -> SignedIn | SecondStep:
    """`proven` is the hash that the password was right for: it may have been changed since, which signs everybody
    out."""
    if await users.password_hash(tx, user_id) != proven:
        raise WrongPassword()
    if renewed is not None:
        await users.renew_hash(tx, user_id, proven, renewed)
    if await second_factors.has(tx, user_id):
        return SecondStep(await second_factors.open_challenge(tx, user_id, purpose=STEP))
    return await _start(tx, on, by, user_id, browser, token, methods="pwd")


async def user_of_step(on: Rollbook, token: str) -> User:
    """The user whose sign-in has this token, and waits for a second factor. Raises InvalidChallenge."""
    challenge = await second_factors.look_challenge(on.db, token, STEP)
    user = await users.by_id(on.db, challenge.user_id)
    if user is None:
        raise InvalidChallenge()
    return user


async def finish_sign_in(on: Rollbook, by: Principal, token: str, factor: GivenFactor, browser: Browser) -> SignedIn:
    """A session for the right second factor after the right password; a wrong one can be tried again. Raises
    InvalidChallenge, SecondFactorRequired, WrongCode, TooManyAttempts, UserSuspended, Forbidden."""
    user = await user_of_step(on, token)
    origin = attempts.in_browser(on, by, user, browser.device)
    proven = await proof.check(on, by.actor, user, factor, origin)
    _check_may_sign_in(on, user)
    return await on.write(_finish, on, by, user.id, token, proven, browser, cookies.mint())


async def sign_in_with_passkey(on: Rollbook, by: Principal, presented: PasskeyAnswer, browser: Browser) -> SignedIn:
    """A session for whoever has a passkey, which says whose it is: it needs no password. Raises WrongCode,
    TooManyAttempts, UserSuspended, Forbidden."""
    user = await passkeys.owner(on, presented)
    proven = await passkeys.check(on, by.actor, user, presented, attempts.in_browser(on, by, user, browser.device))
    if user is None:
        raise WrongCode()
    _check_may_sign_in(on, user)
    return await on.write(_finish, on, by, user.id, None, proven, browser, cookies.mint())


async def _finish(
    tx: Tx, on: Rollbook, by: Principal, user_id: str, step: str | None, proven: Proven, browser: Browser, token: str
) -> SignedIn:
    await users.get(tx, user_id)  # locked first, as by all who end what was begun
    if step is not None:
        await second_factors.take_challenge(tx, step, STEP)
    await proof.use(tx, _as_user(by, user_id), proven)
    return await _start(tx, on, by, user_id, browser, token, methods=_methods(step is not None, proven))


def _methods(has_password: bool, proven: Proven | None) -> str | None:
    """Names of how a person proved who they are (RFC 8176). A passkey alone is two factors: the device, and what
    unlocks it. There is no name for a link in a mail."""
    factors = ["pwd"] * has_password + ([] if proven is None else ["otp" if isinstance(proven, FactorUse) else "hwk"])
    return " ".join(factors + ["mfa"] * (len(factors) == 2 or "hwk" in factors)) or None


async def start(on: Rollbook, by: Principal, user_id: str, browser: Browser) -> SignedIn:
    """A new session for who has just set their own password; it goes back to whom the one before did. Raises
    UserSuspended, Forbidden."""
    origin = Origin(by.caller.created_by, None, lineages.of(by.caller.goes_back_to))
    return await on.write(_start, on, by, user_id, browser, cookies.mint(), origin, _methods(True, None))


async def _start(
    tx: Tx,
    on: Rollbook,
    by: Principal,
    user_id: str,
    browser: Browser,
    token: str,
    origin: Origin = NOT_KNOWN,
    methods: str | None = None,
) -> SignedIn:
    """`methods`: how they have just proven it (RFC 8176)."""
    is_new_device = await _is_new_device(tx, on, user_id, browser)
    user = await passwords.signed_in(tx, _as_user(by, user_id), user_id)
    _check_may_sign_in(on, user)
    await second_factors.begin_duty(tx, on, user)
    if browser.cookie is not None:
        await _end_by_cookie(tx, by, browser.cookie)
    created_by = None if origin.lineage is None else origin.created_by
    digest = cookies.digest(token)
    session = await sessions.add(tx, digest, user_id, by.address, browser.agent, created_by, origin.lineage, methods)
    # The mail about a new browser is read by whoever had the account before.
    await user_languages.note(tx, user_id, browser.language, replaces=not is_new_device)
    for oldest in await sessions.end_oldest(tx, user_id, MAX_SESSIONS, MAX_ENDED):
        await revoked(tx, _as_user(by, user_id), oldest)
    created = {**sessions.public(session), "new_device": is_new_device}
    await events.record(tx, "session.created", user_id, _as_user(by, user_id), created)
    return SignedIn(session, token, cookies.mint_device(on.secret, user_id))


async def _is_new_device(tx: Tx, on: Rollbook, user_id: str, browser: Browser) -> bool:
    """Test whether the user has signed in before, but not with this browser in the last months."""
    if browser.device is not None and cookies.known_device(on.secret, user_id, browser.device) is not None:
        return False
    return (await users.get(tx, user_id)).last_sign_in_at is not None


async def choose_language(on: Rollbook, by: Principal, language: LanguageCode) -> None:
    """Remember the language that a person has chosen, for mails to them."""
    await on.write(user_languages.note, by.user_id, language)


async def sign_out(on: Rollbook, by: Principal, cookie: bytes) -> None:
    """The session with this cookie ends, if there is one; others go on."""
    await on.write(_end_by_cookie, by, cookie)


async def _end_by_cookie(tx: Tx, by: Principal, cookie: bytes) -> None:
    session = await sessions.end_by_digest(tx, cookie)
    if session is not None:
        await revoked(tx, by.actor, session)


class UsedToken(NamedTuple):
    """Result of a one-time token in a browser."""

    token: Token
    user: User
    redirect_url: str
    """The page they continue to, empty for the dashboard."""
    signed_in: SignedIn | None
    """None: they are to sign in elsewhere, their role may not sign in, or the token is not for that."""


async def use_token(
    on: Rollbook, by: Principal, fields: TokenConsume, browser: Browser, factor: GivenFactor | None = None
) -> UsedToken:
    """Use a one-time token, and sign its user in if it sets a password or is for that. Raises TokenInvalid,
    InvalidParameter, EmailTaken, SecondFactorRequired, WrongCode, TooManyAttempts, Overloaded, Forbidden."""
    # The dashboard is none of the audiences that a key can have.
    open = await tokens.look(on, fields.token)
    origin = attempts.in_browser(on, by, None if open is None else open.user, browser.device)
    ready = await tokens.prepare(on, by.actor, fields, origin, given_factor=factor, audiences=())
    if ready.open.token.purpose == "sign_in":
        _check_may_sign_in(on, ready.open.user)
    return await on.write(_use_token, on, by, ready, browser, cookies.mint())


async def _use_token(
    tx: Tx, on: Rollbook, by: Principal, ready: tokens.Ready, browser: Browser, cookie: str
) -> UsedToken:
    """All of it, or nothing."""
    token, user, redirect_url = ready.open
    user = await tokens.use(tx, _as_user(by, user.id), ready)
    signed_in, sets_password = None, token.purpose in OF_PASSWORDS
    if token.purpose == "sign_in" or (sets_password and may_sign_in(on, user) and not redirect_url):
        methods = _methods(sets_password, ready.factor)
        signed_in = await _start(tx, on, by, user.id, browser, cookie, creators.of_session(token), methods)
    return UsedToken(token, user, redirect_url, signed_in)


class OwnToken(NamedTuple):
    """A token with which the caller acts as a user, and that user."""

    token: Token
    user: User


async def look_to_act(on: Rollbook, by: Principal, text: str) -> OwnToken:
    """Find a token with which the caller acts as a user. Raises TokenInvalid, also for who didn't create it."""
    open = await tokens.look(on, text)
    # The dashboard is none of the audiences that a key can have.
    if open is None or open.token.acted_by != by.user_id or not tokens.is_for(open.token, ()):
        raise TokenInvalid()
    return OwnToken(open.token, open.user)


async def act(on: Rollbook, by: Principal, text: str, browser: Browser) -> tuple[Session, str]:
    """Act as a user in this browser, instead of being signed in as oneself, with a token that the caller created.
    Returns the session and its cookie. For the user it is no sign-in. Raises TokenInvalid, InsufficientScope,
    ProofRequired, Forbidden."""
    own = await look_to_act(on, by, text)
    may_act_as(by, own.user.role)
    require_proof(by)
    cookie = cookies.mint()
    return await on.write(_act, on, by, cookies.digest(text), own.user.id, browser, cookie), cookie


async def _act(
    tx: Tx, on: Rollbook, by: Principal, digest: bytes, user_id: str, browser: Browser, cookie: str
) -> Session:
    await creators.lock_people(tx, by, "users:impersonate", user_id)
    user = await users.get(tx, user_id)
    may_act_as(by, user.role)
    _check_may_sign_in(on, user)
    token = await one_time_tokens.use(tx, digest)
    if token is None:
        raise TokenInvalid()
    if browser.cookie is not None:
        await _end_by_cookie(tx, by, browser.cookie)
    acting = Acting(by.user_id, token.reason, token.expires_at)
    origin = by.address, browser.agent, by.user_id, token.lineage, None
    session = await sessions.add(tx, cookies.digest(cookie), user_id, *origin, acting)
    await events.record(tx, "token.consumed", user_id, by.actor, one_time_tokens.in_events(token))
    await events.record(tx, "session.impersonated", user_id, by.actor, sessions.public(session))
    return session


MAX_ACTED = 10
"""Times somebody acted as a person that they are shown."""


class ActedAs(NamedTuple):
    """A time at which somebody began to act as a person."""

    created_at: int
    name: str
    """Name of who acted; their ID, once they were erased."""
    reason: str


async def actors(on: Rollbook, of: Iterable[Session]) -> dict[str, str]:
    """Names of those who act in these sessions, by ID."""
    ids = {session.acted_by for session in of if session.acted_by is not None}
    return await on.read(users.names, [*ids]) if ids else {}


async def acted_as(on: Rollbook, by: Principal) -> list[ActedAs]:
    """The last times somebody acted as the caller, newest first."""
    require_own(by, "sessions:read")
    await events.settle(on.db)
    return await on.read(_acted_as, by.user_id)


async def _acted_as(queries: Queries, user_id: str) -> list[ActedAs]:
    selection = events.Selection(types=frozenset(("session.impersonated",)), user_id=user_id)
    batch = await events.page(queries, selection, MAX_ACTED, newest_first=True)
    sessions_of = [(event.created_at, decoded(event.object)) for event in batch.events]
    names = await users.names(queries, [*{session["acted_by"] for _, session in sessions_of}])
    return [
        ActedAs(at, names.get(session["acted_by"], session["acted_by"]), session["reason"])
        for at, session in sessions_of
    ]


def may_sign_in(on: Rollbook, user: User) -> bool:
    return not roles.is_barred(user.status) and user.role in on.settings.sign_in_roles


def _check_may_sign_in(on: Rollbook, user: User) -> None:
    """Check that a user who has proven their password may sign in: to others, no account tells its state. Raises
    UserSuspended, Forbidden."""
    if roles.is_barred(user.status):
        raise UserSuspended("This account is suspended. Contact an administrator.")
    if not may_sign_in(on, user):
        raise Forbidden("This account is not allowed to sign in here.")


def _as_user(by: Principal, user_id: str) -> Actor:
    """Actor for a caller who has just proven to be this user."""
    return by.actor._replace(user_id=user_id, key_id=None)


# The order matters: each browser also sends the names of those below.
BROWSERS = (
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
)
UNKNOWN = "Unknown browser"

_PROGRAM = re.compile(r"([A-Za-z][A-Za-z0-9_.-]{0,39})(?:/[0-9][0-9A-Za-z.+-]{0,20})?(?: |$)").match


def name_in(reader: Language, user_agent: str) -> str:
    """`Chrome unter Linux`: the name in a language."""
    browser, _, system = name(user_agent).partition(" on ")
    key = {"A browser": "a_browser", UNKNOWN: "unknown_browser"}.get(browser)
    browser = reader.t(key) if key else browser
    return reader.t("browser_on", browser=browser, system=system) if system else browser


def name(user_agent: str) -> str:
    """`Chrome on Linux`, `curl`, or UNKNOWN."""
    if not user_agent.startswith("Mozilla/"):
        program = _PROGRAM(user_agent)
        return program[1] if program else UNKNOWN
    browser = next((name for sign, name in BROWSERS if sign in user_agent), None)
    system = next((name for sign, name in SYSTEMS if sign in user_agent), None)
    if browser is None:
        return UNKNOWN if system is None else f"A browser on {system}"
    return browser if system is None else f"{browser} on {system}"
