"""API keys: their users, permissions and limits. Stored by digest, so a stolen database grants no access."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NamedTuple

from rollbook import clock, ids
from rollbook.records import lineages, marks
from rollbook.records.lineages import IS_SUSPENDED
from rollbook.records.presenting import Flag, Hidden, Shown, Time, Words, presenter
from rollbook.storage.database import EACH, LOOK_UP, Queries, Statement, Tx, existing, first, in_parts, scalar


class Key(NamedTuple):
    """A key as we keep it. Its text is never part of it."""

    id: str
    user_id: str
    name: str
    kind: str  # of `roles.KEY_KINDS`
    is_suspended: Annotated[int, Shown("record.status", "status")]
    created_by: Hidden[str | None]  # the person it goes back to; empty: the command line; None: not known
    created_with: Hidden[str | None]  # the key it was created with
    start: Annotated[str, Shown("record.masked", "masked")]
    last_four: Hidden[str]
    scopes: Words | None  # None: all that the user's role has
    ip_allow: Words | None  # networks; None: from anywhere
    rate_limit: str | None
    audiences: Words | None  # None: any
    revealable: Flag
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None
    revoked_at: Time | None
    limited_with: Hidden[str | None]  # the key whose `rate_limit` this one's requests count in; None: its own
    tenant: Hidden[str | None]  # the first key that this one was rotated from; None: itself
    lineage: Hidden[str | None]

    @property
    def masked(self) -> str:
        """`rbk_…`: how people tell keys apart."""
        return f"{self.start}…{self.last_four}"

    @property
    def status(self) -> str:
        """One of STATUSES."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= clock.now():
            return "expired"
        return "suspended" if self.is_suspended else "active"


STATUSES = {
    "active": "It works.",
    "suspended": "It does nothing while its user, or a user it goes back to, is suspended.",
    "expired": "It has expired.",
    "revoked": "It was revoked.",
}
public = presenter(Key)
"""All that may be seen of a key, which is never the key."""


class KeyName(NamedTuple):
    """Name of a key for people."""

    id: str
    name: str
    last_four: str


class KeyLine(NamedTuple):
    """Columns by which keys are searched and sorted."""

    id: str
    name: str
    start: str
    last_four: str
    last_used_at: int | None


class KeyUser(NamedTuple):
    """The user of a key, as lists of many users' keys show them."""

    id: str
    name: str
    email: str
    kind: str


class KeySelection(NamedTuple):
    """Selection of keys. None means any."""

    user_id: str | None = None
    id_prefix: str | None = None
    start_prefix: str | None = None
    """Beginning of `start`."""
    last_four: str | None = None
    scope: str | None = None
    roles: tuple[str, ...] = ()
    """Roles that have the scope."""
    unused_since: int | None = None
    expires_before: int | None = None
    created_by: str | None = None
    works: bool | None = None


class Milestones(NamedTuple):
    """True if a user has any such keys."""

    narrow: bool
    """With scopes of its own."""
    used: bool
    used_narrow: bool


class NewKey(NamedTuple):
    """`sealed` is the encrypted key, so that its owner can reveal it; None if it is not revealable."""

    id: str
    user_id: str
    name: str
    digest: bytes
    start: str
    last_four: str
    sealed: bytes | None
    scopes: str | None = None
    ip_allow: str | None = None
    rate_limit: str | None = None
    expires_at: int | None = None
    created_by: str | None = (
        None  # a user; "" who can write to the server's files, and has full access anyway; None: not known
    )
    created_with: str | None = None
    lineage: str | None = None
    limited_with: str | None = None
    kind: str = "api"
    tenant: str | None = None
    audiences: str | None = None


class Activity(NamedTuple):
    """The number of a user's keys that work, the last use of one of them, and what it is for: the scopes of each, and
    SIGN_IN for an application that people sign in to."""

    keys: int = 0
    last_used_at: int | None = None
    uses: tuple[str | None, ...] = ()


