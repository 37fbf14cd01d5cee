"""Second factors: authenticator apps, and the recovery codes of whoever has one. `check` and `use` prove one, and a
challenge holds what was begun until then. People with some roles have the duty to have one for the dashboard, and time
to set it up: the settings `second_factor_roles` and `second_factor_grace`."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from rollbook import clock, roles
from rollbook.actions import attempts, creators, passwords
from rollbook.actions.arguments.factors import (
    RecoveryCodesCreate,
    SecondFactorActivation,
    SecondFactorCode,
    SecondFactorCreate,
    SecondFactorName,
    SecondFactorProof,
)
from rollbook.actions.attempts import AttemptOrigin
from rollbook.actions.checking import given, refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import known, may_grant, require, require_proof
from rollbook.actions.principal import Principal
from rollbook.actions.user_kinds import check_person
from rollbook.auth import one_time_codes, tokens
from rollbook.auth.one_time_codes import Totp
from rollbook.auth.server_secret import Purpose, Secret
from rollbook.errors import (
    BadRequest,
    FactorLimitReached,
    InvalidChallenge,
    LastFactor,
    NotFound,
    NotYourself,
    TooManyAttempts,
    UserSuspended,
    WrongCode,
)
from rollbook.records import events, failed_guesses, second_factors, users
from rollbook.records.events import Actor
from rollbook.records.second_factors import TOTP, Challenge, SecondFactor
from rollbook.records.users import User
from rollbook.roles import APPLICATION
from rollbook.storage.database import Queries, Tx

AUTO = ("owner", "admin")
"""Roles that `auto` stands for on a server that others can reach."""


class Duty(NamedTuple):
    """A second factor that somebody needs and does not have."""

    due_at: int | None
    """The time from which they can't do without. None: not known before they sign in again."""

    @property
    def is_due(self) -> bool:
        return self.due_at is not None and self.due_at <= clock.now()


def roles_with_duty(on: Rollbook) -> Collection[str]:
    """The roles that need one."""
    settings = on.settings
    if not settings.second_factor_roles.is_auto:
        return settings.second_factor_roles
    return AUTO if settings.public_url and not settings.is_local else ()


async def duty_of(on: Rollbook, user: User) -> Duty | None:
    """The duty of a user who has yet to meet it. None if they need no second factor, or have one."""
    if not await _lacks(on, on.db, user):
        return None
    began = await second_factors.grace_began(on.db, user.id)
    grace = on.settings.second_factor_grace * clock.SECOND
    if began is None:
        return Duty(None if grace else 0)
    return Duty(began + grace)


async def begin_duty(tx: Tx, on: Rollbook, user: User) -> None:
    """The user signs in: from the first time on, they have `second_factor_grace`."""
    if await _lacks(on, tx, user):
        await second_factors.begin_grace(tx, user.id)


async def _lacks(on: Rollbook, queries: Queries, user: User) -> bool:
    return user.role in roles_with_duty(on) and not await second_factors.has(queries, user.id)


SEALED: Purpose = "factors"
MAX_FACTORS = 20
"""Second factors of a user."""
SIGN_IN = "sign_in"
"""The purpose of the challenge of whoever has given the right password."""
APP, IMPORTED = "Authenticator app", "Imported authenticator app"


# ---- proving one


class FactorUse(NamedTuple):
    """A right code that is not used up yet: of an app, its step, or a recovery code."""

    user_id: str
    factor_id: str | None
    step: int = 0
    digest: bytes = b""
    max_failures: int = attempts.ALWAYS
    """See `guesses`."""


async def has(queries: Queries, user_id: str) -> bool:
    """Test whether this user has an active factor: then a password alone doesn't sign them in."""
    return await second_factors.has(queries, user_id)


