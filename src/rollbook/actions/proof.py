"""Proof that the caller is still the person who signed in: a second factor or, if they have none, their password.
`permissions.require_proof` says how old it may be."""

from __future__ import annotations

from msgspec import UNSET

from rollbook.actions import attempts, factor_proof, passwords, second_factors
from rollbook.actions.arguments import PasswordProof
from rollbook.actions.checking import refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.factor_proof import GivenFactor, Proven
from rollbook.actions.permissions import require_proof
from rollbook.actions.principal import Principal
from rollbook.auth import tokens
from rollbook.errors import NotFound, SecondFactorRequired
from rollbook.records import sessions, users
from rollbook.records.sessions import Session
from rollbook.storage.database import Tx


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


async def renew(on: Rollbook, by: Principal, session: Session, given: str | GivenFactor) -> tuple[Session, str]:
    """Prove to be the person of a session, by a factor or, without one, by the password. Returns the session and its
    new token: a copy of the old one signs no one in.

    Raises WrongPassword, SecondFactorRequired, WrongCode, TooManyAttempts, Overloaded, NotFound.
    """
    proven: Proven | None = None
    if isinstance(given, GivenFactor):
        user = await users.get(on.db, by.user_id)
        proven = await factor_proof.check(on, by.actor, user, given, attempts.of_own(by), is_own=True)
    elif await second_factors.has(on.db, by.user_id):
        raise SecondFactorRequired()
    else:
        await _prove_password(on, by, given)
    token = tokens.mint()
    return await on.write(_renew, by, session.id, token, proven), token


async def _prove_password(on: Rollbook, by: Principal, password: str) -> None:
    user = await users.get(on.db, by.user_id)
    await passwords.prove_own(on, by, user, await users.password_hash(on.db, user.id), password)


async def _renew(tx: Tx, by: Principal, id: str, token: str, proven: Proven | None) -> Session:
    await users.get(tx, by.user_id)  # locked first, as by all who end what was begun
    await factor_proof.use(tx, by.actor, proven)
    session = await sessions.proven(tx, id, tokens.digest(token))
    if session is None:
        raise NotFound("Your session has ended. Sign in again.")
    return session
