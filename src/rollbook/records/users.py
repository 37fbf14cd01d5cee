"""Users: what a user is, what may happen to one, and the SQL that keeps it so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from rollbook import clock, ids
from rollbook.errors import EMAIL_FOR_ID, EmailTaken, ExternalIdTaken, NotFound
from rollbook.records import marks, password_parameters, rules, unique_keys, usage, user_dates
from rollbook.records.dialect import dialect
from rollbook.records.presenting import Flag, Hidden, Json, PrivateJson, Time, presenter
from rollbook.storage.database import (
    EACH,
    LOOK_UP,
    Duplicate,
    Queries,
    Row,
    Statement,
    Tx,
    existing,
    first,
    in_parts,
    scalar,
)


class User(NamedTuple):
    """A user as stored, without the password hash. The defaults are those of a new user."""

    seq: Hidden[int]
    id: str
    name: str
    email: str
    kind: str = "person"
    role: str = "member"
    status: str = "active"
    external_id: str | None = None
    metadata: Json = "{}"
    private_metadata: PrivateJson = "{}"
    email_verified: Flag = False
    rate_limit: str | None = None
    ends_at: Time | None = None
    last_active_at: Time | None = None
    status_since: Hidden[int | None] = None
    """Time of the last change of the status. None: it has never changed."""
    email_asserted: Hidden[int] = 0
    """1: an import, an identity provider or an adoption has given them this email, whether it is verified or not."""
    version: Hidden[int] = 1
    # The times stay last: `imports` knows them only when it writes.
    created_at: Time = 0
    updated_at: Time = 0
    last_sign_in_at: Time | None = None


public = presenter(User)
"""A user as they may see themselves."""
complete = presenter(User, with_private=True)
"""A user as callers who read all users may see them: in events, exports and full answers."""


@lru_cache(maxsize=256)
def public_part(names: frozenset[str]) -> Callable[[User], dict[str, Any]]:
    """A function to what may be seen of these fields of a user, by those who read all users."""
    return presenter(User, names, with_private=True)


METADATA = ("metadata", "private_metadata")
"""Fields that hold a JSON object, of which keys are changed one by one."""
AT_ONCE = 100
"""Users of a statement."""
COLUMNS = ", ".join(User._fields)
KEPT = (*User._fields, "email_key", "password_hash")
"""All columns, but those of one engine."""

BY_ID = Statement(
    f"SELECT {COLUMNS} FROM users WHERE id = ?",
    locks=True,
    together=f"""
        SELECT number, users.* FROM unnest(CAST(? AS text[])) WITH ORDINALITY AS writes(user_id, number),
        LATERAL (SELECT {COLUMNS} FROM users WHERE id = user_id FOR UPDATE) AS users""",
)
BY_EMAIL_KEY = f"SELECT {COLUMNS} FROM users WHERE email_key = ?"
BY_EXTERNAL_ID = f"SELECT {COLUMNS} FROM users WHERE external_id = ?"
SIGN_IN = Statement(f"SELECT {COLUMNS}, password_hash FROM users WHERE email_key = ?", locks=True)
PASSWORD_HASH = Statement("SELECT password_hash FROM users WHERE id = ?", locks=True, together=LOOK_UP)
SET_PASSWORD = "UPDATE users SET password_hash = ?, version = version + 1, updated_at = ? WHERE id = ?"
REQUIRE_NEW_PASSWORD = """
    INSERT INTO new_passwords (user_id) SELECT id FROM users WHERE id = ? AND password_hash IS NOT NULL
    ON CONFLICT DO NOTHING"""
NEEDS_NEW_PASSWORD = "SELECT 1 FROM new_passwords WHERE user_id = ?"
HAS_NEW_PASSWORD = "DELETE FROM new_passwords WHERE user_id = ?"
REMOVE_PASSWORD = "UPDATE users SET password_hash = NULL, version = version + 1, updated_at = ? WHERE id = ?"
ASSERT_EMAIL = Statement("UPDATE users SET email_asserted = 1 WHERE id = ?", together=EACH)
UNPROVEN = f"""
    SELECT u.id FROM users AS u
    WHERE u.email_verified = 0 AND u.email_asserted = 0 AND u.kind = 'person'
      AND u.id IN ({", ".join("?" * AT_ONCE)})
      AND (u.password_hash IS NOT NULL
        OR EXISTS (SELECT 1 FROM second_factors AS f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL)
        OR EXISTS (SELECT 1 FROM keys AS k WHERE k.user_id = u.id AND k.revoked_at IS NULL))"""
RENEW_HASH = "UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?"
SIGNED_IN = f"""
    UPDATE users SET last_sign_in_at = ?, version = version + 1,
      last_active_at = CASE WHEN coalesce(last_active_at,0) < ? THEN ? ELSE last_active_at END
    WHERE id = ? RETURNING {COLUMNS}"""
# No new version: whoever reads a user again and again would else change them by that.
ACTIVE = "UPDATE users SET last_active_at = ? WHERE id = ? AND coalesce(last_active_at,0) < ?"
USES = f"SELECT id, user_id FROM {{}} WHERE id IN ({', '.join('?' * AT_ONCE)})"
DUE = """
    SELECT id FROM users WHERE ends_at <= ? AND ends_at IS NOT NULL AND status <> 'suspended'
    ORDER BY ends_at LIMIT ?"""
TWO_OWNERS = Statement(
    "SELECT id FROM users WHERE role = 'owner' AND status = 'active' ORDER BY seq LIMIT 2", locks=True
)
ROLE = Statement("SELECT role FROM users WHERE id = ?", together=LOOK_UP)
FIRST_OWNER = Statement("SELECT id FROM users WHERE role = 'owner' ORDER BY seq LIMIT 1", locks=True)
OWNERS = "SELECT count(*) FROM users WHERE role = 'owner' AND status = 'active'"
OLDEST_OWNER = "SELECT email, password_hash IS NOT NULL, id FROM users WHERE role = 'owner' ORDER BY seq LIMIT 1"
REMOVE = Statement("DELETE FROM users WHERE id = ?", together=EACH)
LOCK = Statement("SELECT id FROM users WHERE id = ANY(CAST(? AS text[])) ORDER BY seq", locks=True)
BOTH = Statement("SELECT id FROM users WHERE id IN (?, ?) ORDER BY seq", locks=True, together=LOOK_UP)
DELETED = Statement(f"SELECT {COLUMNS}, deleted_at FROM deleted_users WHERE id = ?", locks=True, together=LOOK_UP)
RESTORED = Statement(
    f"UPDATE users SET version = version + 1, updated_at = ? WHERE id = ? RETURNING {COLUMNS}", together=EACH
)
NOTE_PURGED = "INSERT INTO purged_users (id) VALUES (?) ON CONFLICT DO NOTHING"
ERASE = Statement("DELETE FROM deleted_users WHERE id = ? RETURNING seq", together=EACH)
LATELY_DELETED = f"""
    SELECT {COLUMNS}, deleted_at FROM deleted_users WHERE (deleted_at, seq) < (?, ?) AND deleted_at >= ?
    ORDER BY deleted_at DESC, seq DESC LIMIT ?"""
COUNT_LATELY_DELETED = "SELECT count(*) FROM (SELECT 1 FROM deleted_users WHERE deleted_at >= ? LIMIT ?) AS few"
APPLICATIONS = f"SELECT id FROM users WHERE kind = 'application' AND id IN ({', '.join('?' * AT_ONCE)})"
NAME = "SELECT name FROM users WHERE id = ? UNION ALL SELECT name FROM deleted_users WHERE id = ?"
MAX_NAMES = 100
"""IDs whose names one statement reads."""
_NAMES = f"WHERE id IN ({', '.join('?' * MAX_NAMES)})"
NAMES = f"SELECT id, name FROM users {_NAMES} UNION ALL SELECT id, name FROM deleted_users {_NAMES}"
EMAILS = f"SELECT id, email FROM users {_NAMES} UNION ALL SELECT id, email FROM deleted_users {_NAMES}"
EXPIRED = "SELECT id FROM deleted_users WHERE deleted_at < ? ORDER BY deleted_at LIMIT ?"

# Rows of usage erased together with the user. The rest follows within minutes, so that other writes don't wait.
MAX_ERASED = 256


_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def without_private(document: str) -> str:
    """A user that is kept as JSON, with what they may see of themselves."""
    if '"private_metadata"' not in document:
        return document
    return _encode({name: value for name, value in _raw(document).items() if name != "private_metadata"}).decode()


async def by_id(queries: Queries, id: str) -> User | None:
    row = await queries.one(BY_ID, id)
    return User._make(row) if row else None


async def get(queries: Queries, id: str) -> User:
    """The user. Raises NotFound."""
    row = await queries.one(BY_ID, id)
    if row is None:
        raise NotFound(EMAIL_FOR_ID if "@" in id else None)
    return User._make(row)


async def by_email(queries: Queries, email: str) -> User | None:
    row = await queries.one(BY_EMAIL_KEY, rules.email_key(email))
    return User._make(row) if row else None


async def by_external_id(queries: Queries, external_id: str) -> User | None:
    row = await queries.one(BY_EXTERNAL_ID, external_id)
    return User._make(row) if row else None


async def sign_in(queries: Queries, email: str) -> tuple[User | None, str | None]:
    """The user with this address and the hash of its password."""
    row = await queries.one(SIGN_IN, rules.email_key(email))
    return (User._make(row[:-1]), row[-1]) if row else (None, None)


async def password_hash(queries: Queries, id: str) -> str | None:
    return await first(queries, PASSWORD_HASH, id)


def new(name: str, email: str, **fields: Any) -> User:
    """A user to `add`, which sets `seq` and the times. `name`, `email` have passed `rules`."""
    return User(0, ids.new("user"), name, email, **fields)


async def add(tx: Tx, new: User, password_hash: str | None = None) -> User:
    """Without a password, the user can't sign in yet. Raises EmailTaken, ExternalIdTaken: the unique index decides, so
    that races are safe."""
    on = dialect(tx)
    seq, now = await on.user_counts.assign(tx, clock.now())
    user, email_key = new._replace(seq=seq, created_at=now, updated_at=now), rules.email_key(new.email)
    row = {
        **user._asdict(),
        "email_key": email_key,
        "password_hash": password_hash,
        **on.user_search.columns(user.name, user.email),
    }
    try:
        await unique_keys.change(tx, user.id, after=(email_key, user.external_id))
        await tx.run(_add(tuple(row)), *row.values())
    except Duplicate as refused:
        raise _taken(refused) from None
    await on.user_counts.adjust(tx, (seq,), +1)
    await on.user_search.changed(tx, (seq,))
    if password_hash is not None:
        await password_parameters.note(tx, password_hash)
    return user


async def expect(tx: Tx, how_many: int) -> None:
    """Announce that so many calls of `add` follow. To be asked first in a write: then numbering them costs one commit,
    not one for each."""
    if how_many > 1:
        await dialect(tx).user_counts.reserve(tx, clock.now(), how_many)


async def change(tx: Tx, user: User, changed: Mapping[str, Any]) -> User:
    """Set these columns of a user. Raises EmailTaken, ExternalIdTaken."""
    on = dialect(tx)
    after = user._replace(**changed, version=user.version + 1, updated_at=clock.now())
    columns = dict(changed)
    if "email" in changed and rules.email_key(after.email) != rules.email_key(user.email):
        columns["email_asserted"] = 0
        after = after._replace(email_asserted=0)
    if "status" in changed:
        columns["status_since"] = after.updated_at
        after = after._replace(status_since=after.updated_at)
    is_renamed = "name" in changed or "email" in changed
    if "email" in changed:
        columns["email_key"] = rules.email_key(after.email)
    if is_renamed:
        columns |= on.user_search.columns(after.name, after.email)
    try:
        if "email" in changed or "external_id" in changed:
            await unique_keys.change(
                tx,
                user.id,
                (rules.email_key(user.email), user.external_id),
                (rules.email_key(after.email), after.external_id),
            )
        await tx.run(_update(tuple(columns)), *columns.values(), after.updated_at, user.id)
    except Duplicate as refused:
        raise _taken(refused) from None
    if is_renamed:
        await on.user_search.changed(tx, (user.seq,))
    if not changed.keys().isdisjoint(("role", "status", "rate_limit")):
        await marks.bump_auth_version(tx)
    return after


async def set_password(tx: Tx, id: str, hash: str) -> User:
    """Raises NotFound."""
    if not await tx.run(SET_PASSWORD, hash, clock.now(), id):
        raise NotFound()
    await password_parameters.note(tx, hash)
    await tx.run(HAS_NEW_PASSWORD, id)
    return await get(tx, id)


async def require_new_password(tx: Tx, id: str) -> bool:
    """Whoever has a password can't sign in with it until it is another one. Returns whether that is new."""
    return await tx.run(REQUIRE_NEW_PASSWORD, id) > 0