async def check(
    on: Rollbook, by: Actor, user: User, code: str, origin: AttemptOrigin, is_own: bool = False
) -> FactorUse:
    """Check a code of a user's app, or a recovery code. A wrong one counts as a wrong password does, and is recorded
    like one: `is_own` for who confirms something, and not for who signs in. The right one is not used up before `use`.
    Raises WrongCode, TooManyAttempts."""
    try:
        take_back = await attempts.count_code(on, user, await users.password_hash(on.db, user.id), origin)
    except TooManyAttempts as refusal:
        if is_own or refusal.of_account:
            on.deferred_events.locked_out(user.id, by)
        raise
    guess = attempts.guess_of("code", user.id, origin, by)
    digits = one_time_codes.as_digits(code)
    is_closed = digits is not None and await attempts.is_closed(on, guess)
    proven = None if is_closed else await _matching(on, user.id, digits, code)
    if proven is None:
        await attempts.guess_failed(on, guess, user.id)
        note = on.deferred_events.confirmation_failed if is_own else on.deferred_events.sign_in_failed
        note(user.id, by)
        raise WrongCode(attempts.CLOSED_CODES) if is_closed else WrongCode()
    await take_back()
    return proven if digits is None else proven._replace(max_failures=guess.max_failures)


async def check_own(on: Rollbook, by: Principal, user: User, code: str) -> FactorUse:
    """Check a code of the caller's own second factor. Raises WrongCode, TooManyAttempts."""
    return await check(on, by.actor, user, code, attempts.of_own(by), is_own=True)


async def _matching(on: Rollbook, user_id: str, digits: str | None, code: str) -> FactorUse | None:
    if digits is not None:
        for factor in await second_factors.of_user(on.db, user_id):
            if factor.confirmed_at is None or (totp := opened(on.secret, factor)) is None:
                continue
            if (step := totp.step(digits, factor.last_step)) is not None:
                return FactorUse(user_id, factor.id, step)
    elif (digest := one_time_codes.recovery_digest(user_id, code)) is not None:
        if await second_factors.has_code(on.db, user_id, digest):
            return FactorUse(user_id, None, digest=digest)
    return None


async def use(tx: Tx, by: Actor, proven: FactorUse) -> None:
    """Use a right code up, in the transaction of what it is for: it works once. Raises WrongCode if somebody was
    faster, the factor was removed, or there were too many wrong ones meanwhile."""
    await attempts.use_code(tx, proven.user_id, proven.max_failures)
    if proven.factor_id is not None:
        if not await second_factors.use(tx, proven.factor_id, proven.step):
            raise WrongCode()
        return
    if not await second_factors.use_code(tx, proven.user_id, proven.digest):
        raise WrongCode()
    left = await second_factors.count_codes(tx, proven.user_id)
    await _record(tx, "second_factor.used_recovery_code", proven.user_id, by, left)


# ---- challenges


async def challenge_if_needed(tx: Tx, user_id: str, proven: str) -> str | None:
    """A challenge for a user whose password was right just now, if they have a factor. `proven` is the hash that it was
    right for: if it was changed since, the challenge opens nothing."""
    if not await second_factors.has(tx, user_id):
        return None
    if await users.password_hash(tx, user_id) != proven:
        return tokens.mint()
    return await open_challenge(tx, user_id)


async def open_challenge(tx: Tx, user_id: str, data: str = "", purpose: str = SIGN_IN) -> str:
    """A challenge, to be ended with a factor within five minutes. Returns its text, which is not kept."""
    token = tokens.mint()
    await second_factors.add_challenge(tx, tokens.digest(token), user_id, purpose, data)
    await second_factors.end_oldest_challenges(tx, user_id, purpose)
    return token


async def look_challenge(queries: Queries, token: str, purpose: str = SIGN_IN) -> Challenge:
    """The challenge with this text, which stays open: a wrong code doesn't end it. Raises InvalidChallenge."""
    challenge = await second_factors.find_challenge(queries, tokens.digest(token), purpose)
    if challenge is None:
        raise InvalidChallenge()
    return challenge


async def take_challenge(tx: Tx, token: str, purpose: str = SIGN_IN) -> Challenge:
    """Take the challenge with this text: exactly one of several callers gets it. Lock its user before, as all do who
    change what is theirs (`users.get`). Raises InvalidChallenge."""
    challenge = await second_factors.take_challenge(tx, tokens.digest(token), purpose)
    if challenge is None:
        raise InvalidChallenge()
    return challenge


# ---- of a user


class Factors(NamedTuple):
    """A user's factors, and how many recovery codes are left."""

    factors: list[SecondFactor]
    recovery_codes_left: int


