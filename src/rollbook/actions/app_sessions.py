"""Sessions of applications: users who have proven who they are to an application stay signed in to it, until they sign
out or something here ends it.

Signed access tokens of applications' sessions, and the life of the keys that sign them.

A key is published a day before it signs, so that whoever verifies tokens knows it by then, signs for 90 days, and stays
published until its last token has expired.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from rollbook import clock, ids, roles
from rollbook.actions import attempts, creators, passwords, sessions, tokens, verification
from rollbook.actions.arguments.sessions import SessionCreate, SessionRefresh, SessionVerification
from rollbook.actions.arguments.tokens import TokenConsume
from rollbook.actions.checking import given, refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require, require_audience
from rollbook.actions.principal import Principal
from rollbook.actions.second_factors import FactorUse
from rollbook.actions.verification import ProvenPassword
from rollbook.auth import session_tokens
from rollbook.auth.server_secret import Purpose, Secret
from rollbook.auth.session_tokens import KeyPair, RefreshDigests
from rollbook.config import Settings
from rollbook.errors import SecondFactorRequired, SessionEnded, TokenInvalid, UserSuspended, WrongPassword
from rollbook.records import app_sessions, events, users
from rollbook.records import sessions as session_records
from rollbook.records.app_sessions import Issue, NewSession, SessionWithUser, SigningKey
from rollbook.records.events import Actor
from rollbook.records.one_time_tokens import IMPERSONATE, Token
from rollbook.records.sessions import Session
from rollbook.records.users import User
from rollbook.storage.database import Tx

SEALED: Purpose = "signing"
LIFETIME, ID_LIFETIME = 5 * clock.MINUTE, clock.HOUR
"""Of access tokens, and of ID tokens: some programs keep people signed in until theirs expires."""
SIGNS, ANNOUNCED = 90 * clock.DAY, clock.DAY
LEEWAY = clock.HOUR
"""Time a former key stays published after its last token has expired, for clocks that are slow."""


class AccessToken(NamedTuple):
    text: str
    expires_at: int


async def issue(
    on: Rollbook, user_id: str, session_id: str, audience: str, ends_at: int, acted_by: str | None = None
) -> AccessToken | None:
    """A token for a session that ends at this time; None where the setting is off."""
    if not on.settings.access_tokens:
        return None
    now = clock.now()
    expires_at = min(now + LIFETIME, ends_at)
    claims = {
        "iss": on.settings.url,
        "aud": audience,
        "sub": user_id,
        "sid": session_id,
        "iat": now // clock.SECOND,
        "exp": expires_at // clock.SECOND,
        **act_of(acted_by),
    }
    return AccessToken((await signer(on, session_tokens.EDDSA))(claims), expires_at)


def act_of(acted_by: str | None) -> dict[str, dict[str, str]]:
    """The claim that names the person who acts as the subject (RFC 8693, section 4.1); none: it is the subject."""
    return {} if acted_by is None else {"act": {"sub": acted_by}}


Signer = Callable[..., str]
"""Signs claims; after them, the type of the token."""


async def signer(on: Rollbook, algorithm: str) -> Signer:
    """By the newest key that signs in this way. There may be none yet, or none that the server's secret opens."""
    now = clock.now()
    pair = _usable(on.secret, await app_sessions.newest_keys(on.db), now, algorithm)
    if pair is None:
        make = partial(_new, on.secret, now, algorithm)
        # An RSA key takes a while: others' requests go on meanwhile.
        new = make() if algorithm == session_tokens.EDDSA else await asyncio.to_thread(make)
        pair = await on.db.write(_add_first, on.secret, new)
    key, parts = pair
    return lambda claims, type="JWT": session_tokens.sign(key.id, parts, claims, algorithm, type)


async def _add_first(tx: Tx, secret: Secret, new: tuple[SigningKey, KeyPair]) -> tuple[SigningKey, KeyPair]:
    """Unless another server was faster."""
    key, _ = new
    pair = _usable(secret, await app_sessions.newest_keys(tx), key.signs_from, key.algorithm)
    if pair is None:
        await app_sessions.add_key(tx, key)
    return pair or new


