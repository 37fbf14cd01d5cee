"""Passwords: proving one, and setting one.

The rule for new passwords, the same however they come: a call, a form, a link, an import or the first start.

Cost of a wrong password to the server, by the hashes that are stored.
"""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from rollbook.actions import attempts, creators
from rollbook.actions.arguments.passwords import PasswordChange
from rollbook.actions.attempts import AttemptOrigin, Guess
from rollbook.actions.checking import invalid, new_password, refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import known, may_grant, require, require_proof
from rollbook.actions.principal import Principal
from rollbook.actions.user_kinds import check_person
from rollbook.auth import passwords
from rollbook.auth.hashing_queue import Waiter
from rollbook.config import PRODUCT, ConfigurationError, Settings
from rollbook.errors import Fault, NewPasswordRequired, TooManyAttempts, Unavailable, WrongPassword
from rollbook.records import events, failed_guesses, password_parameters, rules, second_factors, users
from rollbook.records.events import Actor
from rollbook.records.password_parameters import Price
from rollbook.records.users import User
from rollbook.storage.database import Queries, Tx

if TYPE_CHECKING:
    from rollbook.actions.context import Rollbook


_BREACHED = "The password was found in a data breach. Choose another one."

logger = logging.getLogger("rollbook.passwords")


def check_settings(settings: Settings) -> None:
    """Check that the file of breached passwords can be used. Raises ConfigurationError."""
    if path := settings.breached_passwords:
        try:
            passwords.check(path)
        except (OSError, passwords.NoHashes) as problem:
            raise ConfigurationError(f"breached_passwords: {path} can't be used: {_reason(problem)}.") from None


async def check(on: Rollbook, password: str, *, email: str, name: str) -> None:
    """Check a new password of this user. Raises InvalidParameter."""
    if on.settings.breached_passwords:  # on a disk that may be slow
        await asyncio.to_thread(check_now, on.settings, password, email=email, name=name)
    else:
        check_now(on.settings, password, email=email, name=name)


def check_now(settings: Settings, password: str, *, email: str, name: str) -> None:
    """Check a new password in this thread: for commands and imports. Raises InvalidParameter."""
    try:
        accept(settings, password, email=email, name=name)
    except ValueError as problem:
        raise invalid([Fault("password", str(problem))]) from None


def accept(settings: Settings, password: str, *, email: str, name: str) -> str:
    """A password that this user may choose. ValueError, with a sentence that doesn't repeat it, for others."""
    new_password(password, settings.password_min_length, email=email, name=name, words=_words(settings))
    if settings.breached_passwords and _is_breached(settings.breached_passwords, password):
        raise ValueError(_BREACHED)
    return password


def _is_breached(path: str, password: str) -> bool:
    """Test whether the password is in the breach file. If the file can't be read, the other rules have to do: users
    must be able to leave a password that is known."""
    try:
        return passwords.holds(path, password)
    except (OSError, passwords.NoHashes) as problem:
        logger.warning("breached passwords not checked", extra={"reason": _reason(problem)})
        return False


def _reason(problem: Exception) -> str:
    return str(problem.strerror if isinstance(problem, OSError) else problem)


