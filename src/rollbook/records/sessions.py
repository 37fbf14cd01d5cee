"""Sessions: who is signed in, to the dashboard or to an application, since when and from where. Stored by digest, so a
stolen database can't sign anyone in. `app_sessions` has what only those of applications do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from rollbook import clock, ids
from rollbook.records.lineages import IS_SUSPENDED
from rollbook.records.presenting import Hidden, Time, presenter
from rollbook.storage.database import EACH, LOOK_UP, Queries, Statement, Tx, existing, in_parts, scalar

USER_AGENT_LENGTH = 300
"""Characters of a browser's name that are kept."""


class Session(NamedTuple):
    """A session as we keep it. The text of its cookie or token is never part of it."""

    id: str
    user_id: str
    audience: str | None  # the application it is for; None: the dashboard
    created_at: Time
    last_seen_at: Time  # of an application: when it was last refreshed
    expires_at: Time | None  # an application's: when its token expires
    refresh_expires_at: Time | None  # an application's: when it ends, unless it is refreshed before; when acting ends
    address: str
    user_agent: str
    proven_at: Hidden[int]  # when its person last proved who they are
    created_by: Hidden[str | None]  # an application's: the user whose API key created it; or the first of its lineage
    lineage: Hidden[str | None]  # of the one-time token that it began with
    methods: Hidden[str | None]  # how its person proved who they are (RFC 8176), with spaces between
    acted_by: str | None = None  # the person who acts as the user; `refresh_expires_at` is then its end
    reason: str | None = None  # for acting as them

    def has_expired(self, now: int) -> bool:
        """Test whether somebody acted in it, and their time is over."""
        return self.acted_by is not None and self.refresh_expires_at is not None and self.refresh_expires_at <= now


class Acting(NamedTuple):
    """A person who acts as the user of a session, why, and until when."""

    acted_by: str | None
    reason: str | None
    until: int | None


NO_ONE = Acting(None, None, None)
public = presenter(Session)
"""All that may be seen of a session, which is never its cookie or token."""


class Lifetime(NamedTuple):
    """Lifetime of a session of the dashboard, in microseconds: at most `whole`, and `idle` without a request. Those of
    applications have the times at which they end."""

    whole: int
    idle: int

    def oldest(self, now: int) -> tuple[int, int]:
        """The earliest `created_at` and `last_seen_at` of a session that is still one."""
        return now - self.whole, now - self.idle

    def includes(self, session: Session, now: int) -> bool:
        """Test whether the session has not ended by itself."""
        if session.refresh_expires_at is not None:
            return session.refresh_expires_at > now
        return session.created_at > now - self.whole and session.last_seen_at > now - self.idle


COLUMNS = (
    "id, user_id, audience, created_at, last_seen_at, expires_at, refresh_expires_at, address, user_agent, "
    "coalesce(proven_at, created_at), created_by, lineage, methods, acted_by, reason"
)

ADD = (
    "INSERT INTO sessions (id, digest, user_id, created_at, last_seen_at, address, user_agent, created_by, lineage, "
    f"methods, acted_by, reason, refresh_expires_at) VALUES ({', '.join('?' * 13)}) RETURNING {COLUMNS}"
)
_LIVE = "(refresh_expires_at IS NULL AND created_at > ? AND last_seen_at > ? OR refresh_expires_at > ?)"
_WORKS = f"NOT {IS_SUSPENDED.format('sessions.lineage')}"
BY_DIGEST = f"SELECT {COLUMNS} FROM sessions WHERE digest = ? AND {_WORKS}"
BY_ID = Statement(f"SELECT {COLUMNS} FROM sessions WHERE id = ?", locks=True)
WORKING = Statement(f"SELECT {COLUMNS} FROM sessions WHERE id = ? AND {_WORKS}", together=LOOK_UP)
OF_USER = f"SELECT {COLUMNS} FROM sessions WHERE user_id = ? AND {_LIVE} ORDER BY id DESC LIMIT ? OFFSET ?"
MAX_AUDIENCES = 16
"""Audiences that one statement asks for, as many as a key can have."""
_FOR = f"audience IN ({', '.join('?' * MAX_AUDIENCES)})"
OF_USER_FOR = f"""
    SELECT {COLUMNS} FROM sessions WHERE user_id = ? AND {_LIVE} AND {_FOR} ORDER BY id DESC LIMIT ? OFFSET ?"""
