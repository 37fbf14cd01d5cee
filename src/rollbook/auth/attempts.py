"""Guessing is slow: every check of a password, wherever it is asked for, goes through here and counts against the account's windows."""

from __future__ import annotations

from hashlib import sha256

from rollbook import clock
from rollbook.auth.passwords import Passwords
from rollbook.config import Settings
from rollbook.errors import Overloaded, TooManyAttempts, WrongPassword
from rollbook.limits import windows
from rollbook.limits.windows import Limiter
from rollbook.quota import NO_LIMIT, Limit
from rollbook.records import rules


def account(email: str) -> str:
    """The bucket of an account, known or not: the same for every spelling of its address."""
    return "attempts:" + sha256(rules.email_key(email).encode()).hexdigest()[:32]


async def verify(
    passwords: Passwords,
    limiter: Limiter,
    settings: Settings,
    bucket: str,
    hash: str | None,
    password: str,
    address: str | None = None,
) -> None:
    """Returns when the password is right. `hash` None (nobody has the address) takes as long as a wrong password.

    `address` is the bucket of the client's address, where the client is the person who signs in and not an application that serves many.
    A try is counted before the hash is computed and given back when it was right, so that parallel guesses are counted too; also when
    nothing was found out about it because too many wait.
    Raises WrongPassword, TooManyAttempts, Overloaded.
    """
    limit, own_limit = Limit.parse(settings.attempts_limit), NO_LIMIT
    if address is not None:
        own_limit = Limit.parse(settings.address_attempts_limit)
    now = clock.now()
    # Of both at once, or of neither: an address that is refused does not lock the account.
    verdict = await limiter.take(bucket, limit, now, address, own_limit)
    if not verdict.admitted:
        raise TooManyAttempts(windows.retry_after(verdict))
    try:
        if not await passwords.verify(hash, password):
            raise WrongPassword()
    except Overloaded:
        await _give_back(limiter, settings, bucket, address, now, verdict.at)
        raise
    await _give_back(limiter, settings, bucket, address, now, verdict.at)


async def _give_back(limiter: Limiter, settings: Settings, bucket: str, address: str | None, now: int, at: int) -> None:
    await limiter.give_back(bucket, Limit.parse(settings.attempts_limit), now, at)
    if address is not None:
        await limiter.give_back(address, Limit.parse(settings.address_attempts_limit), now, at)