class CallerFacts(NamedTuple):
    """Facts that the gate must know of a key and its user."""

    key_id: str | None  # None: a person who is signed in
    user_id: str
    scopes: str | None
    ip_allow: str | None
    key_limit: str | None
    expires_at: int | None
    revoked_at: int | None
    role: str
    status: str
    user_limit: str | None
    limited_with: str | None = None
    created_by: str | None = None
    kind: str = "api"
    tenant: str | None = None
    audiences: str | None = None
    lineage: str | None = None
    is_suspended: int = 0
    """Because of a user it goes back to."""


AT_ONCE = 50
"""Users or keys of a statement."""
_IS_SUSPENDED = f"""
    CASE WHEN EXISTS (SELECT 1 FROM users WHERE users.id = {{0}}.user_id AND users.status = 'suspended')
      OR {IS_SUSPENDED.format("{0}.lineage")} THEN 1 ELSE 0 END"""
_COLUMNS = (
    f"id, user_id, name, kind, {_IS_SUSPENDED}, created_by, created_with, start, last_four, scopes, ip_allow, "
    "rate_limit, audiences, sealed IS NOT NULL, created_at, expires_at, last_used_at, revoked_at, limited_with, "
    "tenant, lineage"
)
COLUMNS, COLUMNS_LISTED = _COLUMNS.format("keys"), _COLUMNS.format("listed")

HOLDERS = f"""
    k.id, k.user_id, k.scopes, k.ip_allow, k.rate_limit, k.expires_at, k.revoked_at,
    u.role, u.status, u.rate_limit, k.limited_with, k.created_by, k.kind, k.tenant, k.audiences, k.lineage,
    CASE WHEN {IS_SUSPENDED.format("k.lineage")} THEN 1 ELSE 0 END
    FROM keys k JOIN users u ON u.id = k.user_id"""
HOLDER = f"SELECT {HOLDERS} WHERE k.digest = ?"
HOLDER_OF = Statement(f"SELECT {HOLDERS} WHERE k.id = ?", together=LOOK_UP)
ADD = f"""
    INSERT INTO keys (id, user_id, name, digest, start, last_four, sealed, scopes, ip_allow, rate_limit, expires_at,
      created_by, created_with, lineage, limited_with, kind, tenant, audiences, created_at)
    VALUES ({", ".join("?" * (len(NewKey._fields) + 1))}) RETURNING {COLUMNS}"""
BY_ID = Statement(f"SELECT {COLUMNS} FROM keys WHERE id = ?", locks=True)
OF_USER = f"SELECT {COLUMNS} FROM keys WHERE user_id = ? ORDER BY id LIMIT ? OFFSET ?"
_WORKING = """
    FROM keys WHERE id IN (
        SELECT id FROM keys WHERE user_id = ? AND revoked_at IS NULL AND expires_at IS NULL
        UNION ALL SELECT id FROM keys WHERE user_id = ? AND revoked_at IS NULL AND expires_at > ?)
    ORDER BY id DESC LIMIT ? OFFSET ?"""
_ENDED = "FROM keys WHERE user_id = ? AND (revoked_at IS NOT NULL OR expires_at <= ?) ORDER BY id DESC LIMIT ? OFFSET ?"
WORKING_OF_USER, ENDED_OF_USER = f"SELECT {COLUMNS} {_WORKING}", f"SELECT {COLUMNS} {_ENDED}"
WORKING_NAMES, ENDED_NAMES = f"SELECT id, name, last_four {_WORKING}", f"SELECT id, name, last_four {_ENDED}"
_LINE = ", ".join(KeyLine._fields)
WORKING_LINES, ENDED_LINES = f"SELECT {_LINE} {_WORKING}", f"SELECT {_LINE} {_ENDED}"
_ANY = "EXISTS (SELECT 1 FROM keys WHERE user_id = ? AND {})"
_NARROW, _USED = "scopes IS NOT NULL", "last_used_at IS NOT NULL"
MILESTONES = f"SELECT {_ANY.format(_NARROW)}, {_ANY.format(_USED)}, {_ANY.format(f'{_NARROW} AND {_USED}')}"
_OF_APPLICATIONS = """
    EXISTS (SELECT 1 FROM (SELECT id FROM users WHERE kind = 'application' ORDER BY seq LIMIT 100) AS few
      JOIN keys ON keys.user_id = few.id WHERE {})"""
