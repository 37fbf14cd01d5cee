"""Second factors, authenticator apps and passkeys, the recovery codes of those who have one, and since when people who
need one have had time to set it up. The secret of an app is encrypted; recovery codes are stored by digest. A challenge
is what somebody has begun and ends with a second factor, such as a sign-in with the right password: it works once and
for five minutes, and is known by digest."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from rollbook import clock, ids
from rollbook.errors import NotFound
from rollbook.records.presenting import Hidden, Time, presenter
from rollbook.storage.database import Queries, Row, Statement, Tx, first, scalar

TOTP, PASSKEY = "totp", "passkey"
UNCONFIRMED = clock.HOUR
"""The time that a factor waits to be activated, in microseconds."""


class SecondFactor(NamedTuple):
    """A second factor as we keep it. Nothing that proves it is ever shown."""

    id: str
    user_id: str
    kind: str
    name: str
    created_at: Time
    confirmed_at: Time | None = None
    """The time when it was activated; None: it is not asked for yet."""
    last_used_at: Time | None = None
    secret: Hidden[bytes | None] = None
    last_step: Hidden[int | None] = None
    """Step of the last code of an app: only later ones are accepted."""
    credential_id: Hidden[bytes | None] = None
    public_key: Hidden[bytes | None] = None
    sign_count: Hidden[int | None] = None
    transports: Hidden[str | None] = None
    vouched: Hidden[int] = 0
    """1: set by an admin or an import, who know whose it is."""


public = presenter(SecondFactor)
"""All that may be seen of a second factor."""

COLUMNS = ", ".join(SecondFactor._fields)

HAS = "SELECT 1 FROM second_factors WHERE user_id = ? AND confirmed_at IS NOT NULL LIMIT 1"
HAS_VOUCHED = "SELECT 1 FROM second_factors WHERE user_id = ? AND confirmed_at IS NOT NULL AND vouched = 1 LIMIT 1"
OF_USER = f"SELECT {COLUMNS} FROM second_factors WHERE user_id = ? ORDER BY id"
HELD = f"SELECT {COLUMNS} FROM second_factors WHERE user_id = ? AND id > ? ORDER BY id LIMIT ?"
BY_ID = Statement(f"SELECT {COLUMNS} FROM second_factors WHERE id = ?", locks=True)
BY_CREDENTIAL = f"SELECT {COLUMNS} FROM second_factors WHERE credential_id = ?"
ADD = f"INSERT INTO second_factors ({COLUMNS}) VALUES ({', '.join('?' * len(SecondFactor._fields))})"
ACTIVATE = f"""
    UPDATE second_factors SET confirmed_at = ?, last_used_at = ?, last_step = ?
    WHERE id = ? AND confirmed_at IS NULL RETURNING {COLUMNS}"""
USE = """
    UPDATE second_factors SET last_step = ?, last_used_at = ?
    WHERE id = ? AND confirmed_at IS NOT NULL AND coalesce(last_step, -1) < ?"""
USE_PASSKEY = """
    UPDATE second_factors SET sign_count = ?, last_used_at = ?
    WHERE id = ? AND (sign_count < ? OR (sign_count = 0 AND ? = 0))"""
RENAME = "UPDATE second_factors SET name = ? WHERE id = ? AND user_id = ?"
COUNT = "SELECT count(*) FROM second_factors WHERE user_id = ?"
REMOVE = f"DELETE FROM second_factors WHERE id = ? RETURNING {COLUMNS}"
REMOVE_UNCONFIRMED = "DELETE FROM second_factors WHERE user_id = ? AND kind = 'totp' AND confirmed_at IS NULL"
REMOVE_ALL = f"DELETE FROM second_factors WHERE user_id = ? RETURNING {COLUMNS}"
OLD = "SELECT id FROM second_factors WHERE confirmed_at IS NULL AND created_at <= ? ORDER BY created_at LIMIT ?"
FORGET = "DELETE FROM second_factors WHERE id = ? AND confirmed_at IS NULL"
SEALED_AFTER = "SELECT id, secret FROM second_factors WHERE id > ? AND secret IS NOT NULL ORDER BY id LIMIT ?"
SEAL_AGAIN = "UPDATE second_factors SET secret = ? WHERE id = ? AND secret = ?"

ADD_CODE = "INSERT INTO recovery_codes (user_id, digest, created_at) VALUES (?, ?, ?)"
HAS_CODE = "SELECT 1 FROM recovery_codes WHERE user_id = ? AND digest = ?"
USE_CODE = "DELETE FROM recovery_codes WHERE user_id = ? AND digest = ?"
COUNT_CODES = "SELECT count(*) FROM recovery_codes WHERE user_id = ?"
REMOVE_CODES = "DELETE FROM recovery_codes WHERE user_id = ?"


def new(user_id: str, kind: str, name: str) -> SecondFactor:
    """A factor to `add`, which is not active yet."""
    return SecondFactor(ids.new("fac"), user_id, kind, name, clock.now())


async def has(queries: Queries, user_id: str) -> bool:
    """Test whether this user has an active factor: a password alone doesn't sign them in."""
    return await queries.one(HAS, user_id) is not None