@cache
def _words(settings: Settings) -> tuple[str, ...]:
    """Words that everybody knows about the server: the product, the application's name, the labels of its host without
    the last one, and the words of the setting."""
    host = urlsplit(settings.public_url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        labels = host.split(".")
        return (*_names(settings), *(labels[:-1] or labels), *settings.password_words)
    return (*_names(settings), *settings.password_words)


def _names(settings: Settings) -> tuple[str, ...]:
    return (PRODUCT, *({settings.brand_name} - {PRODUCT}))


MAX_SETS = 64
"""Sets of parameters, the most frequent ones, of which accounts without a hash take one."""


async def prove(
    on: Rollbook, guess: Guess, account: str, email: str, origin: AttemptOrigin, hash: str | None, password: str
) -> str:
    """Returns the hash when the password is right. Guessing is slow: every check of a password goes through here.

    `hash` None (unknown email, or a user without a password) takes as long as an account that has one. The attempt is
    not counted when the password was right, nor when it was not computed because too many wait. Raises WrongPassword,
    TooManyAttempts, Overloaded.
    """
    in_use = await password_parameters.in_use(on.db, MAX_SETS)
    stand_in = on.passwords.stand_in(on.secret, rules.email_key(email), in_use)
    take_back = await attempts.count(on, account, origin)
    try:
        is_right = await on.passwords.verify(hash, password, stand_in, origin.waiter(account))
    except Unavailable:
        await take_back()
        raise
    if hash is None or not is_right:
        await attempts.guess_failed(on, guess, email)
        raise WrongPassword()
    if not await attempts.guess_was_right(on, guess):
        raise WrongPassword()  # as for a wrong one, of which no one can tell it
    await take_back()
    return hash


async def prove_sign_in(
    on: Rollbook, by: Actor, user: User | None, email: str, origin: AttemptOrigin, hash: str | None, password: str
) -> str:
    """Prove a password at sign-in. Records a failure if the email belongs to a user. Raises NewPasswordRequired, and
    what `prove` does."""
    id = None if user is None else user.id
    try:
        guess = attempts.guess_of("password", id, origin, by)
        proven = await prove(on, guess, attempts.account(user, hash, email), email, origin, hash, password)
    except WrongPassword:
        on.deferred_events.sign_in_failed(id, by)
        raise
    except TooManyAttempts as refusal:
        if refusal.of_account:
            on.deferred_events.locked_out(id, by)
        raise
    if id is not None and await users.needs_new_password(on.db, id):
        raise NewPasswordRequired()
    return proven


async def prove_own(on: Rollbook, by: Principal, user: User, hash: str | None, password: str) -> str:
    """Prove the caller's own password. Records a failure."""
    account, origin = attempts.account(user, hash, user.email), attempts.of_own(by)
    guess = attempts.guess_of("password", user.id, origin, by.actor)
    try:
        return await prove(on, guess, account, user.email, origin, hash, password)
    except WrongPassword as refusal:
        on.deferred_events.confirmation_failed(user.id, by.actor)
        if await attempts.is_closed(on, guess):
            raise WrongPassword(attempts.CLOSED) from refusal
        raise
    except TooManyAttempts:
        on.deferred_events.locked_out(user.id, by.actor)
        raise


async def prove_for_email(on: Rollbook, by: Principal, user: User, password: str | UnsetType) -> None:
    """Prove to be the caller, whose email changes: a session or a key alone must not be enough to take an account over.
    For whoever has no password yet, the same holds as for setting the first one.

    Raises InvalidParameter, InsufficientScope, ProofRequired, WrongPassword, TooManyAttempts, Overloaded.
    """
    hash = await users.password_hash(on.db, user.id)
    if hash is None:
        check_first(by, user)
    elif password is UNSET:
        refuse("current_password", "is required to change your own email")
    else:
        if await second_factors.has(on.db, user.id):
            require_proof(by)
        await prove_own(on, by, user, hash, password)


async def renewed(on: Rollbook, hash: str, password: str) -> str | None:
    """New hash in place of one with older parameters, while the password is at hand; None if the hash has today's
    parameters. Raises Overloaded."""
    return await on.passwords.hash(password) if on.passwords.needs_renewal(hash) else None


async def signed_in(tx: Tx, by: Actor, id: str) -> User:
    """The user has just proven who they are. Raises NotFound."""
    user = await users.signed_in(tx, id)
    await events.record(tx, "user.signed_in", id, by, users.complete(user))
    return user


async def set_password(on: Rollbook, by: Principal, id: str, change: PasswordChange) -> None:
    """Set a user's password

    Signs the user out everywhere. Users who change their own password must send their `current_password`. The API keys
    of another user are revoked too, their webhooks disabled, and what they created for others ends, unless
    `revoke_keys` is `false`; your own only if it is `true`. For another user with a role above member, the key needs
    the scope `users:grant` as well.
    """
    require(by, "users:write", id)
    user = await users.get(on.db, known("user", id))
    hash = await users.password_hash(on.db, id) if id == by.user_id else None
    _may_set(by, user, hash)
    if id == by.user_id and (hash is None or await second_factors.has(on.db, id)):
        require_proof(by)  # the current password is none, and the session that begins with the new one counts as one
    if hash is not None:
        if change.current_password is UNSET:
            refuse("current_password", "is required to change your own password")
        await prove_own(on, by, user, hash, change.current_password)
    await check(on, change.password, email=user.email, name=user.name)
    revokes = id != by.user_id if change.revoke_keys is UNSET else change.revoke_keys
    new = await on.passwords.hash(change.password, Waiter((by.user_id,)))
    await on.write(_set_password, by, id, hash, new, revokes)


def _may_set(by: Principal, user: User, proven: str | None) -> None:
    """Check that a user may set this password. Users who have proven their current password may change it. Whoever has
    no password to prove needs a key that nothing narrows, as others need `users:grant`: with the password they can sign
    in, and do all that the role can. Raises InsufficientScope, BadRequest."""
    check_person(user)
    if proven is None and (user.id != by.user_id or by.caller.scopes is not None):
        may_grant(by, user.role)


def check_first(by: Principal, user: User) -> None:
    """Check that a user who has no password to prove may do what others need theirs for, as for setting the first one.
    Raises InsufficientScope, ProofRequired."""
    if by.caller.scopes is not None:
        may_grant(by, user.role)
    require_proof(by)


async def _set_password(tx: Tx, by: Principal, id: str, proven: str | None, hash: str, revokes: bool) -> None:
    _may_set(by, await users.get(tx, id), proven)
    await change(tx, by.actor, id, hash, revokes)


async def change(tx: Tx, by: Actor, id: str, hash: str, revokes: bool = False) -> User:
    """Ends what was begun for the user, all sessions among it. `revokes` what acts without the password, too: whoever
    knew the old one may have made it. With their first password, who was invited becomes active. Raises NotFound."""
    is_first = await users.password_hash(tx, id) is None
    user = await users.set_password(tx, id, hash)
    await failed_guesses.end(tx, id, "password")
    await creators.end_begun(tx, id)
    await events.record(tx, "user.password_changed", id, by, {**users.complete(user), "first_password": is_first})
    if user.status == "invited":
        user = await users.change(tx, user, {"status": "active"})
        await events.record(tx, "user.activated", id, by, users.complete(user), {"status": "invited"})
    if revokes:
        await creators.end_made(tx, by, user)
    return user


MAX_SETS_COUNTED = 1_000
"""Sets of parameters that are looked at, the most frequent ones."""


class InUse(NamedTuple):
    """A set of parameters that some users' hashes have."""

    parameters: str
    users: int
    """0: not counted yet."""
    price: Price

    @property
    def whose(self) -> str:
        return {0: "Some users have", 1: "One user has"}.get(self.users, f"{self.users:,} users have")


class Costs(NamedTuple):
    """`dearest` is the most expensive set that is computed for a wrong password."""

    dearest: InUse
    slow: list[InUse]
    """More expensive than imported hashes may be, so that the time tells who has one."""
    shut: list[InUse]
    """Hashes that need more memory than imported hashes may: no password matches them."""
    weak: list[InUse]
    """Easy to guess at for whoever steals the database."""


async def costs(queries: Queries, settings: Settings) -> Costs:
    memory, passes, lanes = settings.password_memory, settings.password_time_cost, settings.password_parallelism
    today = f"$argon2id$v=19$m={memory},t={passes},p={lanes}$"
    in_use = {
        parameters: InUse(parameters, count.users, password_parameters.price(parameters))
        for parameters, count in (await password_parameters.in_use(queries, MAX_SETS_COUNTED)).items()
        if count.users or not count.counted_at
    }
    in_use.setdefault(today, InUse(today, 0, password_parameters.price(today)))
    most = max(settings.imported_hash_memory, in_use[today].price.mebibytes)
    shut = [used for used in in_use.values() if used.price.mebibytes > most]
    computed = [used for used in in_use.values() if used.price.mebibytes <= most]
    slow = [
        used for used in computed if used.price.seconds > settings.imported_hash_seconds and used.parameters != today
    ]
    weak = [used for used in computed if used.price.is_low and used.parameters != today]
    return Costs(max(computed, key=lambda used: used.price), slow, shut, weak)