def _usable(secret: Secret, keys: list[SigningKey], now: int, algorithm: str) -> tuple[SigningKey, KeyPair] | None:
    for key in keys:
        if key.signs_from <= now and key.algorithm == algorithm:
            try:
                return key, KeyPair(key.public, secret.unseal(SEALED, key.sealed, key.id.encode()))
            except ValueError:
                continue
    return None


def _new(secret: Secret, signs_from: int, algorithm: str) -> tuple[SigningKey, KeyPair]:
    id, pair = ids.new("sgn"), session_tokens.new_key(algorithm)
    sealed = secret.seal(SEALED, pair.private, id.encode())
    return SigningKey(id, pair.public, sealed, clock.now(), signs_from, algorithm), pair


async def published(on: Rollbook) -> list[dict[str, str]]:
    """All public keys that verify tokens now, or will within a day, as JSON Web Keys."""
    return [
        session_tokens.public_jwk(key.id, key.public, key.algorithm) for key in await app_sessions.newest_keys(on.db)
    ]


async def claims_of(on: Rollbook, token: str, type: str) -> dict[str, Any] | None:
    """Claims of a token of this type that a published key has signed with RS256, whether it has expired or not."""
    public = await app_sessions.public_key(on.db, session_tokens.key_id(token, type), session_tokens.RS256)
    return None if public is None else session_tokens.verified(token, public)


async def rotate(on: Rollbook) -> bool:
    """A job: announce the next keys in time, and withdraw those that no token needs anymore."""
    now, everything = clock.now(), await app_sessions.newest_keys(on.db)
    for algorithm, still_signs in ((session_tokens.EDDSA, on.settings.access_tokens), (session_tokens.RS256, True)):
        keys = [key for key in everything if key.algorithm == algorithm]
        if still_signs and keys and keys[0].signs_from + SIGNS - ANNOUNCED <= now:
            new, _ = await asyncio.to_thread(_new, on.secret, now + ANNOUNCED, algorithm)
            await on.db.write(_announce, keys[0].id, new)
        past = now - (LIFETIME if algorithm == session_tokens.EDDSA else ID_LIFETIME) - LEEWAY
        over = [old.id for newer, old in pairwise(keys) if newer.signs_from <= past]
        if over:
            await on.db.write(app_sessions.remove_keys, over)
    return False


async def _announce(tx: Tx, newest: str, key: SigningKey) -> None:
    """Unless another server was faster."""
    keys = [other for other in await app_sessions.newest_keys(tx) if other.algorithm == key.algorithm]
    if keys[0].id == newest:
        await app_sessions.add_key(tx, key)


async def renew(on: Rollbook) -> str:
    """Replace all keys by a new one, which signs at once: tokens that the others have signed can no longer be verified
    by who reads the published keys. The key of ID tokens is created with the next of them. Returns its ID."""
    return await on.db.write(_renew, _new(on.secret, clock.now(), session_tokens.EDDSA)[0])


async def _renew(tx: Tx, key: SigningKey) -> str:
    await app_sessions.add_key(tx, key)
    await app_sessions.remove_other_keys(tx, key.id)
    return key.id


SIGN_IN = "sign_in"
"""The purpose of the one-time tokens with which people sign in. With those to impersonate, others act as them."""
MAX_SESSIONS = 100
"""Sessions of a user for one audience. The next one ends the oldest."""
MAX_SESSIONS_IN_ALL = 1_000
"""Sessions of a user for all audiences together."""
MAX_ENDED = 100
"""Ended by one sign-in, where a user has more than that."""


class IssuedSession(NamedTuple):
    """A session and its tokens, which only who asked for them gets to see."""

    session: Session
    user: User
    token: str
    refresh_token: str
    access: AccessToken | None


class Minted(NamedTuple):
    """The tokens of a session."""

    token: str
    refresh_token: str
    access: AccessToken | None


class Start(NamedTuple):
    """A session to start, and its tokens. Made before the write, which may run twice."""

    new: NewSession
    minted: Minted
    latest_end: int | None = None
    """Time at which it ends, however often it is refreshed. None: it goes on."""