async def has_vouched(queries: Queries, user_id: str) -> bool:
    """Test whether an active one was set by an admin or an import."""
    return await queries.one(HAS_VOUCHED, user_id) is not None


async def of_user(queries: Queries, user_id: str) -> list[SecondFactor]:
    """A user's factors, oldest first, with those that are not active yet."""
    return _made(await queries.all(OF_USER, user_id))


async def held(queries: Queries, user_id: str, after: str, limit: int) -> list[SecondFactor]:
    """A user's factors from the one after this ID on."""
    return _made(await queries.all(HELD, user_id, after, limit))


async def get(queries: Queries, user_id: str, id: str) -> SecondFactor:
    """A factor of this user. Raises NotFound."""
    row = await queries.one(BY_ID, id)
    if row is None or (factor := SecondFactor._make(row)).user_id != user_id:
        raise NotFound()
    return factor


async def by_credential(queries: Queries, credential_id: bytes) -> SecondFactor | None:
    """The passkey with this ID, of any user."""
    row = await queries.one(BY_CREDENTIAL, credential_id)
    return None if row is None else SecondFactor._make(row)


async def count(queries: Queries, user_id: str) -> int:
    return await scalar(queries, COUNT, user_id)


async def add(tx: Tx, factor: SecondFactor) -> None:
    """Raises Duplicate for a passkey that somebody has."""
    await tx.run(ADD, *factor)


async def add_many(tx: Tx, factors: Iterable[SecondFactor]) -> None:
    await tx.many(ADD, factors)


async def activate(tx: Tx, id: str, step: int) -> SecondFactor | None:
    """From now on, it is asked for. None if it was activated or removed meanwhile."""
    now = clock.now()
    row = await tx.one(ACTIVATE, now, now, step, id)
    return None if row is None else SecondFactor._make(row)


async def use(tx: Tx, id: str, step: int) -> bool:
    """Use up the code of this step. False if it, or a later one, was used before: exactly one of several wins."""
    return bool(await tx.run(USE, step, clock.now(), id, step))


async def use_passkey(tx: Tx, id: str, sign_count: int) -> bool:
    """Note its new counter. False if that has not risen, as that of a copy, or if the passkey was removed. Those that
    are synced count nothing: their counter stays 0."""
    return bool(await tx.run(USE_PASSKEY, sign_count, clock.now(), id, sign_count, sign_count))


async def rename(tx: Tx, user_id: str, id: str, name: str) -> None:
    """Raises NotFound."""
    if not await tx.run(RENAME, name, id, user_id):
        raise NotFound()


async def remove(tx: Tx, id: str) -> SecondFactor:
    """Raises NotFound."""
    row = await tx.one(REMOVE, id)
    if row is None:
        raise NotFound()
    return SecondFactor._make(row)


async def remove_unconfirmed(tx: Tx, user_id: str) -> None:
    """An app that was not activated makes room for another one."""
    await tx.run(REMOVE_UNCONFIRMED, user_id)


async def remove_all(tx: Tx, user_id: str) -> list[SecondFactor]:
    """All of a user, and their recovery codes. Returns the factors."""
    await tx.run(REMOVE_CODES, user_id)
    return _made(await tx.all(REMOVE_ALL, user_id))


async def old(queries: Queries, limit: int) -> list[str]:
    """IDs of factors that no one has activated in time."""
    return [row[0] for row in await queries.all(OLD, clock.now() - UNCONFIRMED, limit)]


async def forget(tx: Tx, old: list[str]) -> None:
    await tx.many(FORGET, [(id,) for id in old])


async def sealed_after(queries: Queries, id: str, limit: int) -> list[tuple[str, bytes]]:
    """IDs and encrypted secrets of the factors after this ID."""
    return [(row[0], bytes(row[1])) for row in await queries.all(SEALED_AFTER, id, limit)]


async def seal_again(tx: Tx, changed: Iterable[tuple[bytes, str, bytes]]) -> None:
    """Store secrets encrypted again, with their factors' IDs and former forms."""
    await tx.many(SEAL_AGAIN, changed)


def _made(rows: Iterable[Row]) -> list[SecondFactor]:
    return [SecondFactor._make(row) for row in rows]


# ---- recovery codes


async def set_codes(tx: Tx, user_id: str, digests: Iterable[bytes]) -> None:
    """Instead of those the user had."""
    await tx.run(REMOVE_CODES, user_id)
    now = clock.now()
    await tx.many(ADD_CODE, [(user_id, digest, now) for digest in digests])


async def has_code(queries: Queries, user_id: str, digest: bytes) -> bool:
    return await first(queries, HAS_CODE, user_id, digest) is not None