MILESTONES_OF_APPLICATIONS = f"SELECT {_OF_APPLICATIONS.format('true')}, {_OF_APPLICATIONS.format(_USED)}"
MAX_NAMES = 100
"""IDs whose names one statement reads."""
NAMES_OF_ALL = f"SELECT id, name, last_four FROM keys WHERE id IN ({', '.join('?' * MAX_NAMES)})"
NAMES = f"{NAMES_OF_ALL} AND user_id = ?"
BY_IDS = f"SELECT {COLUMNS} FROM keys WHERE user_id = ? AND id IN ({', '.join('?' * MAX_NAMES)})"
OF_SCIM = f"SELECT {COLUMNS} FROM keys WHERE kind = 'scim' AND revoked_at IS NULL ORDER BY id DESC LIMIT ?"
USERS = f"SELECT id, name, email, kind FROM users WHERE id IN ({', '.join('?' * AT_ONCE)})"
ORDERS = {
    "created_at": "id",
    "name": "lower(name), id",
    "last_used_at": "coalesce(last_used_at, 0), id",
}
WORKS = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)"
_HAS_SCOPE = """(scopes IS NULL OR ' ' || scopes || ' ' LIKE ?)
    AND EXISTS (SELECT 1 FROM users AS u WHERE u.id = listed.user_id AND u.role IN ({}))"""
_GOES_BACK = "(created_by = ? OR lineage IN (SELECT lineages.lineage FROM lineages WHERE lineages.user_id = ?))"
# By the text: the lineages of a user who was erased are no longer found by them.
THAT_GO_BACK_TO = f"""
    SELECT id FROM keys
    WHERE id IN ({", ".join("?" * AT_ONCE)}) AND user_id != ? AND (created_by = ? OR ' ' || lineage || ' ' LIKE ?)"""
HELD = f"SELECT {COLUMNS} FROM keys WHERE user_id = ? AND id > ? ORDER BY id LIMIT ?"
LIVE = """
    SELECT (SELECT count(*) FROM (SELECT 1 FROM keys WHERE user_id = ? AND revoked_at IS NULL
      AND expires_at IS NULL LIMIT ?) AS few)
        + (SELECT count(*) FROM (SELECT 1 FROM keys WHERE user_id = ? AND revoked_at IS NULL
          AND expires_at > ? LIMIT ?) AS few)"""
COUNT = "SELECT count(*) FROM keys WHERE user_id = ?"
SEALED = "SELECT sealed FROM keys WHERE id = ?"
SEALED_AFTER = "SELECT id, sealed FROM keys WHERE id > ? AND sealed IS NOT NULL ORDER BY id LIMIT ?"
SEAL_AGAIN = "UPDATE keys SET sealed = ? WHERE id = ? AND sealed = ?"
REVOKE = f"UPDATE keys SET revoked_at = ?, sealed = NULL WHERE id = ? AND revoked_at IS NULL RETURNING {COLUMNS}"
REVOKE_SOME = f"""
    UPDATE keys SET revoked_at = ?, sealed = NULL
    WHERE id IN ({", ".join("?" * AT_ONCE)}) AND revoked_at IS NULL RETURNING {COLUMNS}"""
REVOKE_ALL = Statement(
    "UPDATE keys SET revoked_at = ?, sealed = NULL WHERE user_id = ? AND revoked_at IS NULL", together=EACH
)
REVOKE_WORKING = f"""
    UPDATE keys SET revoked_at = ?, sealed = NULL
    WHERE user_id = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?) RETURNING {COLUMNS}"""
