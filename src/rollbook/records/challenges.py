"""Challenges: what somebody has begun and ends with a second factor, such as a sign-in with the right password. Each
works once and for five minutes. Known by digest."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from rollbook import clock
from rollbook.storage.database import Queries, Row, Statement, Tx, first

VALID = 5 * clock.MINUTE
"""In microseconds."""
USED = "passkey"
"""Purpose of one that a passkey has answered. It opens nothing: it stays until it expires, so that the same answer does
not work again."""
ENDED = "ended"
"""Purpose of a row that opens nothing and names no user: it says when all challenges of one ended."""
MAX_OPEN = 20
"""Open challenges of a user. The next one ends the oldest."""


class Challenge(NamedTuple):
    user_id: str
    purpose: str
    data: str
    """A note of whoever opened it to whoever ends it."""


ADD = "INSERT INTO challenges (digest, user_id, purpose, data, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)"
FIND = "SELECT user_id, purpose, data FROM challenges WHERE digest = ? AND purpose = ? AND expires_at > ?"
TAKE = "DELETE FROM challenges WHERE digest = ? AND purpose = ? AND expires_at > ? RETURNING user_id, purpose, data"
END_OLDEST = """
    DELETE FROM challenges WHERE digest IN
      (SELECT digest FROM challenges WHERE user_id = ? AND purpose = ? ORDER BY created_at DESC, digest
       LIMIT 100 OFFSET ?)"""
END_ALL = Statement(
    f"DELETE FROM challenges WHERE user_id = ? AND purpose <> '{USED}'",
    together=f"DELETE FROM challenges WHERE user_id = ANY(CAST(? AS text[])) AND purpose <> '{USED}'",
)
NOTE_END = (
    f"{ADD} ON CONFLICT (digest) DO UPDATE SET created_at = excluded.created_at, expires_at = excluded.expires_at"
)
ENDED_AT = "SELECT created_at FROM challenges WHERE digest = ?"
ANY_OLD = "SELECT 1 FROM challenges WHERE expires_at <= ? LIMIT 1"
EXPIRE = "DELETE FROM challenges WHERE expires_at <= ?"


async def add(tx: Tx, digest: bytes, user_id: str, purpose: str, data: str = "") -> None:
    """Raises Duplicate."""
    now = clock.now()
    await tx.run(ADD, digest, user_id, purpose, data, now, now + VALID)


async def end_oldest(tx: Tx, user_id: str, purpose: str) -> None:
    """End all of a user but the MAX_OPEN newest."""
    await tx.run(END_OLDEST, user_id, purpose, MAX_OPEN)


async def find(queries: Queries, digest: bytes, purpose: str) -> Challenge | None:
    """The challenge, unless it was taken, ended or has expired."""
    return _made(await queries.one(FIND, digest, purpose, clock.now()))


async def take(tx: Tx, digest: bytes, purpose: str) -> Challenge | None:
    """Take the challenge, unless it was taken, ended or has expired: exactly one of several callers has it."""
    return _made(await tx.one(TAKE, digest, purpose, clock.now()))


def _made(row: Row | None) -> Challenge | None:
    return None if row is None else Challenge._make(row)


async def end_all(tx: Tx, user_id: str) -> None:
    """End all challenges of a user: what they were begun with, such as a password, has changed."""
    await tx.run(END_ALL, user_id)


async def end_begun(tx: Tx, user_id: str) -> None:
    """End all challenges of a user, also those of passkeys, which are not stored: see `ended_at`."""
    await end_all(tx, user_id)
    now = clock.now()
    await tx.run(NOTE_END, _digest_of_end(user_id), "", ENDED, "", now, now + VALID)


async def ended_at(queries: Queries, user_id: str) -> int:
    """The time when `end_begun` last ended this user's challenges; 0 if all from before have expired by now."""
    return await first(queries, ENDED_AT, _digest_of_end(user_id)) or 0


def _digest_of_end(user_id: str) -> bytes:
    return sha256(f"{ENDED} {user_id}".encode()).digest()


async def is_expired(queries: Queries) -> bool:
    return await queries.one(ANY_OLD, clock.now()) is not None


async def expire(tx: Tx) -> None:
    await tx.run(EXPIRE, clock.now())