class EnrolledFactor(NamedTuple):
    """A new authenticator app, with the secret to type or scan into it."""

    factor: SecondFactor
    secret: str
    otpauth_url: str


class ActivatedFactor(NamedTuple):
    """A factor that is active now. With a user's first one, their recovery codes."""

    factor: SecondFactor
    recovery_codes: tuple[str, ...]


class VerifiedFactor(NamedTuple):
    """A code that was right: of this factor or, without `factor_id`, a recovery code."""

    factor_id: str | None
    recovery_codes_left: int


async def list_second_factors(on: Rollbook, by: Principal, id: str) -> Factors:
    """List second factors

    Returns the authenticator apps and passkeys of a user, oldest first, and how many recovery codes are left. A factor
    without `confirmed_at` is not active yet.
    """
    require(by, "users:write", id)
    user = await users.get(on.db, known("user", id))
    return Factors(await second_factors.of_user(on.db, user.id), await second_factors.count_codes(on.db, user.id))


async def get_second_factor(on: Rollbook, by: Principal, id: str, factor_id: str) -> SecondFactor:
    """Get a second factor

    Returns one, without its secret.
    """
    require(by, "users:write", id)
    return await second_factors.get(on.db, known("user", id), known("fac", factor_id))


async def create_second_factor(on: Rollbook, by: Principal, id: str, new: SecondFactorCreate) -> EnrolledFactor:
    """Add an authenticator app

    Returns the `secret`, and the same as `otpauth_url` for a QR code: show one of them to the user, once. The factor is
    not active until you send a code of the app to `activate`, within an hour. It replaces an app that was not
    activated. For yourself, send a `code` of a factor you have, or else your `current_password`. For another user with
    a role above member, the key needs the scope `users:grant` as well.
    """
    user, proven = await _may_change(on, by, id, given(new.code), given(new.current_password))
    factor = second_factors.new(user.id, TOTP, given(new.name, APP))
    totp = one_time_codes.new_totp()
    await on.write(_add, by, factor._replace(secret=sealed(on.secret, factor.id, totp)), proven)
    return EnrolledFactor(factor, totp.text, totp.url(user.email, given(new.issuer, on.settings.brand_name)))


async def _add(tx: Tx, by: Principal, factor: SecondFactor, proven: FactorUse | None) -> None:
    await lock_user(tx, by, factor.user_id, proven)
    await second_factors.remove_unconfirmed(tx, factor.user_id)
    await add(tx, factor._replace(vouched=int(await _vouches(tx, by, factor.user_id))))


async def _vouches(tx: Tx, by: Principal, user_id: str) -> bool:
    """Test whether this caller knows whose account it is: an application does what its customers ask for."""
    if by.user_id == user_id:
        return False
    setter = await users.by_id(tx, by.user_id) if by.user_id else None
    return setter is None or setter.kind != APPLICATION


async def add(tx: Tx, factor: SecondFactor) -> None:
    """Add a factor. Its user is locked: of two at the same time, the second sees the first. Raises FactorLimitReached,
    and Duplicate for a passkey that somebody has."""
    if await second_factors.count(tx, factor.user_id) >= MAX_FACTORS:
        raise FactorLimitReached()
    await second_factors.add(tx, factor)


async def activate_second_factor(
    on: Rollbook, by: Principal, id: str, factor_id: str, fields: SecondFactorActivation
) -> ActivatedFactor:
    """Activate an authenticator app

    Send a code that the app shows, as proof that it was set up. From now on, the user's password alone doesn't sign
    them in. With a user's first factor, `recovery_codes` has ten codes, each of which works once if they lose it: show
    them to the user, once.
    """
    require(by, "users:write", id)
    factor = await second_factors.get(on.db, known("user", id), known("fac", factor_id))
    totp, digits = opened(on.secret, factor), one_time_codes.as_digits(fields.code)
    if factor.confirmed_at is not None or totp is None:
        raise NotFound("This factor is active already.")
    if digits is None or (step := totp.step(digits, None)) is None:
        raise WrongCode()
    return await on.write(_activate, by, factor, step, one_time_codes.mint_recovery_codes())