async def create(on: Rollbook, by: Principal, fields: SessionCreate) -> IssuedSession:
    """Create a session

    Signs a user in to your application: returns the user, a `token` that proves it for 15 minutes, and a
    `refresh_token` that gets the next one. Send their `email` and `password`, or the one-time `token` of a sign-in
    link. If they have a second factor, the right password is a 401 `second_factor_required`, whose `challenge` you send
    with a `code`; with a `token`, send the `code` beside it. Wrong passwords and codes are counted as by `POST
    /v1/users/verify-password`: send the `address` of the person who signs in. A user has at most 100 sessions for an
    audience; the next one ends the oldest.
    """
    require(by, "sessions:create")
    audience_of(by, fields.audience)
    way = _way(fields)
    if way == "token":
        return await _by_token(on, by, fields)
    if way == "challenge":
        return await _by_challenge(on, by, fields)
    return await _by_password(on, by, fields)


def audience_of(by: Principal, audience: str | UnsetType) -> str:
    """The audience that a call is about; by default, the only one of the caller's key. Raises InvalidParameter,
    InsufficientScope."""
    audiences = by.caller.audiences
    if audience is UNSET:
        if audiences is None or len(audiences) != 1:
            refuse("audience", "is required, unless the API key has exactly one")
        return next(iter(audiences))
    require_audience(by, audience)
    return audience


WAYS = {"token": ("token",), "challenge": ("challenge",), "email": ("email", "password")}
"""Fields that go together, by the first of them. A code goes with a token or a challenge."""


def _way(fields: SessionCreate) -> str:
    """One of WAYS, in which the user signs in. Raises InvalidParameter."""
    begun = [way for way, names in WAYS.items() if any(getattr(fields, name) is not UNSET for name in names)]
    if len(begun) > 1:
        refuse(begun[0], f"can't be combined with {' and '.join(WAYS[begun[1]])}")
    if fields.code is not UNSET and begun not in (["token"], ["challenge"]):
        refuse("challenge", "or a token is required with a code, and nothing else")
    way = begun[0] if begun else "email"
    for name in WAYS[way]:
        if getattr(fields, name) is UNSET:
            refuse(name, "is required" if begun else "is required, or a token, or a challenge")
    if way == "challenge" and fields.code is UNSET:
        refuse("code", "is required")
    return way


async def _by_password(on: Rollbook, by: Principal, fields: SessionCreate) -> IssuedSession:
    """Raises WrongPassword, SecondFactorRequired, TooManyAttempts, Overloaded, UserSuspended."""
    email, password = given(fields.email), given(fields.password)
    proven = await verification.prove_password(on, by, email, password, fields.address)
    start = await _start_of(on, by, fields, proven.user_id)
    outcome = await on.write(_with_password, on, proven, start)
    if isinstance(outcome, str):
        raise SecondFactorRequired(outcome)
    return outcome


async def _with_password(tx: Tx, on: Rollbook, proven: ProvenPassword, start: Start) -> IssuedSession | str:
    """A challenge, if the user has a second factor. The password may have been changed since it was proven, which signs
    everybody out."""
    if await users.password_hash(tx, proven.user_id) != proven.hash:
        raise WrongPassword()
    challenge = await verification.first_step(tx, proven)
    return await _start(tx, on, proven.actor, proven.user_id, start) if challenge is None else challenge


async def _by_challenge(on: Rollbook, by: Principal, fields: SessionCreate) -> IssuedSession:
    """Raises InvalidChallenge, WrongCode, TooManyAttempts, UserSuspended."""
    token, code = given(fields.challenge), given(fields.code)
    actor, proven = await verification.prove_factor(on, by, token, code, fields.address)
    start = await _start_of(on, by, fields, proven.user_id)
    return await on.write(_with_factor, on, actor, token, proven, start)


async def _with_factor(tx: Tx, on: Rollbook, by: Actor, token: str, proven: FactorUse, start: Start) -> IssuedSession:
    return await _start(tx, on, by, await verification.second_step(tx, by, token, proven), start)


