"""Sessions of applications: users who have proven who they are to an application stay signed in to it, until they sign
out or something here ends it."""

from __future__ import annotations

from typing import NamedTuple

from rollbook import clock
from rollbook.actions import attempts, passwords, sessions
from rollbook.actions.arguments import SessionCreate, SessionRefresh, SessionVerification
from rollbook.actions.checking import check_given_password, given
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require
from rollbook.actions.principal import Principal
from rollbook.auth import session_tokens
from rollbook.auth.session_tokens import RefreshDigests
from rollbook.config import Settings
from rollbook.errors import SessionEnded, UserSuspended, WrongPassword
from rollbook.records import app_sessions, events, users
from rollbook.records import sessions as session_records
from rollbook.records.app_sessions import Issue, NewSession, Verified
from rollbook.records.events import Actor
from rollbook.records.sessions import Session
from rollbook.records.users import User
from rollbook.storage.database import Tx

MAX_SESSIONS = 100
"""Sessions of a user for one audience. The next one ends the oldest."""
MAX_SESSIONS_IN_ALL = 1_000
"""The same for all audiences together."""
MAX_ENDED = 100
"""Ended by one sign-in, where a user has more than that."""


class IssuedSession(NamedTuple):
    """A session and its tokens, which only who asked for them gets to see."""

    session: Session
    user: User
    token: str
    refresh_token: str


class Pair(NamedTuple):
    """A token and a refresh token. Made before the write, which may run twice."""

    token: str
    refresh_token: str


async def create(on: Rollbook, by: Principal, asked: SessionCreate) -> IssuedSession:
    """Create a session

    Signs a user in to your application: returns the user, a `token` that proves it for 15 minutes, and a
    `refresh_token` that gets the next one. Returns 401 if the email or password is wrong, like `POST
    /v1/users/verify-password`, with the same limits. Send the `address` of the person who signs in. A user has at most
    100 sessions for an audience; the next one ends the oldest.
    """
    require(by, "sessions:create")
    check_given_password(asked.password)
    user, kept = await users.sign_in(on.db, asked.email)
    address = given(asked.address)
    actor = by.actor if address is None else by.actor._replace(address=address)
    hash = await passwords.prove_sign_in(
        on, actor, user, asked.email, attempts.of_application(by, address), kept, asked.password
    )
    if user is None:
        raise WrongPassword()
    if user.status == "suspended":
        raise UserSuspended()
    renewed = await passwords.renewed(on, hash, asked.password)
    new = NewSession(user.id, asked.audience, address or "", given(asked.user_agent, ""), by.user_id)
    return await on.write(_sign_in, on, actor, new, hash, renewed, _mint())


async def _sign_in(
    tx: Tx, on: Rollbook, by: Actor, new: NewSession, proven: str, renewed: str | None, pair: Pair
) -> IssuedSession:
    """`proven` is the hash that the password was right for: it may have been changed since, which signs everybody
    out."""
    if await users.password_hash(tx, new.user_id) != proven:
        raise WrongPassword()
    if renewed is not None:
        await users.renew_hash(tx, new.user_id, proven, renewed)
    return await _start(tx, on, by, new, pair)


async def _start(tx: Tx, on: Rollbook, by: Actor, new: NewSession, pair: Pair) -> IssuedSession:
    """A session for who has just proven to be this user. Raises UserSuspended."""
    user = await passwords.signed_in(tx, by, new.user_id)
    if user.status == "suspended":
        raise UserSuspended()
    now = clock.now()
    session = await app_sessions.add(tx, new, _issue(on.settings, pair, now, now))
    for oldest in await app_sessions.end_oldest(
        tx, user.id, new.audience, MAX_SESSIONS, MAX_SESSIONS_IN_ALL, MAX_ENDED
    ):
        await sessions.revoked(tx, by, oldest)
    await events.record(tx, "session.created", user.id, by, session_records.public(session))
    return IssuedSession(session, user, *pair)


class _ReusedError(Exception):
    """A refresh token was sent that has been replaced."""


async def refresh(on: Rollbook, by: Principal, asked: SessionRefresh) -> IssuedSession:
    """Refresh a session

    Returns the next `token` and `refresh_token`; those before are no longer valid. A refresh token works once. If it is
    sent again, by whoever it may be, the session ends with the event `session.reuse_detected`, and the user must sign
    in again. So refresh a session in one place at a time. If no response arrives, repeat the request with the same
    `Idempotency-Key`: it returns the same tokens. Never derive that key from the token.
    """
    require(by, "sessions:create")
    digests = session_tokens.refresh_digests(asked.refresh_token)
    if digests is None or await app_sessions.by_family(on.db, digests.family) is None:
        raise SessionEnded()
    pair = Pair(session_tokens.mint(), session_tokens.mint_refresh(asked.refresh_token))
    try:
        return await on.write(_refresh, on.settings, asked.audience, digests, pair)
    except _ReusedError:
        await on.db.write(_end_reused, by.actor, digests.family)
        raise SessionEnded("This refresh token was used before, so the session has ended.") from None


async def _refresh(tx: Tx, settings: Settings, audience: str, digests: RefreshDigests, pair: Pair) -> IssuedSession:
    """Raises SessionEnded, _ReusedError."""
    now = clock.now()
    family = await app_sessions.by_family(tx, digests.family)
    if family is None or family.audience != audience or family.refresh_expires_at <= now:
        raise SessionEnded()
    if family.refresh_digest != digests.token:
        raise _ReusedError()
    user = await app_sessions.user(tx, family.user_id)
    if user is None or user.status == "suspended":
        raise SessionEnded()
    session = await app_sessions.renew(tx, family.id, _issue(settings, pair, family.created_at, now))
    return IssuedSession(session, user, *pair)


async def _end_reused(tx: Tx, by: Actor, family: bytes) -> None:
    """Whoever refreshed the session in between may be a thief: it ends all the same."""
    session = await app_sessions.end_family(tx, family)
    if session is not None:
        await events.record(tx, "session.reuse_detected", session.user_id, by, session_records.public(session))


async def verify(on: Rollbook, by: Principal, asked: SessionVerification) -> Verified:
    """Verify a session

    Returns the session of a `token` and the user as they are now, or 401 `session_ended`. Call it for each request of
    your application: what ends a session ends it on all servers at once.
    """
    require(by, "sessions:verify")
    found = await app_sessions.by_digest(on.db, session_tokens.digest(asked.token))
    if (
        found is None
        or found.audience != asked.audience
        or found.expires_at <= clock.now()
        or found.user.status == "suspended"
    ):
        raise SessionEnded()
    return found


def _mint() -> Pair:
    return Pair(session_tokens.mint(), session_tokens.mint_refresh())


def _issue(settings: Settings, pair: Pair, created_at: int, now: int) -> Issue:
    """The tokens as they are stored. The token never outlives the session."""
    ends_at = now + settings.app_refresh_lifetime * clock.SECOND
    if settings.app_session_max_age:
        ends_at = min(ends_at, created_at + settings.app_session_max_age * clock.SECOND)
    digests = session_tokens.refresh_digests(pair.refresh_token)
    assert digests is not None  # minted here
    expires_at = min(now + settings.app_session_lifetime * clock.SECOND, ends_at)
    return Issue(session_tokens.digest(pair.token), digests.family, digests.token, expires_at, ends_at)
