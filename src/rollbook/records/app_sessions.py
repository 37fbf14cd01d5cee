"""Sessions of applications: their tokens, that each refresh token works once, and the few keys that sign access tokens.
Sessions are rows of the table of `sessions`, with an audience."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import NamedTuple

from rollbook import clock
from rollbook.records import users
from rollbook.records.lineages import IS_SUSPENDED
from rollbook.records.sessions import COLUMNS, USER_AGENT_LENGTH, Session
from rollbook.records.users import User
from rollbook.storage.database import Queries, Row, Statement, Tx, existing


class Issue(NamedTuple):
    """Digests of the tokens that a session has from now on, and when they expire."""

    digest: bytes
    family: bytes
    refresh_digest: bytes
    expires_at: int
    refresh_expires_at: int


class NewSession(NamedTuple):
    id: str
    audience: str
    address: str
    user_agent: str
    created_by: str
    lineage: str | None = None
    methods: str | None = None
    scope: str | None = None
    begun_in: str | None = None
    proven_at: int | None = None
    acted_by: str | None = None
    reason: str | None = None


class ActingAs(NamedTuple):
    """A person who acts as a user, and the time at which that ends."""

    acted_by: str | None
    latest_end: int | None


class SessionFamily(NamedTuple):
    """A session as its refresh tokens find it."""

    id: str
    user_id: str
    audience: str
    created_at: int
    refresh_digest: bytes
    refresh_expires_at: int
    acted_by: str | None

    @property
    def acting(self) -> ActingAs:
        """The person who acts as its user, and until when, however often it is refreshed."""
        return ActingAs(self.acted_by, None if self.acted_by is None else self.refresh_expires_at)


_FAMILY = f"""
    SELECT id, user_id, audience, created_at, refresh_digest, refresh_expires_at, acted_by FROM sessions
    WHERE family = ? AND scope IS NULL AND NOT {IS_SUSPENDED.format("sessions.lineage")}"""
_USER = ", ".join(f"u.{name}" for name in User._fields)

ADD = f"""
    INSERT INTO sessions (id, digest, family, refresh_digest, expires_at, refresh_expires_at, user_id, user_seq,
      audience, address, user_agent, created_by, lineage, methods, scope, begun_in, proven_at, acted_by, reason,
      created_at, last_seen_at)
    VALUES ({", ".join("?" * 21)}) RETURNING {COLUMNS}"""
# By the place of the user's row, and for SQLite with the reason why the index that has all of these columns has this
# session: two searches, as for a user by ID.
_OF_DIGEST = f"""
    FROM sessions s JOIN users u ON u.seq = s.user_seq AND u.id = s.user_id
    WHERE s.digest = ? AND s.audience IS NOT NULL
      AND (s.lineage IS NULL OR NOT {IS_SUSPENDED.format("s.lineage")})"""
BY_DIGEST = f"SELECT s.id, s.expires_at, u.status, u.id, u.name, u.email, s.audience, s.lineage {_OF_DIGEST}"
ACTED_BY = "SELECT acted_by FROM sessions WHERE id = ?"
WITH_USER = f"SELECT s.id, s.expires_at, s.audience, s.lineage, {_USER} {_OF_DIGEST}"
BY_FAMILY = Statement(_FAMILY, locks=True)
USER = f"SELECT {users.COLUMNS} FROM users WHERE id = ?"
"""Not locked: whoever changes a user locks them before their sessions, and a refresh would do it the other way round.
What ends the sessions of a user waits for those that are being refreshed."""
RENEW = f"""
    UPDATE sessions SET digest = ?, refresh_digest = ?, expires_at = ?, refresh_expires_at = ?, last_seen_at = ?
    WHERE id = ? RETURNING {COLUMNS}"""
END_FAMILY = f"DELETE FROM sessions WHERE family = ? RETURNING {COLUMNS}"
END_FAMILY_OF = f"DELETE FROM sessions WHERE family = ? AND audience = ? RETURNING {COLUMNS}"
_END_OLDEST = (
    """
    DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user_id = ? AND audience {}
      ORDER BY id DESC LIMIT ? OFFSET ?) RETURNING """
    + COLUMNS
)
END_OLDEST_FOR = _END_OLDEST.format("= ?")
END_OLDEST = _END_OLDEST.format("IS NOT NULL")


async def add(tx: Tx, user: User, new: NewSession, issue: Issue) -> Session:
    now = clock.now()
    who = user.id, user.seq, new.audience, new.address, new.user_agent[:USER_AGENT_LENGTH]
    row = await tx.one(ADD, new.id, *issue, *who, *new[4:], now, now)
    assert row is not None  # RETURNING
    return Session._make(row)


class SessionWithUser(NamedTuple):
    """The session of a token, and its user as they are now: the fields that every answer has and, if asked for, all."""

    id: str
    expires_at: int
    status: str
    user_id: str
    name: str
    email: str
    audience: str
    lineage: str | None
    user: User | None = None
    acted_by: str | None = None


def by_digest(queries: Queries, digest: bytes) -> Awaitable[Row | None]:
    """The session with this token, though the token may have expired, unless it goes back to a user who is suspended:
    all of `Verified` but the whole user. Not made here, since this is asked with every request of an application."""
    return queries.one(BY_DIGEST, digest)


async def with_user(queries: Queries, digest: bytes) -> SessionWithUser | None:
    """The session with this token, which may have expired, with all fields of its user."""
    row = await queries.one(WITH_USER, digest)
    if row is None:
        return None
    user = User._make(row[4:])
    return SessionWithUser(row[0], row[1], user.status, user.id, user.name, user.email, row[2], row[3], user)


async def acted_by(queries: Queries, session: SessionWithUser) -> str | None:
    """The person who acts as the user in this session; None: it is the user. Others go back to no one."""
    row = None if session.lineage is None else await queries.one(ACTED_BY, session.id)
    return None if row is None else row[0]


async def by_family(queries: Queries, family: bytes) -> SessionFamily | None:
    row: Row | None = await queries.one(BY_FAMILY, family)
    return None if row is None else SessionFamily._make(row)


async def user(tx: Tx, id: str) -> User | None:
    """User of a session that is being refreshed."""
    row = await tx.one(USER, id)
    return None if row is None else User._make(row)


async def renew(tx: Tx, id: str, issue: Issue) -> Session:
    """From now on, only these tokens are those of the session. Raises NotFound."""
    row = await existing(
        tx,
        RENEW,
        issue.digest,
        issue.refresh_digest,
        issue.expires_at,
        issue.refresh_expires_at,
        clock.now(),
        id,
    )
    return Session._make(row)


async def end_family(tx: Tx, family: bytes, audience: str | None = None) -> Session | None:
    """The session of these refresh tokens, which ends, if there is one; for this audience, unless it is None."""
    row = await (tx.one(END_FAMILY, family) if audience is None else tx.one(END_FAMILY_OF, family, audience))
    return None if row is None else Session._make(row)


async def end_oldest(tx: Tx, user_id: str, audience: str, keep: int, keep_in_all: int, limit: int) -> list[Session]:
    """End all sessions of a user for an audience but the `keep` newest, and all but the `keep_in_all` newest for any,
    up to `limit` of each. Returns those that ended."""
    rows = await tx.all(END_OLDEST_FOR, user_id, audience, limit, keep)
    rows += await tx.all(END_OLDEST, user_id, limit, keep_in_all)
    return [Session._make(row) for row in rows]


class SigningKey(NamedTuple):
    """`sealed` is the encrypted private part."""

    id: str
    public: bytes
    sealed: bytes
    created_at: int
    signs_from: int
    """Time from which on it signs, until a newer one of its algorithm does."""
    algorithm: str = "EdDSA"


SIGNING_COLUMNS = ", ".join(SigningKey._fields)
MAX_KEYS = 16
ALL_KEYS = f"SELECT {SIGNING_COLUMNS} FROM signing_keys ORDER BY signs_from DESC, id DESC LIMIT {MAX_KEYS}"
PUBLIC_KEY = "SELECT public FROM signing_keys WHERE id = ? AND algorithm = ?"
ADD_KEY = f"INSERT INTO signing_keys ({SIGNING_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
REMOVE_KEY = "DELETE FROM signing_keys WHERE id = ?"
REMOVE_OTHER_KEYS = "DELETE FROM signing_keys WHERE id <> ?"
SEALED_AFTER = "SELECT id, sealed FROM signing_keys WHERE id > ? ORDER BY id LIMIT ?"
SEAL_AGAIN = "UPDATE signing_keys SET sealed = ? WHERE id = ? AND sealed = ?"


async def newest_keys(queries: Queries) -> list[SigningKey]:
    rows = await queries.all(ALL_KEYS)
    return [SigningKey(row[0], bytes(row[1]), bytes(row[2]), *row[3:]) for row in rows]


async def public_key(queries: Queries, id: str, algorithm: str) -> bytes | None:
    """The public part of a key, None if it isn't published."""
    row = await queries.one(PUBLIC_KEY, id, algorithm)
    return None if row is None else bytes(row[0])


async def add_key(tx: Tx, new: SigningKey) -> None:
    await tx.run(ADD_KEY, *new)


async def remove_keys(tx: Tx, ids: Iterable[str]) -> None:
    await tx.many(REMOVE_KEY, [(id,) for id in ids])


async def remove_other_keys(tx: Tx, keep: str) -> None:
    await tx.run(REMOVE_OTHER_KEYS, keep)


async def sealed_keys_after(queries: Queries, id: str, limit: int) -> list[tuple[str, bytes]]:
    """IDs and encrypted private parts of the keys after this ID."""
    return [(row[0], bytes(row[1])) for row in await queries.all(SEALED_AFTER, id, limit)]


async def seal_keys_again(tx: Tx, changed: Iterable[tuple[bytes, str, bytes]]) -> None:
    """New sealed private part, ID and former sealed private part of each."""
    await tx.many(SEAL_AGAIN, changed)
