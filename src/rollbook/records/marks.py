"""Small rows that the servers on one database share: the auth version, leases of jobs, high-water marks of jobs, and
the fingerprint of the server's secret.

Every change to keys or users counts the auth version up, which invalidates each worker's cached callers. A lease says
which of several servers on one PostgreSQL runs a job, until when by the database's clock: a server that dies or is cut
off loses it at that time; no one needs to notice. A high-water mark, such as that of retention in the event log, only
rises until the job begins again.
"""

from __future__ import annotations

from rollbook import clock
from rollbook.records.dialect import dialect
from rollbook.storage.database import LOOK_UP, Queries, Statement, Tx, first, scalar

AUTH_VERSION_CHANNEL = "auth_version"
BUMP_AUTH_VERSION = Statement(
    "UPDATE access SET version = version + 1", together="UPDATE access SET version = version + 1"
)
AUTH_VERSION = "SELECT version FROM access"


async def bump_auth_version(tx: Tx) -> None:
    """Count up; called by every change of a key, or of a user's role, status, limit or existence."""
    await tx.run(BUMP_AUTH_VERSION)
    tx.notify(AUTH_VERSION_CHANNEL)


async def auth_version(queries: Queries) -> int:
    return await scalar(queries, AUTH_VERSION)


LEASE_SECONDS = 10
"""Seconds that a lease lasts beyond the pause of its job, unless it is renewed."""

TAKE_LEASE = """
    INSERT INTO leases (name, holder, until) VALUES (?, ?, clock_timestamp() + make_interval(secs => ?))
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE leases.holder = excluded.holder OR leases.until < clock_timestamp()"""
DATABASE_NOW = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
GIVE_BACK_LEASES = "DELETE FROM leases WHERE holder = ?"


async def take_lease(tx: Tx, name: str, holder: str, seconds: float) -> bool:
    """Take or renew it for so many seconds. False when another server has it."""
    return await tx.run(TAKE_LEASE, name, holder, seconds) > 0


async def give_back_leases(tx: Tx, holder: str) -> None:
    """All that this server has."""
    await tx.run(GIVE_BACK_LEASES, holder)


async def database_now(queries: Queries) -> int:
    """Return the time by the database's clock, on which all of its servers agree, in microseconds since 1970. On
    SQLite, the machine's. In a transaction, too, it is the time of this call."""
    if not dialect(queries).is_shared:
        return clock.now()
    return await scalar(queries, DATABASE_NOW)


GET = Statement("SELECT number FROM marks WHERE name = ?", together=LOOK_UP)
LOCK = Statement(GET, locks=True)
ADVANCE = """
    INSERT INTO marks (name, number) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET number = excluded.number WHERE marks.number < excluded.number"""

FORGET = "DELETE FROM marks WHERE name = ?"


async def get(queries: Queries, name: str) -> int:
    """0 if it was never set."""
    return await first(queries, GET, name) or 0


async def lock(tx: Tx, name: str) -> int:
    """Lock the position and read it, to advance it: others who do so wait."""
    return await first(tx, LOCK, name) or 0


async def advance(tx: Tx, name: str, number: int) -> None:
    await tx.run(ADVANCE, name, number)


async def forget(tx: Tx, *names: str) -> None:
    """Begin again."""
    await tx.many(FORGET, [(name,) for name in names])


FINGERPRINT = "SELECT fingerprint FROM server_secret"
ADD = "INSERT INTO server_secret VALUES (1, ?) ON CONFLICT DO NOTHING"
KEEP = 'INSERT INTO server_secret VALUES (1, ?) ON CONFLICT ("only") DO UPDATE SET fingerprint = excluded.fingerprint'


async def kept_fingerprint(queries: Queries) -> bytes | None:
    fingerprint = await first(queries, FINGERPRINT)
    return None if fingerprint is None else bytes(fingerprint)


async def kept_fingerprint_or(tx: Tx, own: bytes) -> bytes:
    """The one that is kept; if there is none, `own` is from now on."""
    await tx.run(ADD, own)
    return await kept_fingerprint(tx) or own


async def keep_fingerprint(tx: Tx, own: bytes) -> None:
    """Replace it."""
    await tx.run(KEEP, own)