_OF_OTHERS = "revoked_at IS NULL AND (lineage IS NOT NULL OR created_by IS NULL OR created_by NOT IN (user_id, ''))"
REVOKE_OF_OTHERS = Statement(
    f"UPDATE keys SET revoked_at = ?, sealed = NULL WHERE user_id = ? AND {_OF_OTHERS} RETURNING {COLUMNS}",
    together=f"""
        UPDATE keys SET revoked_at = now, sealed = NULL
        FROM unnest(CAST(? AS bigint[]), CAST(? AS text[])) WITH ORDINALITY AS writes(now, holder, number)
        WHERE user_id = holder AND {_OF_OTHERS} RETURNING number, {COLUMNS}""",
)
GO_BACK_TO = Statement(
    """
    SELECT k.id, u.role FROM keys k JOIN users u ON u.id = k.user_id
    WHERE k.id IN (
        SELECT id FROM keys
          WHERE created_by = ? AND created_by IS NOT NULL AND created_by != user_id AND revoked_at IS NULL
        UNION ALL SELECT keys.id FROM lineages JOIN keys ON keys.lineage = lineages.lineage
          WHERE lineages.user_id = ? AND keys.revoked_at IS NULL)
      AND (k.expires_at IS NULL OR k.expires_at > ?)
    ORDER BY k.id""",
    together=LOOK_UP,
)
GOING_BACK = f"""
    SELECT created_by, id, user_id FROM keys
      WHERE created_by IN ({", ".join("?" * AT_ONCE)}) AND created_by IS NOT NULL AND created_by != user_id AND {WORKS}
    UNION SELECT lineages.user_id, keys.id, keys.user_id FROM lineages JOIN keys ON keys.lineage = lineages.lineage
      WHERE lineages.user_id IN ({", ".join("?" * AT_ONCE)}) AND {WORKS}
    ORDER BY 2 LIMIT ?"""
_THESE = ", ".join("?" * AT_ONCE)
IN_USE = f"""
    SELECT id FROM keys WHERE {_IS_SUSPENDED.format("keys")} = 0 AND id IN (
      SELECT id FROM keys WHERE user_id IN ({_THESE}) AND {WORKS}
      UNION SELECT id FROM keys
        WHERE created_by IN ({_THESE}) AND created_by IS NOT NULL AND created_by != user_id AND {WORKS}
      UNION SELECT keys.id FROM lineages JOIN keys ON keys.lineage = lineages.lineage
        WHERE lineages.user_id IN ({_THESE}) AND {WORKS})"""
SIGN_IN = "sign-in"
ACTIVITY = f"""
    SELECT user_id, scopes, count(*), max(last_used_at) FROM keys
      WHERE user_id IN ({", ".join("?" * AT_ONCE)}) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)
      GROUP BY user_id, scopes
    UNION ALL SELECT user_id, '{SIGN_IN}', 0, NULL FROM clients
      WHERE user_id IN ({", ".join("?" * AT_ONCE)}) AND redirect_urls <> ''"""
ERASE_ALL = "DELETE FROM keys WHERE user_id = ?"
OLD = "SELECT id FROM keys WHERE revoked_at <= ? ORDER BY revoked_at LIMIT ?"
GIVE_TEXT = f"""
    UPDATE keys SET digest = ?, start = ?, last_four = ?, expires_at = ?
    WHERE id = ? AND expires_at = ? AND revoked_at IS NULL RETURNING {COLUMNS}"""
FORGET = "DELETE FROM keys WHERE id = ?"
EXPIRE = f"UPDATE keys SET expires_at = ? WHERE id = ? RETURNING {COLUMNS}"
CHANGE = f"""
    UPDATE keys SET name = ?, scopes = ?, ip_allow = ?, rate_limit = ?, audiences = ?, expires_at = ?, limited_with = ?,
      lineage = ?
    WHERE id = ? AND revoked_at IS NULL RETURNING {COLUMNS}"""