async def _by_token(on: Rollbook, by: Principal, fields: SessionCreate) -> IssuedSession:
    """Raises TokenInvalid, InvalidParameter, SecondFactorRequired, WrongCode, TooManyAttempts."""
    origin, actor = attempts.of_application(by, fields.address)
    text = given(fields.token)
    open = await tokens.look(on, text)
    if open is not None and open.token.purpose not in (SIGN_IN, IMPERSONATE):
        refuse("token", f"must have the purpose {SIGN_IN} or {IMPERSONATE}. Use others with POST /v1/tokens/consume")
    if open is not None and not tokens.is_for(open.token, [audience_of(by, fields.audience)]):
        raise TokenInvalid()
    ready = await tokens.prepare(on, actor, TokenConsume(token=text, code=fields.code), origin, marks_acting=True)
    start = await _start_of(on, by, fields, ready.open.user.id, ready.open.token)
    return await on.write(_with_token, on, actor, ready, start)


async def _with_token(tx: Tx, on: Rollbook, by: Actor, ready: tokens.Ready, start: Start) -> IssuedSession:
    user = await tokens.use(tx, by, ready)
    if start.new.acted_by is not None:
        return IssuedSession(await begin(tx, on, by, user, start), user, *start.minted)
    return await _start(tx, on, by, user.id, start)


async def _start_of(
    on: Rollbook, by: Principal, fields: SessionCreate, user_id: str, token: Token | None = None
) -> Start:
    address, agent = given(fields.address, ""), given(fields.user_agent, "")
    lineage = None if token is None else creators.of_session(token).lineage
    new = NewSession(ids.new("ses"), audience_of(by, fields.audience), address, agent, by.user_id, lineage)
    latest_end = None
    if token is not None and token.acted_by is not None:
        new, latest_end = new._replace(acted_by=token.acted_by, reason=token.reason), token.expires_at
    minted = await _mint(on, user_id, new.id, new.audience, clock.now(), acted_by=new.acted_by, latest_end=latest_end)
    return Start(new, minted, latest_end)


async def _mint(
    on: Rollbook,
    user_id: str,
    session_id: str,
    audience: str,
    created_at: int,
    former: str = "",
    acted_by: str | None = None,
    latest_end: int | None = None,
) -> Minted:
    """New tokens for a session; `former` is the refresh token that they replace."""
    ends_at = _ends_at(on.settings, created_at, clock.now(), latest_end)
    access = await issue(on, user_id, session_id, audience, ends_at, acted_by)
    return Minted(session_tokens.mint_session(), session_tokens.mint_refresh(former), access)


async def _start(tx: Tx, on: Rollbook, by: Actor, user_id: str, start: Start) -> IssuedSession:
    """A session for who has just proven to be this user. Raises UserSuspended."""
    user = await passwords.signed_in(tx, by, user_id)
    if roles.is_barred(user.status):
        raise UserSuspended()
    return IssuedSession(await begin(tx, on, by, user, start), user, *start.minted)


async def begin(tx: Tx, on: Rollbook, by: Actor, user: User, start: Start) -> Session:
    """A session of a user who may have one."""
    now, audience = clock.now(), start.new.audience
    issue = digests_of(on.settings, start.minted, audience, now, now, start.latest_end)
    session = await app_sessions.add(tx, user, start.new, issue)
    for oldest in await app_sessions.end_oldest(tx, user.id, audience, MAX_SESSIONS, MAX_SESSIONS_IN_ALL, MAX_ENDED):
        await sessions.revoked(tx, by, oldest)
    type = "session.created" if session.acted_by is None else "session.impersonated"
    await events.record(tx, type, user.id, by, session_records.public(session))
    return session


class ReusedError(Exception):
    """A refresh token was sent that has been replaced."""