async def _activate(tx: Tx, by: Principal, factor: SecondFactor, step: int, codes: tuple[str, ...]) -> ActivatedFactor:
    await lock_user(tx, by, factor.user_id)
    is_first = not await second_factors.has(tx, factor.user_id)
    active = await second_factors.activate(tx, factor.id, step)
    if active is None:
        raise NotFound("This factor is active already, or was removed.")
    return await activated(tx, by, active, is_first, codes)


async def activated(
    tx: Tx, by: Principal, factor: SecondFactor, is_first: bool, codes: tuple[str, ...] = ()
) -> ActivatedFactor:
    """Record a factor that has just become active. A first one comes with recovery codes, and ends what was begun
    without a second factor."""
    user_id = factor.user_id
    if is_first:
        if codes:
            await _set_codes(tx, user_id, codes)
        await creators.end_begun(tx, user_id, by.session_id if user_id == by.user_id else None)
    await events.record(tx, "second_factor.activated", user_id, by.actor, second_factors.public(factor))
    return ActivatedFactor(factor, codes if is_first else ())


async def _set_codes(tx: Tx, user_id: str, codes: tuple[str, ...]) -> None:
    digests = [one_time_codes.recovery_digest(user_id, code) for code in codes]
    await second_factors.set_codes(tx, user_id, [digest for digest in digests if digest is not None])


async def verify_second_factor(on: Rollbook, by: Principal, id: str, fields: SecondFactorCode) -> VerifiedFactor:
    """Verify a code

    Use this before something sensitive in your own application. Fails with 401 if the code is wrong or was used before,
    or if the user has no second factor. Wrong codes are counted as wrong passwords are. Send the `address` of the
    person.
    """
    require(by, "users:verify")
    user = await users.get(on.db, known("user", id))
    if roles.is_barred(user.status):
        raise UserSuspended()
    origin, actor = attempts.of_application(by, fields.address)
    proven = await check(on, actor, user, fields.code, origin)
    return await on.write(_verified, actor, proven)


async def _verified(tx: Tx, by: Actor, proven: FactorUse) -> VerifiedFactor:
    await use(tx, by, proven)
    return VerifiedFactor(proven.factor_id, await second_factors.count_codes(tx, proven.user_id))


async def regenerate_recovery_codes(on: Rollbook, by: Principal, id: str, new: RecoveryCodesCreate) -> tuple[str, ...]:
    """Create recovery codes

    Returns ten new ones, once. Those the user had stop working. For yourself, send a `code` of a factor you have. For
    another user with a role above member, the key needs the scope `users:grant` as well.
    """
    user, proven = await _may_change(on, by, id, given(new.code))
    return await on.write(_regenerate, by, user.id, proven, one_time_codes.mint_recovery_codes())


async def _regenerate(
    tx: Tx, by: Principal, id: str, proven: FactorUse | None, codes: tuple[str, ...]
) -> tuple[str, ...]:
    await lock_user(tx, by, id, proven)
    if not await second_factors.has(tx, id):
        raise BadRequest("This user has no second factor. Recovery codes come with the first one.")
    await _set_codes(tx, id, codes)
    await _record(tx, "second_factor.codes_regenerated", id, by.actor, len(codes))
    return codes


async def remove_second_factor(on: Rollbook, by: Principal, id: str, factor_id: str, fields: SecondFactorProof) -> None:
    """Remove a second factor

    With the last one, the recovery codes end too, and the password alone signs the user in again. For yourself, send a
    `code` of a factor you have. For another user with a role above member, the key needs the scope `users:grant` as
    well.
    """
    user, proven = await _may_change(on, by, id, fields.code)
    await on.write(_remove, on, by, user.id, known("fac", factor_id), proven)


async def _remove(tx: Tx, on: Rollbook, by: Principal, user_id: str, id: str, proven: FactorUse | None) -> None:
    user = await lock_user(tx, by, user_id, proven)
    await second_factors.get(tx, user_id, id)
    factor = await second_factors.remove(tx, id)
    if not await second_factors.has(tx, user_id):
        if factor.confirmed_at and user_id == by.user_id and user.role in roles_with_duty(on):
            raise LastFactor()
        await second_factors.remove_codes(tx, user_id)
        await failed_guesses.end(tx, user_id, "code")
    if factor.confirmed_at is not None:
        await creators.end_begun(tx, user_id, by.session_id if user_id == by.user_id else None)
        await events.record(tx, "second_factor.removed", user_id, by.actor, second_factors.public(factor))