EXPIRING = f"""
    SELECT {COLUMNS} FROM keys WHERE revoked_at IS NULL AND expires_at > ? AND expires_at <= ?
      AND created_at <= expires_at - ? AND (CAST(? AS bigint) = 0 OR NOT EXISTS (
        SELECT 1 FROM keys newer WHERE newer.user_id = keys.user_id AND newer.tenant = coalesce(keys.tenant, keys.id)
          AND newer.id > keys.id AND newer.revoked_at IS NULL))
    ORDER BY expires_at, id"""
NTH_EXPIRING = (
    "SELECT expires_at FROM keys WHERE revoked_at IS NULL AND expires_at > ? AND expires_at <= ? ORDER "
    "BY expires_at LIMIT 1 OFFSET ?"
)
USED = "UPDATE keys SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)"


async def holder(queries: Queries, digest: bytes) -> CallerFacts | None:
    """Holder of this key, None if it doesn't exist."""
    row = await queries.one(HOLDER, digest)
    return CallerFacts._make(row) if row else None


async def holder_of(queries: Queries, id: str) -> CallerFacts | None:
    """Holder of the key with this ID, None if it doesn't exist."""
    row = await queries.one(HOLDER_OF, id)
    return CallerFacts._make(row) if row else None


async def add(tx: Tx, new: NewKey) -> Key:
    await lineages.keep(tx, new.lineage)
    row = await tx.one(ADD, *new, clock.now())
    assert row is not None  # RETURNING
    return Key._make(row)


async def get(queries: Queries, id: str) -> Key:
    """Raises NotFound."""
    return Key._make(await existing(queries, BY_ID, id))


async def of_user(queries: Queries, user_id: str, limit: int, offset: int = 0) -> list[Key]:
    """A user's keys, oldest first."""
    return [Key._make(row) for row in await queries.all(OF_USER, user_id, limit, offset)]


async def activity(queries: Queries, user_ids: Sequence[str]) -> dict[str, Activity]:
    """The activity of those of these users who have a key that works, or whom people sign in to."""
    by_user: dict[str, Activity] = {}
    for part in in_parts(user_ids, AT_ONCE):
        for user_id, use, count, used in await queries.all(ACTIVITY, *part, clock.now(), *part):
            keys, last, uses = by_user.get(user_id, Activity())
            by_user[user_id] = Activity(keys + count, max(last or 0, used or 0) or None, (*uses, use))
    return by_user


async def of_scim(queries: Queries, limit: int) -> list[Key]:
    """SCIM keys of all users that were not revoked, newest first."""
    return [Key._make(row) for row in await queries.all(OF_SCIM, limit)]


async def milestones(queries: Queries, user_id: str) -> Milestones:
    """Milestones of a user, whose applications count as keys with scopes of their own."""
    own = await queries.one(MILESTONES, user_id, user_id, user_id)
    of_applications = await queries.one(MILESTONES_OF_APPLICATIONS)
    assert own is not None and of_applications is not None  # they have no FROM
    (narrow, used, used_narrow), (delegated, called) = own, of_applications
    return Milestones(bool(narrow or delegated), bool(used or called), bool(used_narrow or called))


async def working(queries: Queries, user_id: str, limit: int, offset: int) -> list[Key]:
    """A user's keys that work, newest first."""
    rows = await queries.all(WORKING_OF_USER, user_id, user_id, clock.now(), limit, offset)
    return [Key._make(row) for row in rows]


async def ended(queries: Queries, user_id: str, limit: int, offset: int) -> list[Key]:
    """A user's keys that were revoked or have expired, newest first."""
    rows = await queries.all(ENDED_OF_USER, user_id, clock.now(), limit, offset)
    return [Key._make(row) for row in rows]