async def refresh(on: Rollbook, by: Principal, fields: SessionRefresh) -> IssuedSession:
    """Refresh a session

    Returns the next `token` and `refresh_token`; those before are no longer valid. A refresh token works once. If it is
    sent again, by whoever it may be, the session ends with the event `session.reuse_detected`, and the user must sign
    in again. So refresh a session in one place at a time. If no response arrives, repeat the request with the same
    `Idempotency-Key`: it returns the same tokens. Never derive that key from the token.
    """
    require(by, "sessions:create")
    audience = audience_of(by, fields.audience)
    text = fields.refresh_token
    digests = session_tokens.refresh_digests(text)
    family = None if digests is None else await app_sessions.by_family(on.db, digests.family)
    if digests is None or family is None:
        raise SessionEnded()
    minted = await _mint(on, family.user_id, family.id, family.audience, family.created_at, text, *family.acting)
    try:
        issued = await on.write(_refresh, on.settings, audience, digests, minted)
    except ReusedError:
        await on.db.write(end_reused, by.actor, digests.family)
        raise SessionEnded("This refresh token was used before, so the session has ended.") from None
    if issued.session.acted_by is None:
        on.active[issued.user.id] = clock.now()
    return issued


async def _refresh(tx: Tx, settings: Settings, audience: str, digests: RefreshDigests, minted: Minted) -> IssuedSession:
    """Raises SessionEnded, ReusedError."""
    now = clock.now()
    family = await app_sessions.by_family(tx, digests.family)
    if family is None or family.audience != audience or family.refresh_expires_at <= now:
        raise SessionEnded()
    if family.refresh_digest != digests.token:
        raise ReusedError()
    user = await app_sessions.user(tx, family.user_id)
    if user is None or roles.is_barred(user.status):
        raise SessionEnded()
    issue = digests_of(settings, minted, audience, family.created_at, now, family.acting.latest_end)
    session = await app_sessions.renew(tx, family.id, issue)
    return IssuedSession(session, user, *minted)


async def end_reused(tx: Tx, by: Actor, family: bytes, audience: str | None = None) -> None:
    """End the session: its refresh token, or its code, was sent twice. Whoever used it in between may be a thief."""
    session = await app_sessions.end_family(tx, family, audience)
    if session is not None:
        await events.record(tx, "session.reuse_detected", session.user_id, by, session_records.public(session))


async def verify(on: Rollbook, by: Principal, fields: SessionVerification, with_user: bool = True) -> SessionWithUser:
    """Verify a session

    Returns the session of a `token` and the user as they are now, or 401 `session_ended`. Call it for each request of
    your application: what ends a session ends it on all servers at once.
    """
    # `with_user`: all of the user's fields.
    require(by, "sessions:verify")
    digest = session_tokens.session_digest(fields.token, audience_of(by, fields.audience))
    if with_user:
        session = await app_sessions.with_user(on.db, digest)
    else:
        row = await app_sessions.by_digest(on.db, digest)
        session = None if row is None else SessionWithUser(*row)
    now = clock.now()
    if session is None or session.expires_at <= now or roles.is_barred(session.status):
        raise SessionEnded()
    if (acted_by := await app_sessions.acted_by(on.db, session)) is not None:
        return session._replace(acted_by=acted_by)
    on.active[session.user_id] = now
    return session


def _ends_at(settings: Settings, created_at: int, now: int, latest_end: int | None) -> int:
    """End of a session that is not refreshed before."""
    ends_at = now + settings.app_refresh_lifetime * clock.SECOND
    if settings.app_session_max_age:
        ends_at = min(ends_at, created_at + settings.app_session_max_age * clock.SECOND)
    return ends_at if latest_end is None else min(ends_at, latest_end)


def digests_of(
    settings: Settings, minted: Minted, audience: str, created_at: int, now: int, latest_end: int | None = None
) -> Issue:
    """The tokens as they are stored. The token never outlives the session."""
    digests = session_tokens.refresh_digests(minted.refresh_token)
    assert digests is not None  # minted here
    ends_at = _ends_at(settings, created_at, now, latest_end)
    expires_at = min(now + settings.app_session_lifetime * clock.SECOND, ends_at)
    return Issue(
        session_tokens.session_digest(minted.token, audience), digests.family, digests.token, expires_at, ends_at
    )
