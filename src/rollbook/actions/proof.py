"""Proof that the caller is still the person who signed in: a second factor or, if they have none, their password.
`permissions.require_proof` says how old it may be.

A second factor as people give it on a page: a code, or what a passkey has signed.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import UNSET

from rollbook.actions import attempts, passkeys, passwords, second_factors
from rollbook.actions.arguments.passwords import PasswordProof
from rollbook.actions.attempts import AttemptOrigin
from rollbook.actions.checking import refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.passkeys import PasskeyAnswer
from rollbook.actions.permissions import require_oneself, require_proof
from rollbook.actions.principal import Principal
from rollbook.actions.second_factors import FactorUse
from rollbook.auth import tokens
from rollbook.errors import NotFound, SecondFactorRequired
from rollbook.records import second_factors as records
from rollbook.records import sessions, users
from rollbook.records.events import Actor
from rollbook.records.sessions import Session
from rollbook.records.users import User
from rollbook.storage.database import Tx

Proven = FactorUse | passkeys.PasskeyUse
"""A factor that was right, to be used up in the transaction of what it is for."""


class GivenFactor(NamedTuple):
    """A code, an answer of a passkey, or neither."""

    code: str = ""
    """Code of an authenticator app, or a recovery code."""
    passkey: PasskeyAnswer | None = None


class Ways(NamedTuple):
    """Ways in which a user can prove who they are, besides recovery codes."""

    has_app: bool
    has_passkey: bool


async def ways(on: Rollbook, user_id: str) -> Ways | None:
    """The ways they can prove it by; None if they have no second factor."""
    kinds = {factor.kind for factor in await records.of_user(on.db, user_id) if factor.confirmed_at is not None}
    return Ways(records.TOTP in kinds, records.PASSKEY in kinds) if kinds else None


async def check(
    on: Rollbook, by: Actor, user: User, factor: GivenFactor, origin: AttemptOrigin, is_own: bool = False
) -> Proven:
    """Check it; see `second_factors.check`. Raises SecondFactorRequired, WrongCode, TooManyAttempts."""
    if factor.passkey is not None:
        return await passkeys.check(on, by, user, factor.passkey, origin, is_own)
    if not factor.code:
        raise SecondFactorRequired()
    return await second_factors.check(on, by, user, factor.code, origin, is_own)


async def use(tx: Tx, by: Actor, proven: Proven | None) -> None:
    """Use it up; None: nothing was needed. Raises WrongCode if it was used meanwhile."""
    if isinstance(proven, FactorUse):
        await second_factors.use(tx, by, proven)
    elif proven is not None:
        await passkeys.use(tx, proven)


async def prove(on: Rollbook, by: Principal, proof: PasswordProof, named: str = "password") -> Proven | None:
    """Prove to be the caller, for the next step alone: an API key has no session to note it in, and a session has noted
    it. `named` is the field that the password came in. Returns the factor for `factor_proof.use` in that step.

    Raises ProofRequired, InvalidParameter, WrongPassword, WrongCode, TooManyAttempts, Overloaded.
    """
    if by.session_id is not None:
        require_proof(by)
        return None
    user = await users.get(on.db, by.user_id)
    if await second_factors.has(on.db, user.id):
        if proof.code is UNSET:
            refuse("code", "is required: you have a second factor")
        return await second_factors.check_own(on, by, user, proof.code)
    if proof.password is UNSET:
        refuse(named, "is required")
    await _prove_password(on, by, proof.password)
    return None


async def renew(on: Rollbook, by: Principal, session: Session, secret: str | GivenFactor) -> tuple[Session, str]:
    """Prove to be the person of a session, by a factor or, without one, by the password. Returns the session and its
    new token: a copy of the old one signs no one in.

    Raises WrongPassword, SecondFactorRequired, WrongCode, TooManyAttempts, Overloaded, NotFound, Forbidden.
    """
    require_oneself(by)
    proven: Proven | None = None
    if isinstance(secret, GivenFactor):
        user = await users.get(on.db, by.user_id)
        proven = await check(on, by.actor, user, secret, attempts.of_own(by), is_own=True)
    elif await second_factors.has(on.db, by.user_id):
        raise SecondFactorRequired()
    else:
        await _prove_password(on, by, secret)
    token = tokens.mint()
    return await on.write(_renew, by, session.id, token, proven), token


async def _prove_password(on: Rollbook, by: Principal, password: str) -> None:
    user = await users.get(on.db, by.user_id)
    await passwords.prove_own(on, by, user, await users.password_hash(on.db, user.id), password)


async def _renew(tx: Tx, by: Principal, id: str, token: str, proven: Proven | None) -> Session:
    await users.get(tx, by.user_id)  # locked first, as by all who end what was begun
    await use(tx, by.actor, proven)
    session = await sessions.proven(tx, id, tokens.digest(token))
    if session is None:
        raise NotFound("Your session has ended. Sign in again.")
    return session