async def some(queries: Queries, selection: KeySelection, sort: str, limit: int, offset: int) -> list[Key]:
    """Keys of all users, in the order `sort`."""
    where, values = _where(selection)
    column = sort.removeprefix("-")
    order = ORDERS[column] if sort == column else ORDERS[column].replace(", id", " DESC, id") + " DESC"
    text = f"SELECT {COLUMNS_LISTED} FROM keys AS listed{where} ORDER BY {order} LIMIT ? OFFSET ?"
    return [Key._make(row) for row in await queries.all(text, *values, limit, offset)]


async def count_some(queries: Queries, selection: KeySelection) -> int:
    where, values = _where(selection)
    return await scalar(queries, f"SELECT count(id) FROM keys AS listed{where}", *values)


async def users_of(queries: Queries, batch: Iterable[Key]) -> dict[str, KeyUser]:
    """The users of these keys by ID, without those who were deleted."""
    users: dict[str, KeyUser] = {}
    for part in in_parts([*dict.fromkeys(key.user_id for key in batch)], AT_ONCE):
        users |= {row[0]: KeyUser._make(row) for row in await queries.all(USERS, *part)}
    return users


def _where(selection: KeySelection) -> tuple[str, list[Any]]:
    conditions: list[tuple[str, Sequence[Any]]] = []
    if selection.user_id is not None:
        conditions.append(("user_id = ?", [selection.user_id]))
    if selection.id_prefix is not None:
        conditions.append(("id >= ? AND id < ?", [selection.id_prefix, f"{selection.id_prefix}~"]))
    if selection.start_prefix is not None:
        conditions.append(("start >= ? AND start < ?", [selection.start_prefix, f"{selection.start_prefix}~"]))
    if selection.last_four is not None:
        conditions.append(("last_four = ?", [selection.last_four]))
    if selection.scope is not None:
        conditions.append(
            (_HAS_SCOPE.format(", ".join("?" * len(selection.roles))), [f"% {selection.scope} %", *selection.roles])
        )
    if selection.unused_since is not None:
        conditions.append(("coalesce(last_used_at, created_at) < ?", [selection.unused_since]))
    if selection.expires_before is not None:
        conditions.append(("expires_at < ?", [selection.expires_before]))
    if selection.created_by is not None:
        conditions.append((_GOES_BACK, [selection.created_by, selection.created_by]))
    if selection.works is not None:
        conditions.append((WORKS if selection.works else f"NOT ({WORKS})", [clock.now()]))
    where = f" WHERE {' AND '.join(text for text, _ in conditions)}" if conditions else ""
    return where, [value for _, values in conditions for value in values]


async def names(queries: Queries, user_id: str | None, ids: Sequence[str]) -> list[KeyName]:
    """Names of those of a user's keys, or of all users', that have one of at most MAX_NAMES IDs, in the order of
    `ids`."""
    text, whose = (NAMES_OF_ALL, ()) if user_id is None else (NAMES, (user_id,))
    rows = await queries.all(text, *ids, *[""] * (MAX_NAMES - len(ids)), *whose)
    by_id = {row[0]: KeyName._make(row) for row in rows}
    return [by_id[id] for id in ids if id in by_id]


async def by_ids(queries: Queries, user_id: str, ids: Sequence[str]) -> list[Key]:
    """Keys of a user that have one of these IDs, in their order."""
    by_id: dict[str, Key] = {}
    for part in in_parts(ids, MAX_NAMES):
        rows = await queries.all(BY_IDS, user_id, *part, *[""] * (MAX_NAMES - len(part)))
        by_id |= {row[0]: Key._make(row) for row in rows}
    return [by_id[id] for id in ids if id in by_id]


async def working_lines(queries: Queries, user_id: str, limit: int) -> list[KeyLine]:
    """The keys of a user that work, newest first."""
    return [KeyLine._make(row) for row in await queries.all(WORKING_LINES, user_id, user_id, clock.now(), limit, 0)]