async def use_code(tx: Tx, user_id: str, digest: bytes) -> bool:
    """Use a recovery code up. False if it was used before."""
    return bool(await tx.run(USE_CODE, user_id, digest))


async def count_codes(queries: Queries, user_id: str) -> int:
    """Recovery codes that the user has left."""
    return await scalar(queries, COUNT_CODES, user_id)


async def remove_codes(tx: Tx, user_id: str) -> None:
    await tx.run(REMOVE_CODES, user_id)


GRACE_BEGAN = "SELECT began_at FROM second_factor_grace WHERE user_id = ?"
BEGIN_GRACE = "INSERT INTO second_factor_grace (user_id, began_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
FORGET_GRACE = "DELETE FROM second_factor_grace WHERE user_id = ?"


async def grace_began(queries: Queries, user_id: str) -> int | None:
    """The time it began; None if they have not signed in since they need one."""
    return await first(queries, GRACE_BEGAN, user_id)


async def begin_grace(tx: Tx, user_id: str) -> None:
    """From now on, unless it has begun already."""
    await tx.run(BEGIN_GRACE, user_id, clock.now())


async def forget_grace(tx: Tx, user_id: str) -> None:
    await tx.run(FORGET_GRACE, user_id)


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


ADD_CHALLENGE = (
    "INSERT INTO challenges (digest, user_id, purpose, data, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)"
)
FIND_CHALLENGE = "SELECT user_id, purpose, data FROM challenges WHERE digest = ? AND purpose = ? AND expires_at > ?"
TAKE_CHALLENGE = (
    "DELETE FROM challenges WHERE digest = ? AND purpose = ? AND expires_at > ? RETURNING user_id, purpose, data"
)
END_OLDEST_CHALLENGES = """
    DELETE FROM challenges WHERE digest IN
      (SELECT digest FROM challenges WHERE user_id = ? AND purpose = ? ORDER BY created_at DESC, digest
       LIMIT 100 OFFSET ?)"""
END_CHALLENGES = Statement(
    f"DELETE FROM challenges WHERE user_id = ? AND purpose <> '{USED}'",
    together=f"DELETE FROM challenges WHERE user_id = ANY(CAST(? AS text[])) AND purpose <> '{USED}'",
)
NOTE_END = f"""{ADD_CHALLENGE}
    ON CONFLICT (digest) DO UPDATE SET created_at = excluded.created_at, expires_at = excluded.expires_at"""
ENDED_AT = "SELECT created_at FROM challenges WHERE digest = ?"
ANY_OLD = "SELECT 1 FROM challenges WHERE expires_at <= ? LIMIT 1"
EXPIRE = "DELETE FROM challenges WHERE expires_at <= ?"


async def add_challenge(tx: Tx, digest: bytes, user_id: str, purpose: str, data: str = "") -> None:
    """Raises Duplicate."""
    now = clock.now()
    await tx.run(ADD_CHALLENGE, digest, user_id, purpose, data, now, now + VALID)


async def end_oldest_challenges(tx: Tx, user_id: str, purpose: str) -> None:
    """End all of a user but the MAX_OPEN newest."""
    await tx.run(END_OLDEST_CHALLENGES, user_id, purpose, MAX_OPEN)


async def find_challenge(queries: Queries, digest: bytes, purpose: str) -> Challenge | None:
    """The challenge, unless it was taken, ended or has expired."""
    return _challenge(await queries.one(FIND_CHALLENGE, digest, purpose, clock.now()))


async def take_challenge(tx: Tx, digest: bytes, purpose: str) -> Challenge | None:
    """Take the challenge, unless it was taken, ended or has expired: exactly one of several callers has it."""
    return _challenge(await tx.one(TAKE_CHALLENGE, digest, purpose, clock.now()))


def _challenge(row: Row | None) -> Challenge | None:
    return None if row is None else Challenge._make(row)


async def end_challenges(tx: Tx, user_id: str) -> None:
    """End all challenges of a user: what they were begun with, such as a password, has changed."""
    await tx.run(END_CHALLENGES, user_id)


async def end_begun_challenges(tx: Tx, user_id: str) -> None:
    """End all challenges of a user, also those of passkeys, which are not stored: see `ended_at`."""
    await end_challenges(tx, user_id)
    now = clock.now()
    await tx.run(NOTE_END, _digest_of_end(user_id), "", ENDED, "", now, now + VALID)


async def challenges_ended_at(queries: Queries, user_id: str) -> int:
    """The time when `end_begun` last ended this user's challenges; 0 if all from before have expired by now."""
    return await first(queries, ENDED_AT, _digest_of_end(user_id)) or 0


def _digest_of_end(user_id: str) -> bytes:
    return sha256(f"{ENDED} {user_id}".encode()).digest()


async def has_expired_challenges(queries: Queries) -> bool:
    return await queries.one(ANY_OLD, clock.now()) is not None


async def expire_challenges(tx: Tx) -> None:
    await tx.run(EXPIRE, clock.now())