async def rename_second_factor(on: Rollbook, by: Principal, id: str, factor_id: str, named: SecondFactorName) -> None:
    """Give a factor another name."""
    require(by, "users:write", id)
    await on.write(second_factors.rename, known("user", id), known("fac", factor_id), str(named.name))


async def lift_second_factors(on: Rollbook, by: Principal, id: str) -> None:
    """Lift the second factors of a user

    For a user who has lost their device and their recovery codes. Removes all factors and codes, so that the password
    alone signs them in: make sure first that the request comes from them. For a user with a role above member, the key
    needs the scope `users:grant` as well.
    """
    require(by, "users:write")
    require_proof(by)
    await on.write(_lift, by, known("user", id))


async def _lift(tx: Tx, by: Principal, id: str) -> None:
    if id == by.user_id:
        raise NotYourself("Remove your own second factors one by one, each with a code.")
    await lock_user(tx, by, id)
    removed = await second_factors.remove_all(tx, id)
    await failed_guesses.end(tx, id, "code")
    if any(factor.confirmed_at is not None for factor in removed):
        await creators.end_begun(tx, id)
        await _record(tx, "second_factor.lifted", id, by.actor, 0)


async def _record(tx: Tx, type: str, user_id: str, by: Actor, codes_left: int) -> None:
    await events.record(tx, type, user_id, by, {"user_id": user_id, "recovery_codes_left": codes_left})


# ---- who may


async def _may_change(
    on: Rollbook, by: Principal, id: str, code: str | None, password: str | None = None
) -> tuple[User, FactorUse | None]:
    """Check that the caller may change a user's factors: with the permission to act with their role, or as the user,
    proven by a factor they have, or by their password if there is none. A person who is signed in has proven it by
    their session. Raises InsufficientScope, ProofRequired, InvalidParameter, WrongCode, WrongPassword, TooManyAttempts,
    Overloaded, NotFound."""
    require(by, "users:write", id)
    user = await users.get(on.db, known("user", id))
    check_person(user)
    require_proof(by)
    if id != by.user_id:
        may_grant(by, user.role)
    elif by.proven_at is None:
        if await second_factors.has(on.db, id):
            if code is None:
                refuse("code", "is required to change your own second factors")
            return user, await check_own(on, by, user, code)
        await _prove_password(on, by, user, password)
    return user, None


async def _prove_password(on: Rollbook, by: Principal, user: User, password: str | None) -> None:
    """Ask for a proof as for a new password: whoever has none to prove needs a key that nothing narrows."""
    hash = await users.password_hash(on.db, user.id)
    if hash is None:
        passwords.check_first(by, user)
    elif password is None:
        refuse("current_password", "is required to add your own first second factor")
    else:
        await passwords.prove_own(on, by, user, hash, password)


async def lock_user(tx: Tx, by: Principal, id: str, proven: FactorUse | None = None) -> User:
    """Lock a user whose factors are about to change, check once more that the caller may, and use up the code that they
    proved it with. Raises InsufficientScope, NotFound, WrongCode."""
    user = await users.get(tx, id)
    if id != by.user_id:
        may_grant(by, user.role)
    if proven is not None:
        await use(tx, by.actor, proven)
    return user


# ---- their secrets


def sealed(secret: Secret, factor_id: str, totp: Totp) -> bytes:
    """The secret of an app in the form in which it is stored."""
    return secret.seal(SEALED, totp.packed(), factor_id.encode())


def opened(secret: Secret, factor: SecondFactor) -> Totp | None:
    """The secret of an app; None for a passkey, or if the server's secret has changed."""
    if factor.secret is None:
        return None
    try:
        return one_time_codes.unpacked(secret.unseal(SEALED, bytes(factor.secret), factor.id.encode()))
    except ValueError:
        return None


def imported(secret: Secret, user_id: str, totp: Totp) -> SecondFactor:
    """A factor that another system has checked: active at once."""
    new = second_factors.new(user_id, TOTP, IMPORTED)
    return new._replace(secret=sealed(secret, new.id, totp), confirmed_at=new.created_at, vouched=1)
