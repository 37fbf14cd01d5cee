"""Links with which a user sets a password once: for those who have none yet, or have forgotten it. Known by digest."""

from __future__ import annotations

from rollbook import clock
from rollbook.storage.database import Queries, Tx, first

VALID = 3 * clock.DAY
"""How long a link can be used, in microseconds."""

ADD = """
    INSERT INTO password_links (user_id, digest, created_at, expires_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (user_id) DO UPDATE
      SET digest = excluded.digest, created_at = excluded.created_at, expires_at = excluded.expires_at"""
USER = "SELECT user_id FROM password_links WHERE digest = ? AND expires_at > ?"
USE = "DELETE FROM password_links WHERE digest = ? AND expires_at > ? RETURNING user_id"
DROP = "DELETE FROM password_links WHERE user_id = ?"
EXPIRE = "DELETE FROM password_links WHERE expires_at <= ?"
ANY_OLD = "SELECT 1 FROM password_links WHERE expires_at <= ? LIMIT 1"


async def add(tx: Tx, user_id: str, digest: bytes) -> int:
    """A new link instead of an older one; when it expires."""
    now = clock.now()
    await tx.run(ADD, user_id, digest, now, now + VALID)
    return now + VALID


def public(user_id: str, expires_at: int) -> dict[str, str]:
    """All that may be seen of a link, which is never the link."""
    return {"user_id": user_id, "expires_at": clock.format_time(expires_at)}


async def user_of(queries: Queries, digest: bytes) -> str | None:
    """User whose link this is, None when it was used, replaced or is too old."""
    return await first(queries, USER, digest, clock.now())


async def use(tx: Tx, digest: bytes) -> str | None:
    """The same, once: the link is gone with it."""
    return await first(tx, USE, digest, clock.now())


async def drop(tx: Tx, user_id: str) -> None:
    """A user's link opens nothing any longer: it has a new password, or is gone."""
    await tx.run(DROP, user_id)


async def is_expired(queries: Queries) -> bool:
    return await queries.one(ANY_OLD, clock.now()) is not None


async def expire(tx: Tx) -> None:
    await tx.run(EXPIRE, clock.now())