HELD = f"SELECT {COLUMNS} FROM sessions WHERE user_id = ? AND id > ? ORDER BY id LIMIT ?"
COUNT = f"SELECT count(*) FROM sessions WHERE user_id = ? AND {_LIVE}"
COUNT_FOR = f"{COUNT} AND {_FOR}"
SEEN = "UPDATE sessions SET last_seen_at = ? WHERE id = ? AND last_seen_at < ?"
PROVEN = f"UPDATE sessions SET digest = ?, proven_at = ? WHERE id = ? RETURNING {COLUMNS}"
END = f"DELETE FROM sessions WHERE id = ? RETURNING {COLUMNS}"
END_BY_DIGEST = f"DELETE FROM sessions WHERE digest = ? RETURNING {COLUMNS}"
END_OLDEST = f"""
    DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user_id = ? AND audience IS NULL
      ORDER BY id DESC LIMIT ? OFFSET ?) RETURNING {COLUMNS}"""
END_OTHERS = f"DELETE FROM sessions WHERE user_id = ? AND id != ? RETURNING {COLUMNS}"
END_ALL = Statement(
    "DELETE FROM sessions WHERE user_id = ?",
    together="DELETE FROM sessions WHERE user_id = ANY(CAST(? AS text[]))",
)
END_ALL_BUT = "DELETE FROM sessions WHERE user_id = ? AND id <> ?"
END_THAT_GO_BACK_TO = Statement(
    """
    DELETE FROM sessions WHERE id IN (SELECT sessions.id FROM lineages
      JOIN sessions ON sessions.lineage = lineages.lineage WHERE lineages.user_id = ?)""",
    together=EACH,
)
END_FOR_ROLE = Statement(f"{END_THAT_GO_BACK_TO} AND user_id IN (SELECT id FROM users WHERE role = ?)", together=EACH)
AT_ONCE = 50
_THESE = ", ".join("?" * AT_ONCE)
IN_USE = f"""
    SELECT id FROM sessions WHERE user_id IN ({_THESE}) AND {_LIVE} AND {_WORKS}
    UNION SELECT sessions.id FROM lineages JOIN sessions ON sessions.lineage = lineages.lineage
      WHERE lineages.user_id IN ({_THESE}) AND {_LIVE} AND {_WORKS}"""
END_ACTING = Statement("DELETE FROM sessions WHERE acted_by = ?", together=EACH)
OLD = """
    SELECT id FROM (SELECT id FROM sessions WHERE audience IS NULL AND created_at <= ?
      ORDER BY created_at LIMIT ?) AS oldest
    UNION SELECT id FROM (SELECT id FROM sessions WHERE audience IS NULL AND last_seen_at <= ?
      ORDER BY last_seen_at LIMIT ?) AS idle
    UNION SELECT id FROM (SELECT id FROM sessions WHERE audience IS NOT NULL AND refresh_expires_at <= ?
      ORDER BY refresh_expires_at LIMIT ?) AS page"""
FORGET = "DELETE FROM sessions WHERE id = ?"


async def add(
    tx: Tx,
    digest: bytes,
    user_id: str,
    address: str,
    user_agent: str,
    created_by: str | None,
    lineage: str | None,
    methods: str | None,
    acting: Acting | None = None,
) -> Session:
    """Its user has signed in, or somebody acts as them."""
    now = clock.now()
    agent = user_agent[:USER_AGENT_LENGTH]
    origin = created_by, lineage, methods, *(acting or NO_ONE)
    row = await tx.one(ADD, ids.new("ses"), digest, user_id, now, now, address, agent, *origin)
    assert row is not None  # RETURNING
    return Session._make(row)


async def find(queries: Queries, digest: bytes, lifetime: Lifetime) -> Session | None:
    """The session with this cookie, unless it has ended or goes back to a user who is suspended."""
    row = await queries.one(BY_DIGEST, digest)
    if row is None:
        return None
    session = Session._make(row)
    return session if session.audience is None and lifetime.includes(session, clock.now()) else None


async def get(queries: Queries, id: str) -> Session:
    """Raises NotFound."""
    return Session._make(await existing(queries, BY_ID, id))


async def working(queries: Queries, id: str) -> Session | None:
    """The session, unless it was ended, goes back to a user who is suspended, or somebody could act in it only until
    now."""
    row = await queries.one(WORKING, id)
    session = None if row is None else Session._make(row)
    return None if session is None or session.has_expired(clock.now()) else session


