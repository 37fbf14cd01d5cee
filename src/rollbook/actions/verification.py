"""Signing in to an application, which verifies the password here and, if there is one, the second factor."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import UnsetType

from rollbook import roles
from rollbook.actions import attempts, passwords, second_factors
from rollbook.actions.arguments.passwords import ChallengeAnswer, Credentials
from rollbook.actions.context import Rollbook
from rollbook.actions.passwords import signed_in
from rollbook.actions.permissions import require
from rollbook.actions.principal import Principal
from rollbook.actions.second_factors import FactorUse
from rollbook.errors import InvalidChallenge, SecondFactorRequired, UserSuspended, WrongPassword
from rollbook.records import users
from rollbook.records.events import Actor
from rollbook.records.users import User
from rollbook.storage.database import Tx


async def verify_password(on: Rollbook, by: Principal, credentials: Credentials) -> User:
    """Verify a password

    Use this to sign users in to your own application. Returns the user, or 401 if the email or password is wrong. An
    unknown email takes as long as a wrong password. If the user has a second factor, the right password is a 401 too,
    `second_factor_required`: its `challenge` and a code go to `verify-challenge`. Returns 429 after too many failures
    for one account. Send the `address` of the person who signs in: then failures are counted for each address, and a
    stranger can't lock the user out.
    """
    require(by, "users:verify")
    proven = await prove_password(on, by, credentials.email, credentials.password, credentials.address)
    outcome = await on.write(_verified, proven)
    if isinstance(outcome, str):
        raise SecondFactorRequired(outcome)
    return outcome


async def _verified(tx: Tx, proven: ProvenPassword) -> User | str:
    """The user or, if they have a factor, a challenge."""
    challenge = await first_step(tx, proven)
    return await signed_in(tx, proven.actor, proven.user_id) if challenge is None else challenge


class ProvenPassword(NamedTuple):
    """A right password, the hash that it was right for, a stronger one if that is old, and who is recorded for it."""

    actor: Actor
    user_id: str
    hash: str
    renewed: str | None


async def prove_password(
    on: Rollbook, by: Principal, email: str, password: str, address: str | UnsetType
) -> ProvenPassword:
    """Raises WrongPassword, TooManyAttempts, Overloaded, UserSuspended."""
    user, stored_hash = await users.sign_in(on.db, email)
    origin, actor = attempts.of_application(by, address)
    hash = await passwords.prove_sign_in(on, actor, user, email, origin, stored_hash, password)
    if user is None:
        raise WrongPassword()
    if roles.is_barred(user.status):
        raise UserSuspended()
    return ProvenPassword(actor, user.id, hash, await passwords.renewed(on, hash, password))


async def first_step(tx: Tx, proven: ProvenPassword) -> str | None:
    """A challenge for a user who has a second factor. None: the password was all that it takes."""
    challenge = await second_factors.challenge_if_needed(tx, proven.user_id, proven.hash)
    if proven.renewed is not None:
        await users.renew_hash(tx, proven.user_id, proven.hash, proven.renewed)
    return challenge


async def verify_challenge(on: Rollbook, by: Principal, answer: ChallengeAnswer) -> User:
    """Verify a second factor

    The second step of a sign-in whose first was `verify-password`. Send the `challenge` that it returned, and a code of
    the user's authenticator app or a recovery code. Returns the user, as `verify-password` does for those who have no
    second factor. A wrong code leaves the challenge open, and counts as a wrong password does.
    """
    require(by, "users:verify")
    actor, proven = await prove_factor(on, by, answer.challenge, answer.code, answer.address)
    return await on.write(_answered, actor, answer.challenge, proven)


async def _answered(tx: Tx, by: Actor, token: str, proven: FactorUse) -> User:
    return await signed_in(tx, by, await second_step(tx, by, token, proven))


async def prove_factor(
    on: Rollbook, by: Principal, token: str, code: str, address: str | UnsetType
) -> tuple[Actor, FactorUse]:
    """A right code for this challenge, not used up yet, and who is recorded for it. Raises InvalidChallenge, WrongCode,
    TooManyAttempts."""
    challenge = await second_factors.look_challenge(on.db, token)
    user = await users.by_id(on.db, challenge.user_id)
    if user is None:
        raise InvalidChallenge()
    origin, actor = attempts.of_application(by, address)
    return actor, await second_factors.check(on, actor, user, code, origin)


async def second_step(tx: Tx, by: Actor, token: str, proven: FactorUse) -> str:
    """Use challenge and code up. Returns the ID of the user. Raises InvalidChallenge, WrongCode."""
    await users.get(tx, proven.user_id)
    challenge = await second_factors.take_challenge(tx, token)
    await second_factors.use(tx, by, proven)
    return challenge.user_id
