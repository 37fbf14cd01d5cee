"""Proof that the caller is still the person who signed in: their password, so far. `permissions.require_proof` says how
old it may be."""

from __future__ import annotations

from rollbook.actions import passwords
from rollbook.actions.arguments import PasswordProof
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import Principal
from rollbook.auth import tokens
from rollbook.errors import NotFound
from rollbook.records import sessions, users
from rollbook.records.sessions import Session
from rollbook.storage.database import Tx


async def prove(on: Rollbook, by: Principal, proof: PasswordProof) -> None:
    """Prove to be the caller, for the next step alone: an API key has no session to note it in. Raises WrongPassword,
    TooManyAttempts, Overloaded."""
    user = await users.get(on.db, by.user_id)
    await passwords.prove_own(on, by, user, await users.password_hash(on.db, user.id), proof.password)


async def renew(on: Rollbook, by: Principal, session: Session, proof: PasswordProof) -> tuple[Session, str]:
    """Prove to be the person of a session. Returns the session and its new token: a copy of the old one signs no one
    in. Raises WrongPassword, TooManyAttempts, Overloaded, NotFound."""
    await prove(on, by, proof)
    token = tokens.mint()
    return await on.write(_renew, session.id, token), token


async def _renew(tx: Tx, id: str, token: str) -> Session:
    session = await sessions.proven(tx, id, tokens.digest(token))
    if session is None:
        raise NotFound("Your session has ended. Sign in again.")
    return session
