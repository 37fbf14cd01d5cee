"""Counts wrong passwords and codes, so that guessing is slow and strangers can't lock a user out: within times, and in
a row.

Every attempt is counted for the account together with its origin (`attempts_limit`). A stranger's attempt is also
counted for the account alone (`config.Fixed`), and for the network address and the networks around it
(`address_attempts_limit`). A session, the user's API keys and a browser in which they have signed in before are origins
of their own: what strangers try is not counted there.

Failures in a row are counted by account in the database: no number of nodes and addresses brings more of them (NIST SP
800-63B-4 section 3.2.2). After MAX_FAILURES, a right one is accepted in known browsers only; passkeys and recovery
codes, which no one guesses, always are. A right password or code costs no write, unless a failure came before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import NamedTuple

from msgspec import UNSET, UnsetType

from rollbook import clock
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import Principal
from rollbook.auth import tokens
from rollbook.auth.hashing_queue import Waiter
from rollbook.errors import TooManyAttempts, WrongCode
from rollbook.limits import windows
from rollbook.limits.policy import CountedNetwork, networks
from rollbook.quota import NO_LIMIT, Limit
from rollbook.records import events, failed_guesses, rules, users
from rollbook.records.events import Actor
from rollbook.records.failed_guesses import GuessKind
from rollbook.records.users import User
from rollbook.storage.database import Tx


class AttemptOrigin(NamedTuple):
    """Origin of an attempt, as far as it is known."""

    name: str
    is_stranger: bool = False
    is_known_browser: bool = False
    """The user has signed in in this browser: a session, or a device cookie."""
    networks: tuple[CountedNetwork, ...] = ()
    """A stranger's, the narrowest first."""

    def waiter(self, account: str) -> Waiter:
        """Turns in the password queue for an account: the networks of a stranger, or the accounts of callers who are
        known."""
        if not self.is_stranger:
            return Waiter((account,))
        return Waiter(tuple(network.bucket for network in reversed(self.networks)) or (self.name,), is_stranger=True)


def of_own(by: Principal) -> AttemptOrigin:
    """Origin for a user who proves their own password, signed in or by API key. All their keys count together, since a
    key can create more."""
    return AttemptOrigin("session" if by.key_id is None else "keys", is_known_browser=by.key_id is None)


def at_address(address: str) -> AttemptOrigin:
    """Origin for whoever signs in from this IP address."""
    nets = networks(address)
    return AttemptOrigin(nets[0].bucket, True, networks=nets)


def in_browser(on: Rollbook, by: Principal, user: User | None, device: str | None) -> AttemptOrigin:
    """Origin for whoever signs in with a browser. `device` is its device cookie."""
    browser = tokens.known_device(on.secret, user.id, device) if user and device else None
    return at_address(by.address) if browser is None else AttemptOrigin(f"device:{browser}", is_known_browser=True)


def of_application(by: Principal, address: str | UnsetType) -> tuple[AttemptOrigin, Actor]:
    """Origin for whoever signs in to the application that asks, and who is recorded for it. Without their address, the
    application is all that is known of them."""
    if address is UNSET:
        return AttemptOrigin(f"application:{by.user_id}", True), by.actor
    return at_address(address), by.actor._replace(address=address)


def account(user: User | None, hash: str | None, email: str) -> str:
    """The bucket of an account: a user's survives a change of email and ends with the password; an unknown email has
    one, too, the same for every spelling."""
    text = f"email {rules.email_key(email)}" if user is None else f"{user.id} {hash or ''}"
    return "attempts:" + sha256(text.encode()).hexdigest()[:32]


async def count_code(
    on: Rollbook, user: User, hash: str | None, origin: AttemptOrigin
) -> Callable[[], Awaitable[None]]:
    """Count an attempt to enter a code of a second factor. It counts together with wrong passwords, and for the user
    whatever their password is: otherwise, who knows that could change it for more attempts."""
    take_back = await count(on, account(user, hash, user.email), origin)
    try:
        take_back_code = await count(on, account(user, "codes", user.email), origin._replace(networks=()))
    except TooManyAttempts:
        await take_back()
        raise

    async def take_both_back() -> None:
        await take_back()
        await take_back_code()

    return take_both_back