async def needs_new_password(queries: Queries, id: str) -> bool:
    return await first(queries, NEEDS_NEW_PASSWORD, id) is not None


async def remove_password(tx: Tx, id: str) -> None:
    await tx.run(REMOVE_PASSWORD, clock.now(), id)


async def assert_email(tx: Tx, id: str) -> None:
    """Note that whoever is trusted to know has given this user the email that they have."""
    await tx.run(ASSERT_EMAIL, id)


async def unproven(queries: Queries, ids: Sequence[str]) -> set[str]:
    """IDs, of these, of people who may not be who has their email: no one has verified or asserted it, and they have a
    password, an active second factor or an API key that works."""
    return {row[0] for part in in_parts(ids, AT_ONCE) for row in await queries.all(UNPROVEN, *part)}


async def renew_hash(tx: Tx, id: str, old: str, new: str) -> None:
    """Store a new hash of the password that the user has, with stronger parameters."""
    await tx.run(RENEW_HASH, new, id, old)
    await password_parameters.note(tx, new)


async def signed_in(tx: Tx, id: str) -> User:
    """A right password was given just now. Raises NotFound."""
    now = clock.now()
    minute = now - now % clock.MINUTE
    return User._make(await existing(tx, SIGNED_IN, now, minute, minute, id))


