"""Counts wrong passwords and codes in a row by account in the database: no number of nodes and addresses brings more of
them (NIST SP 800-63B-4 section 3.2.2). After MAX_FAILURES, a right one is accepted in known browsers only; passkeys and
recovery codes, which no one guesses, always are.

Limits of time are in `attempts`. A right password or code costs no write, unless a failure came before.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from rollbook.actions.attempts import AttemptOrigin
from rollbook.actions.context import Rollbook
from rollbook.errors import WrongCode
from rollbook.records import events, failed_guesses, users
from rollbook.records.events import Actor
from rollbook.records.failed_guesses import GuessKind
from rollbook.storage.database import Tx

MAX_FAILURES = 100
"""Failures in a row, after which only known browsers are left."""
MAX_FAILURES_IN_ALL = 200
"""Failures in a row, after which they are not either. Attempts from elsewhere are not counted beyond MAX_FAILURES, so
none of a known browser's are used up by strangers."""
ALWAYS = 1 << 62
"""Failures after which a recovery code is no longer accepted."""
CLOSED = "Too many wrong passwords were given. Set a new one, or use a browser in which you have signed in before."
CLOSED_CODES = (
    "Too many wrong codes were given. Use a recovery code, a passkey, or a browser you’ve signed in with before."
)


class Guess(NamedTuple):
    """A password or code to count, and where it comes from."""

    kind: GuessKind
    user_id: str | None
    """None: no user has this email."""
    max_failures: int
    actor: Actor


def of(kind: GuessKind, user_id: str | None, origin: AttemptOrigin, actor: Actor) -> Guess:
    return Guess(kind, user_id, MAX_FAILURES_IN_ALL if origin.is_known_browser else MAX_FAILURES, actor)


async def is_closed(on: Rollbook, guess: Guess) -> bool:
    """Test whether not even a right one is accepted."""
    return (
        guess.user_id is not None and await failed_guesses.count(on.db, guess.user_id, guess.kind) >= guess.max_failures
    )


async def failed(on: Rollbook, guess: Guess, name: str) -> None:
    """Count a failure. `name` is the email or the ID that it was for: what counts for no user is written like any
    other, to a row that many share, so that no response tells by its time whether there is such a user."""
    shared = "shared " + sha256(name.encode()).hexdigest()[:2]
    await on.db.write(_failed, guess, shared)


async def _failed(tx: Tx, guess: Guess, shared: str) -> None:
    user = await users.by_id(tx, guess.user_id or "")  # locked first, as by all who lock both
    failures = await failed_guesses.lock(tx, guess.user_id or "", guess.kind)
    counts = user is not None and failures < guess.max_failures
    failures = await failed_guesses.add(tx, user.id if user is not None and counts else shared, guess.kind)
    if user is not None and counts and failures == MAX_FAILURES:
        await events.record(tx, "user.guesses_exhausted", user.id, guess.actor, users.complete(user))


async def was_right(on: Rollbook, guess: Guess) -> bool:
    """Test whether a right password is accepted, and begin to count from zero again."""
    if guess.user_id is None or not await failed_guesses.count(on.db, guess.user_id, guess.kind):
        return True
    return await on.db.write(_was_right, guess.user_id, guess.kind, guess.max_failures)


async def _was_right(tx: Tx, user_id: str, kind: GuessKind, max_failures: int) -> bool:
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
    if not await _was_right(tx, user_id, "code", max_failures):
        raise WrongCode(CLOSED_CODES)
