"""Passkeys: registering one, and what one proves. A passkey is two factors by itself: the authenticator, and that it
recognized its person. So it does for a code after the password, and signs in without one."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any, NamedTuple

from rollbook.actions import attempts, second_factors
from rollbook.actions.arguments.factors import SecondFactorName
from rollbook.actions.attempts import AttemptOrigin
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require_own, require_proof
from rollbook.actions.principal import Principal
from rollbook.actions.second_factors import ActivatedFactor
from rollbook.auth import one_time_codes, passkeys, tokens
from rollbook.auth.passkeys import Assertion, Descriptor, NewPasskey, RelyingParty
from rollbook.errors import BadRequest, WrongCode
from rollbook.records import second_factors as records
from rollbook.records import users
from rollbook.records.events import Actor
from rollbook.records.second_factors import PASSKEY, SecondFactor
from rollbook.records.users import User
from rollbook.storage.database import Duplicate, Tx

SIGN_IN = "sign in"
"""Subject of the challenge with which a person signs in by passkey alone."""
REFUSED = "This passkey was not accepted. Load the page again, then try once more."
UNREGISTERED = "This passkey could not be registered. Load the page again, then try once more."


def about_registration(by: Principal) -> str:
    return f"register {by.session_id}"


def about_proof(by: Principal) -> str:
    return f"prove {by.session_id}"


def about_step(token: str) -> str:
    """The sign-in or the link with this token."""
    return f"step {tokens.digest(token).hex()}"


# ---- registering one


async def registration(on: Rollbook, by: Principal, party: RelyingParty, shown_as: str) -> dict[str, Any]:
    """The options of a browser that makes a passkey for the person who is signed in."""
    user = await users.get(on.db, by.user_id)
    factors = [_described(factor) for factor in await records.of_user(on.db, user.id) if factor.kind == PASSKEY]
    challenge = passkeys.challenge(on.secret, about_registration(by))
    return passkeys.creation_options(party, shown_as, user.id, user.email, user.name, challenge, factors)


async def register(
    on: Rollbook, by: Principal, party: RelyingParty, credential: str, named: SecondFactorName
) -> ActivatedFactor:
    """A new passkey of the person who is signed in, with recovery codes if it is their first factor. Raises
    BadRequest, ProofRequired, FactorLimitReached."""
    require_own(by, "users:write")
    require_proof(by)
    try:
        about = about_registration(by)
        new = await asyncio.to_thread(passkeys.registered, on.secret, party, about, credential)
    except passkeys.Refused:
        raise BadRequest(UNREGISTERED) from None
    factor = _factor(records.new(by.user_id, PASSKEY, named.name), new)
    return await on.write(_register, by, factor, new, one_time_codes.mint_recovery_codes())


def _factor(new: SecondFactor, passkey: NewPasskey) -> SecondFactor:
    """Active at once: to make it was to use it."""
    return new._replace(
        confirmed_at=new.created_at,
        credential_id=passkey.credential_id,
        public_key=passkey.public_key,
        sign_count=passkey.sign_count,
        transports=" ".join(passkey.transports),
    )


async def _register(
    tx: Tx, by: Principal, factor: SecondFactor, passkey: NewPasskey, codes: tuple[str, ...]
) -> ActivatedFactor:
    await second_factors.lock_user(tx, by, factor.user_id)
    if not await _use_challenge(tx, factor.user_id, passkey.challenge, passkey.begun_at):
        raise BadRequest(UNREGISTERED)
    is_first = not await records.has(tx, factor.user_id)
    try:
        await second_factors.add(tx, factor)
    except Duplicate:
        raise BadRequest("This passkey is registered already.") from None
    return await second_factors.activated(tx, by, factor, is_first, codes)


async def _use_challenge(tx: Tx, user_id: str, challenge: str, begun_at: int) -> bool:
    """Use a challenge up. False: it was used before, or what was begun by then has ended. The user is locked."""
    if begun_at <= await records.challenges_ended_at(tx, user_id):
        return False
    try:
        await records.add_challenge(tx, tokens.digest(challenge), user_id, records.USED)
    except Duplicate:
        return False
    return True


# ---- what one proves


class PasskeyAnswer(NamedTuple):
    """An answer of a browser that is to prove something with a passkey: not verified yet."""

    party: RelyingParty
    about: str
    credential: str


class PasskeyUse(NamedTuple):
    """A passkey that has signed what it should, to be used in the transaction of what it proves."""

    factor: SecondFactor
    challenge: str
    begun_at: int
    sign_count: int


async def request(on: Rollbook, party: RelyingParty, about: str, user_id: str | None = None) -> dict[str, Any] | None:
    """The options of a browser that asks for a passkey: one of this user's, or whichever the person has. None for a
    user without a passkey."""
    factors: list[SecondFactor] = []
    if user_id is not None:
        factors = [factor for factor in await records.of_user(on.db, user_id) if factor.kind == PASSKEY]
        if not factors:
            return None
    challenge = passkeys.challenge(on.secret, about)
    return passkeys.request_options(party, challenge, map(_described, factors))


async def owner(on: Rollbook, presented: PasskeyAnswer) -> User | None:
    """The user whose passkey it says to be."""
    factor = await records.by_credential(on.db, (await _read(presented)).credential_id)
    return None if factor is None else await users.by_id(on.db, factor.user_id)


async def check(
    on: Rollbook, by: Actor, user: User | None, presented: PasskeyAnswer, origin: AttemptOrigin, is_own: bool = False
) -> PasskeyUse:
    """Check that a passkey of this user has signed this; it is not used up before `use`. Failures are counted and
    recorded as wrong codes are, but for the passkey that is named: no one can guess one. Raises WrongCode,
    TooManyAttempts."""
    assertion = await _read(presented)
    account = "attempts:" + sha256(b"passkey " + assertion.credential_id).hexdigest()[:32]
    take_back = await attempts.count(on, account, origin)
    try:
        checked = await _checked(on, user, presented, assertion)
    except passkeys.Refused:
        if is_own and user is not None:
            on.deferred_events.confirmation_failed(user.id, by)
        else:
            on.deferred_events.sign_in_failed(None if user is None else user.id, by)
        raise WrongCode(REFUSED) from None
    await take_back()
    return checked


async def _checked(on: Rollbook, user: User | None, presented: PasskeyAnswer, assertion: Assertion) -> PasskeyUse:
    """Raises Refused."""
    factor = await records.by_credential(on.db, assertion.credential_id)
    if factor is None or user is None or factor.user_id != user.id:
        raise passkeys.Refused("not a passkey of this user")
    if assertion.user_handle not in (None, user.id.encode()):
        raise passkeys.Refused("made for another user")
    begun_at = passkeys.begun_at(on.secret, presented.about, assertion.challenge)
    key, count = bytes(factor.public_key or b""), factor.sign_count or 0
    new_count = await asyncio.to_thread(passkeys.verified, presented.party, assertion, key, count)
    return PasskeyUse(factor, assertion.challenge, begun_at, new_count)


async def use(tx: Tx, checked: PasskeyUse) -> None:
    """Use it up, in the transaction of what it is for: neither its challenge nor its counter works again. Its user is
    locked. Raises WrongCode."""
    if not await _use_challenge(tx, checked.factor.user_id, checked.challenge, checked.begun_at):
        raise WrongCode(REFUSED)
    if not await records.use_passkey(tx, checked.factor.id, checked.sign_count):
        raise WrongCode(REFUSED)


async def _read(presented: PasskeyAnswer) -> Assertion:
    try:
        return await asyncio.to_thread(passkeys.assertion, presented.credential)
    except passkeys.Refused:
        raise WrongCode(REFUSED) from None


def _described(factor: SecondFactor) -> Descriptor:
    return Descriptor(bytes(factor.credential_id or b""), tuple((factor.transports or "").split()))