async def active(tx: Tx, times: Mapping[str, int]) -> None:
    """Note when these users were last active, where it is later than what is known."""
    await lock_users(tx, [*times])  # all that there are
    await tx.many(ACTIVE, [(at, id, at) for id, at in times.items()])


async def of_uses(queries: Queries, ids: Sequence[str]) -> dict[str, str]:
    """Users by the IDs of their keys and sessions, and by their own. Of what is gone, there is none."""
    found = {id: id for id in ids if id.startswith("user_")}
    for table, start in (("keys", "key_"), ("sessions", "ses_")):
        for part in in_parts([id for id in ids if id.startswith(start)], AT_ONCE):
            found |= {row[0]: row[1] for row in await queries.all(USES.format(table), *part)}
    return found


async def due(queries: Queries, limit: int) -> list[str]:
    """IDs of users whose end has come, and who are not suspended."""
    return [row[0] for row in await queries.all(DUE, clock.now(), limit)]


async def lock_owner(tx: Tx) -> None:
    """Lock the oldest owner, before `get`. Every write that could remove the last owner takes this lock first, so none
    deadlock."""
    await tx.one(FIRST_OWNER)


async def lock_if_owner(tx: Tx, id: str) -> None:
    """Lock the oldest owner before a write about this user, if they are an owner."""
    row = await tx.one(ROLE, id)
    if row is not None and row[0] == "owner":
        await lock_owner(tx)