async def count(on: Rollbook, account: str, origin: AttemptOrigin) -> Callable[[], Awaitable[None]]:
    """Count an attempt before the hash is computed, so that parallel ones are counted too. Returns what takes it back,
    when the password was right. Raises TooManyAttempts, and then nothing is counted."""
    settings, now = on.settings, clock.now()
    counted: list[tuple[str, Limit, int]] = []

    async def take_back() -> None:
        for bucket, limit, at in counted:
            await on.limiter.give_back(bucket, limit, now, at)

    async def take(bucket: str, limit: Limit, own: str | None = None, own_limit: Limit = NO_LIMIT) -> None:
        verdict = await on.limiter.take(bucket, limit, now, own, own_limit)
        if not verdict.admitted:
            await take_back()
            of_address = windows.refused_by(limit, own_limit, verdict)[0].startswith("key-")
            is_account = bucket.startswith(account) and not of_address
            raise TooManyAttempts(windows.retry_after(verdict), of_account=is_account)
        counted.append((bucket, limit, verdict.at))
        if own is not None:
            counted.append((own, own_limit, verdict.at))

    of_networks = [("sign-in:" + net.bucket, net.limit(settings.address_attempts_limit)) for net in origin.networks]
    # Of both at once, or of neither: an address that is refused does not use up the account's attempts.
    address, address_limit = of_networks[0] if of_networks else (None, NO_LIMIT)
    await take(f"{account}:{origin.name}", settings.attempts_limit, address, address_limit)
    for network, limit in of_networks[1:]:
        await take(network, limit)
    if origin.is_stranger:
        await take(account, settings.account_attempts_limit)
    return take_back


MAX_FAILURES = 100
"""Failures in a row, after which only known browsers are left."""
MAX_FAILURES_IN_ALL = 200
"""Failures in a row, after which they are not either. Attempts from elsewhere are not counted beyond MAX_FAILURES, so
none of a known browser's are used up by strangers."""
ALWAYS = 1 << 62
"""Failures after which a recovery code is no longer accepted."""
CLOSED = "Too many wrong passwords were given. Set a new one, or use a browser in which you have signed in before."
CLOSED_CODES = (
    "Too many wrong codes were given. Use a recovery code, a passkey, or a browser you've signed in with before."
)


class Guess(NamedTuple):
    """A password or code to count, and where it comes from."""

    kind: GuessKind
    user_id: str | None
    """None: no user has this email."""
    max_failures: int
    actor: Actor


def guess_of(kind: GuessKind, user_id: str | None, origin: AttemptOrigin, actor: Actor) -> Guess:
    return Guess(kind, user_id, MAX_FAILURES_IN_ALL if origin.is_known_browser else MAX_FAILURES, actor)


async def is_closed(on: Rollbook, guess: Guess) -> bool:
    """Test whether not even a right one is accepted."""
    return (
        guess.user_id is not None and await failed_guesses.count(on.db, guess.user_id, guess.kind) >= guess.max_failures
    )


async def guess_failed(on: Rollbook, guess: Guess, name: str) -> None:
    """Count a failure. `name` is the email or the ID that it was for: what counts for no user is written like any
    other, to a row that many share, so that no response tells by its time whether there is such a user."""
    shared = "shared " + sha256(name.encode()).hexdigest()[:2]
    await on.db.write(_guess_failed, guess, shared)


async def _guess_failed(tx: Tx, guess: Guess, shared: str) -> None:
    user = await users.by_id(tx, guess.user_id or "")  # locked first, as by all who lock both
    failures = await failed_guesses.lock(tx, guess.user_id or "", guess.kind)
    counts = user is not None and failures < guess.max_failures
    failures = await failed_guesses.add(tx, user.id if user is not None and counts else shared, guess.kind)
    if user is not None and counts and failures == MAX_FAILURES:
        await events.record(tx, "user.guesses_exhausted", user.id, guess.actor, users.complete(user))


async def guess_was_right(on: Rollbook, guess: Guess) -> bool:
    """Test whether a right password is accepted, and begin to count from zero again."""
    if guess.user_id is None or not await failed_guesses.count(on.db, guess.user_id, guess.kind):
        return True
    return await on.db.write(_guess_was_right, guess.user_id, guess.kind, guess.max_failures)


async def _guess_was_right(tx: Tx, user_id: str, kind: GuessKind, max_failures: int) -> bool:
    failures = await failed_guesses.lock(tx, user_id, kind)
    if failures >= max_failures:
        return False
    if failures:
        await failed_guesses.end(tx, user_id, kind)
    return True


async def use_code(tx: Tx, user_id: str, max_failures: int) -> None:
    """Accept a right code and begin to count from zero again, in the transaction that uses it up. Raises WrongCode,
    NotFound."""
    if not await failed_guesses.count(tx, user_id, "code"):
        return
    await users.get(tx, user_id)
    if not await _guess_was_right(tx, user_id, "code", max_failures):
        raise WrongCode(CLOSED_CODES)