async def ended_lines(queries: Queries, user_id: str, limit: int) -> list[KeyLine]:
    """The keys of a user that were revoked or have expired, newest first."""
    return [KeyLine._make(row) for row in await queries.all(ENDED_LINES, user_id, clock.now(), limit, 0)]


async def working_names(queries: Queries, user_id: str, limit: int) -> list[KeyName]:
    """A user's keys that work, newest first."""
    rows = await queries.all(WORKING_NAMES, user_id, user_id, clock.now(), limit, 0)
    return [KeyName._make(row) for row in rows]


async def ended_names(queries: Queries, user_id: str, limit: int) -> list[KeyName]:
    """A user's keys that were revoked or have expired, newest first."""
    return [KeyName._make(row) for row in await queries.all(ENDED_NAMES, user_id, clock.now(), limit, 0)]


async def held(queries: Queries, user_id: str, after: str, limit: int) -> list[Key]:
    """All that there are of a user, oldest first, from the one after this id on."""
    return [Key._make(row) for row in await queries.all(HELD, user_id, after, limit)]


async def count(queries: Queries, user_id: str) -> int:
    return await scalar(queries, COUNT, user_id)


async def count_live(queries: Queries, user_id: str, limit: int) -> int:
    """Count a user's keys that work; counting may end at `limit`."""
    return await scalar(queries, LIVE, user_id, limit, user_id, clock.now(), limit)


async def sealed_after(queries: Queries, id: str, limit: int) -> list[tuple[str, bytes]]:
    """IDs and sealed forms of the keys after this ID that can be revealed."""
    return [(row[0], bytes(row[1])) for row in await queries.all(SEALED_AFTER, id, limit)]


async def seal_again(tx: Tx, changed: Iterable[tuple[bytes, str, bytes]]) -> None:
    """Store new sealed forms, with their keys' IDs and former sealed forms: a key may have been revoked meanwhile."""
    await tx.many(SEAL_AGAIN, changed)


async def sealed(queries: Queries, id: str) -> bytes | None:
    return await first(queries, SEALED, id)


async def give_text(tx: Tx, id: str, text: tuple[bytes, str, str, int], code_expires_at: int) -> Key | None:
    """Give an assistant's key its text: its digest, start and last four characters, and until when it works. None if it
    has one, or was revoked."""
    row = await tx.one(GIVE_TEXT, *text, id, code_expires_at)
    return None if row is None else Key._make(row)


async def revoke(tx: Tx, id: str) -> Key:
    """Revoke a key at once. Raises NotFound when it already has."""
    key = Key._make(await existing(tx, REVOKE, clock.now(), id))
    await marks.bump_auth_version(tx)
    return key


async def revoke_some(tx: Tx, ids: Sequence[str]) -> list[Key]:
    """Revoke those of these keys that were not."""
    revoked: list[Key] = []
    for part in in_parts(ids, AT_ONCE):
        rows = await tx.all(REVOKE_SOME, clock.now(), *part, *[""] * (AT_ONCE - len(part)))
        revoked += sorted([Key._make(row) for row in rows])
    if revoked:
        await marks.bump_auth_version(tx)
    return revoked


async def change(tx: Tx, key: Key) -> Key:
    """Store what can be changed of a key that was not revoked. Raises NotFound."""
    await lineages.keep(tx, key.lineage)
    bounds = key.scopes, key.ip_allow, key.rate_limit, key.audiences, key.expires_at
    changed = Key._make(await existing(tx, CHANGE, key.name, *bounds, key.limited_with, key.lineage, key.id))
    await marks.bump_auth_version(tx)
    return changed


async def end_at(tx: Tx, key: Key, at: int) -> Key:
    """Let a key expire at this time, or when it would have, if that is earlier. Raises NotFound."""
    key = Key._make(await existing(tx, EXPIRE, at if key.expires_at is None else min(at, key.expires_at), key.id))
    await marks.bump_auth_version(tx)
    return key