async def lock_owner_and_users(tx: Tx, ids: Sequence[str]) -> None:
    """Lock the oldest owner and all of these users, before a write about them. Two writes about the same users lock
    them in the same order. SQLite has one writer."""
    if dialect(tx).is_shared:
        await lock_owner(tx)
        await tx.all(LOCK, list(ids))


async def lock_users(tx: Tx, ids: Sequence[str]) -> set[str] | None:
    """Lock these users, in the same order as all who lock several. The IDs of those who are there to be locked; None on
    SQLite, which has one writer: all are."""
    return {row[0] for row in await tx.all(LOCK, list(ids))} if dialect(tx).is_shared else None


async def lock_both(tx: Tx, one: str, other: str) -> None:
    """Lock two users in list order."""
    if dialect(tx).is_shared:
        await tx.all(BOTH, one, other)


async def applications(queries: Queries, ids: Sequence[str]) -> set[str]:
    """IDs, of these, of users who are applications."""
    return {row[0] for part in in_parts(ids, AT_ONCE) for row in await queries.all(APPLICATIONS, *part)}


async def is_last_owner(tx: Tx, user: User) -> bool:
    """Test whether there is no other active owner."""
    return user.role == "owner" and user.status == "active" and len(await tx.all(TWO_OWNERS)) < 2