async def of_user(
    queries: Queries,
    user_id: str,
    lifetime: Lifetime,
    limit: int,
    offset: int = 0,
    audiences: Collection[str] | None = None,
) -> list[Session]:
    """A user's sessions that have not ended, newest first; those for `audiences`, unless that is None."""
    now = clock.now()
    sql, whose = (OF_USER, []) if audiences is None else (OF_USER_FOR, _padded(audiences))
    rows = await queries.all(sql, user_id, *lifetime.oldest(now), now, *whose, limit, offset)
    return [Session._make(row) for row in rows]


async def held(queries: Queries, user_id: str, after: str, limit: int) -> list[Session]:
    """All that there are of a user, oldest first, from the one after this id on; also those that have ended by
    themselves and have not been dropped yet."""
    return [Session._make(row) for row in await queries.all(HELD, user_id, after, limit)]


async def count(queries: Queries, user_id: str, lifetime: Lifetime, audiences: Collection[str] | None = None) -> int:
    now = clock.now()
    sql, whose = (COUNT, []) if audiences is None else (COUNT_FOR, _padded(audiences))
    return await scalar(queries, sql, user_id, *lifetime.oldest(now), now, *whose)


async def in_use(queries: Queries, user_ids: Sequence[str], lifetime: Lifetime) -> set[str]:
    """IDs of the sessions of these users, and of those that go back to them."""
    now, session_ids = clock.now(), set[str]()
    for part in in_parts(user_ids, AT_ONCE):
        values = *part, *lifetime.oldest(now), now
        session_ids |= {row[0] for row in await queries.all(IN_USE, *values, *values)}
    return session_ids


def _padded(audiences: Collection[str]) -> list[str]:
    return [*audiences, *[""] * (MAX_AUDIENCES - len(audiences))]


async def seen(tx: Tx, times: Iterable[tuple[str, int]]) -> None:
    """Note when these sessions were last seen."""
    await tx.many(SEEN, [(at, id, at) for id, at in sorted(times)])


async def proven(tx: Tx, id: str, digest: bytes) -> Session | None:
    """Note that the person of the session has just proven who they are. From now on, only the cookie with this digest
    is that of the session. None if it has ended."""
    row = await tx.one(PROVEN, digest, clock.now(), id)
    return None if row is None else Session._make(row)


async def end(tx: Tx, id: str) -> Session:
    """The session no longer signs anyone in. Raises NotFound."""
    return Session._make(await existing(tx, END, id))


async def end_by_digest(tx: Tx, digest: bytes) -> Session | None:
    """The session with this cookie, which ends, if there is one."""
    row = await tx.one(END_BY_DIGEST, digest)
    return None if row is None else Session._make(row)


async def end_oldest(tx: Tx, user_id: str, keep: int, limit: int) -> list[Session]:
    """End all of a user in the dashboard but the `keep` newest, up to `limit` at a time. Returns those that ended."""
    return [Session._make(row) for row in await tx.all(END_OLDEST, user_id, limit, keep)]


async def end_others(tx: Tx, user_id: str, keep: str, lifetime: Lifetime) -> list[Session]:
    """End all of a user but `keep`. Returns those that had not ended by themselves, newest first."""
    now = clock.now()
    ended = [Session._make(row) for row in await tx.all(END_OTHERS, user_id, keep)]
    return sorted(
        (session for session in ended if lifetime.includes(session, now)), key=lambda session: session.id, reverse=True
    )


async def end_all(tx: Tx, user_id: str) -> None:
    """Part of a larger change, which has its own event."""
    await tx.run(END_ALL, user_id)


async def end_all_but(tx: Tx, user_id: str, keep: str | None) -> None:
    """End all of a user but `keep`, as part of a larger change, which has its own event."""
    await tx.run(END_ALL_BUT, user_id, keep or "")


async def end_that_go_back_to(tx: Tx, user_id: str, role: str | None = None) -> None:
    """End the sessions of others, or of others with this role, that go back to a user, as part of a larger change."""
    if role is None:
        await tx.run(END_THAT_GO_BACK_TO, user_id)
    else:
        await tx.run(END_FOR_ROLE, user_id, role)


async def end_acting(tx: Tx, user_id: str) -> None:
    """End the sessions in which this user acts as others, as part of a larger change."""
    await tx.run(END_ACTING, user_id)


async def old(queries: Queries, lifetime: Lifetime, limit: int) -> list[str]:
    """Sessions that have ended by themselves."""
    now = clock.now()
    created, seen = lifetime.oldest(now)
    return [row[0] for row in await queries.all(OLD, created, limit, seen, limit, now, limit)]


async def forget(tx: Tx, ended: list[str]) -> None:
    await tx.many(FORGET, [(id,) for id in ended])
