"""Who signs in to an application: it verifies their password here and, if they have one, their second factor."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from rollbook import roles
from rollbook.actions import attempts, passwords, second_factors
from rollbook.actions.arguments import ChallengeAnswer, Credentials
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
    user, kept = await users.sign_in(on.db, credentials.email)
    origin, actor = _from(by, credentials.address)
    hash = await passwords.prove_sign_in(on, actor, user, credentials.email, origin, kept, credentials.password)
    if user is None:
        raise WrongPassword()
    if roles.is_barred(user.status):
        raise UserSuspended()
    renewed = await passwords.renewed(on, hash, credentials.password)
    found = await on.write(_verified, actor, user.id, hash, renewed)
    if isinstance(found, str):
        raise SecondFactorRequired(found)
    return found


async def _verified(tx: Tx, by: Actor, id: str, hash: str, renewed: str | None) -> User | str:
    """The user or, if they have a factor, a challenge."""
    challenge = await second_factors.challenge_if_needed(tx, id, hash)
    if renewed is not None:
        await users.renew_hash(tx, id, hash, renewed)
    return await signed_in(tx, by, id) if challenge is None else challenge


async def verify_challenge(on: Rollbook, by: Principal, answer: ChallengeAnswer) -> User:
    """Verify a second factor

    The second step of a sign-in whose first was `verify-password`. Send the `challenge` that it returned, and a code of
    the user's authenticator app or a recovery code. Returns the user, as `verify-password` does for those who have no
    second factor. A wrong code leaves the challenge open, and counts as a wrong password does.
    """
    require(by, "users:verify")
    challenge = await second_factors.look_challenge(on.db, answer.challenge)
    user = await users.by_id(on.db, challenge.user_id)
    if user is None:
        raise InvalidChallenge()
    origin, actor = _from(by, answer.address)
    proven = await second_factors.check(on, actor, user, answer.code, origin)
    return await on.write(_answered, actor, answer.challenge, proven)


async def _answered(tx: Tx, by: Actor, token: str, proven: FactorUse) -> User:
    await users.get(tx, proven.user_id)
    challenge = await second_factors.take_challenge(tx, token)
    await second_factors.use(tx, by, proven)
    return await signed_in(tx, by, challenge.user_id)


def _from(by: Principal, address: str | UnsetType) -> tuple[attempts.AttemptOrigin, Actor]:
    """Origin of an attempt, and who is recorded for it."""
    if address is UNSET:
        return attempts.of_application(by, None), by.actor
    return attempts.of_application(by, address), by.actor._replace(address=address)