async def revoke_all(tx: Tx, user_id: str) -> None:
    await tx.run(REVOKE_ALL, clock.now(), user_id)


async def revoke_working(tx: Tx, user_id: str) -> list[Key]:
    """Revoke all of a user's keys that work."""
    now = clock.now()
    revoked = sorted([Key._make(row) for row in await tx.all(REVOKE_WORKING, now, user_id, now)])
    await marks.bump_auth_version(tx)
    return revoked


async def revoke_of_others(tx: Tx, user_id: str) -> list[Key]:
    """Revoke those of a user's keys that others created, or whose creator is unknown. The caller bumps
    `auth_version`."""
    return sorted([Key._make(row) for row in await tx.all(REVOKE_OF_OTHERS, clock.now(), user_id)])


async def go_back_to(tx: Tx, user_id: str) -> list[tuple[str, str]]:
    """IDs of keys of others that were not revoked and go back to this user, each with its user's role."""
    return [(row[0], row[1]) for row in await tx.all(GO_BACK_TO, user_id, user_id, clock.now())]


async def going_back(queries: Queries, user_ids: Sequence[str], limit: int) -> list[tuple[str, str, str]]:
    """Keys that work and go back to these users, who are others: the user, the key, and whose it is."""
    triples: set[tuple[str, str, str]] = set()
    for part in in_parts(user_ids, AT_ONCE):
        values = *part, clock.now(), *part, clock.now(), limit
        triples |= {(row[0], row[1], row[2]) for row in await queries.all(GOING_BACK, *values)}
    return sorted(triples)


async def in_use(queries: Queries, user_ids: Sequence[str]) -> set[str]:
    """IDs of the keys of these users, and of those that go back to them, that no suspension stops."""
    key_ids = set[str]()
    for part in in_parts(user_ids, AT_ONCE):
        key_ids |= {row[0] for row in await queries.all(IN_USE, *[*part, clock.now()] * 3)}
    return key_ids


async def that_go_back_to(queries: Queries, user_id: str, ids: Sequence[str]) -> list[str]:
    """IDs, of these, of keys that are another user's and go back to this one, also those that ended."""
    key_ids: set[str] = set()
    for part in in_parts(ids, AT_ONCE):
        key_ids |= {row[0] for row in await queries.all(THAT_GO_BACK_TO, *part, user_id, user_id, f"% {user_id} %")}
    return sorted(key_ids)


async def erase_all(tx: Tx, user_id: str) -> None:
    await tx.run(ERASE_ALL, user_id)


async def old(queries: Queries, before: int, limit: int) -> list[str]:
    """IDs of keys that were revoked by then."""
    return [row[0] for row in await queries.all(OLD, before, limit)]


async def forget(tx: Tx, revoked: Sequence[str]) -> None:
    """They are unknown from now on, as if they had never existed. Events about them stay."""
    await tx.many(FORGET, [(id,) for id in revoked])


async def expiring(queries: Queries, after: int, until: int, existed: int, limit: int) -> tuple[list[Key], int | None]:
    """Keys that expire after a time and until another, and were created so many microseconds before that. Ahead of the
    end, not those that were rotated: whoever did that knows. If they are more than `limit`, only those up to a time,
    which is returned with them: all that expire at that moment, too."""
    row = await queries.one(NTH_EXPIRING, after, until, limit - 1)
    rows = await queries.all(EXPIRING, after, until if row is None else row[0], existed, existed)
    return [Key._make(key) for key in rows], row[0] if row else None


async def used(tx: Tx, uses: Iterable[tuple[str, int]]) -> None:
    """Note when these keys were used last."""
    await tx.many(USED, [(at, id, at) for id, at in sorted(uses)])  # the same order everywhere, so no deadlocks


def new_id() -> str:
    return ids.new("key")