class Owner(NamedTuple):
    email: str
    has_password: int
    id: str = ""


async def oldest_owner(queries: Queries) -> Owner | None:
    row = await queries.one(OLDEST_OWNER)
    return Owner._make(row) if row else None


async def delete(tx: Tx, user: User) -> None:
    """Gone from every list and look-up, its email and external id free; `restore` brings it back."""
    on = dialect(tx)
    await tx.run(_keep_deleted(on.user_search.COLUMNS), clock.now(), user.id)
    await tx.run(REMOVE, user.id)
    await unique_keys.change(tx, user.id, (rules.email_key(user.email), user.external_id))
    await on.user_counts.adjust(tx, (user.seq,), -1)
    await on.user_search.changed(tx, (user.seq,))
    await marks.bump_auth_version(tx)


async def restore(tx: Tx, deleted: User) -> User:
    """Bring back a user that was deleted, to the position it had. Raises EmailTaken, ExternalIdTaken."""
    on = dialect(tx)
    try:
        await unique_keys.change(tx, deleted.id, after=(rules.email_key(deleted.email), deleted.external_id))
        searched = on.user_search.columns(deleted.name, deleted.email)
        await tx.run(_bring_back(tuple(searched)), *searched.values(), deleted.id)
    except Duplicate as refused:
        raise _taken(refused) from None
    await tx.run(ERASE, deleted.id)
    row = await tx.one(RESTORED, clock.now(), deleted.id)
    assert row is not None  # inserted above
    user = User._make(row)
    await on.user_counts.adjust(tx, (user.seq,), +1)
    await on.user_search.changed(tx, (user.seq,))
    await user_dates.restored(tx, user.seq, user.created_at)
    return user


async def erase(tx: Tx, id: str) -> None:
    """Erase a deleted user for good, and what its keys were used for. Raises NotFound."""
    gone = await tx.one(ERASE, id)
    if gone is None:
        raise NotFound()
    await tx.run(NOTE_PURGED, id)
    await tx.run(HAS_NEW_PASSWORD, id)
    await dialect(tx).user_search.erased(tx, gone[0])
    await usage.erased(tx, id, MAX_ERASED)


class Deleted(NamedTuple):
    """A user that was deleted, as it was, and when."""

    user: User
    deleted_at: int


async def deleted(queries: Queries, id: str) -> Deleted | None:
    """The deleted user, though its time to be restored may be over."""
    row = await queries.one(DELETED, id)
    return _deleted(row) if row else None


async def lately_deleted(
    queries: Queries, since: int, limit: int, before: tuple[int, int] | None = None
) -> list[Deleted]:
    """Users that were deleted at or after this time, newest deletion first; the page after the user with this
    (deleted_at, seq)."""
    rows = await queries.all(LATELY_DELETED, *(before or (clock.LATEST, 0)), since, limit)
    return [_deleted(row) for row in rows]


async def count_lately_deleted(queries: Queries, since: int, limit: int) -> int:
    """Count the users who were deleted at or after this time; counting ends at `limit`."""
    return await scalar(queries, COUNT_LATELY_DELETED, since, limit)


async def name(queries: Queries, id: str) -> str | None:
    """Name of a living or deleted user; None for one that is gone for good."""
    return await first(queries, NAME, id, id)


async def names(queries: Queries, ids: Sequence[str]) -> dict[str, str]:
    """Names of those of at most MAX_NAMES users that live or are deleted, by ID."""
    padded = [*ids, *[""] * (MAX_NAMES - len(ids))]
    return {row[0]: row[1] for row in await queries.all(NAMES, *padded, *padded)}


async def emails(queries: Queries, ids: Sequence[str]) -> dict[str, str]:
    """Emails of these users, as `names`."""
    padded = [*ids, *[""] * (MAX_NAMES - len(ids))]
    return {row[0]: row[1] for row in await queries.all(EMAILS, *padded, *padded)}


async def expired(queries: Queries, before: int, limit: int) -> list[str]:
    """Users that were deleted before this time."""
    return [row[0] for row in await queries.all(EXPIRED, before, limit)]


def _deleted(row: Row) -> Deleted:
    return Deleted(User._make(row[:-1]), row[-1])


@lru_cache(maxsize=4)
def _add(columns: tuple[str, ...]) -> str:
    return f"INSERT INTO users ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


@lru_cache(maxsize=4)
def _keep_deleted(further: tuple[str, ...]) -> str:
    columns = ", ".join((*KEPT, *further))
    sql = f"INSERT INTO deleted_users ({columns}, deleted_at) SELECT {columns}, ? FROM users WHERE id = ?"
    return Statement(sql, together=EACH)


@lru_cache(maxsize=4)
def _bring_back(further: tuple[str, ...]) -> str:
    columns, values = ", ".join((*KEPT, *further)), ", ".join((*KEPT, *["CAST(? AS text)"] * len(further)))
    return Statement(f"INSERT INTO users ({columns}) SELECT {values} FROM deleted_users WHERE id = ?", together=EACH)


@lru_cache(maxsize=256)
def _update(columns: tuple[str, ...]) -> Statement:
    # Only what changes is named, since an index is rewritten for each of its columns that is.
    sets = ", ".join(f"{name} = ?" for name in columns)
    new = ", ".join(f"{name} = writes.{name}" for name in columns)
    arrays = ", ".join(f"CAST(? AS {_TYPES.get(name, 'text')}[])" for name in columns)
    return Statement(
        f"UPDATE users SET {sets}, version = version + 1, updated_at = ? WHERE id = ?",
        together=f"""
            UPDATE users SET {new}, version = users.version + 1, updated_at = writes.updated_at
            FROM unnest({arrays}, CAST(? AS bigint[]), CAST(? AS text[])) WITH ORDINALITY
                AS writes({", ".join(columns)}, updated_at, id, number)
            WHERE users.id = writes.id RETURNING number""",
    )


_TYPES = {
    **dict.fromkeys(("email_verified", "email_asserted"), "integer"),
    **dict.fromkeys(("ends_at", "status_since"), "bigint"),
}


def _taken(refused: Duplicate) -> EmailTaken | ExternalIdTaken | Duplicate:
    return {"users.email_key": EmailTaken, "users.external_id": ExternalIdTaken}.get(
        refused.constraint, lambda: refused
    )()
