"""Actions on API keys. A key hands on no more than it has: see `key_bounds`.

Changes of an API key that exists: its name and what narrows it. To give a key more than it has takes a proof.

Tells in the event log of API keys that expire: 7 days before, 1 day before, and when they have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, NamedTuple

from msgspec import UNSET

from rollbook import clock, roles
from rollbook.actions import creators, key_bounds, passwords, proof, second_factors
from rollbook.actions.arguments import Time
from rollbook.actions.arguments.keys import KeyCreate, KeyRotation, KeyUpdate, ListKeys
from rollbook.actions.arguments.passwords import PasswordProof
from rollbook.actions.checking import given, refuse
from rollbook.actions.context import ListPage, Rollbook
from rollbook.actions.creators import Origin
from rollbook.actions.permissions import (
    known,
    may_touch,
    reaches_all,
    require,
    require_own,
    require_proof,
    subject,
    whom,
)
from rollbook.actions.principal import SYSTEM, Principal
from rollbook.actions.proof import Proven, prove
from rollbook.actions.usage import ALL
from rollbook.auth import key_format
from rollbook.auth.server_secret import Purpose, Secret
from rollbook.errors import Forbidden, InsufficientScope, KeyLimitReached, NotFound, PreconditionFailed
from rollbook.quota import Limit
from rollbook.records import events, keys, lineages, marks, users
from rollbook.records import keys as records
from rollbook.records.keys import Key, KeyLine, KeyName, KeySelection, KeyUser
from rollbook.records.rules import fold
from rollbook.records.user_search import folding
from rollbook.records.users import User
from rollbook.storage.database import Queries, Tx

SEALED: Purpose = "keys"
MAX_LIVE = 1_000
"""Keys of a user that work at the same time."""

MAX_ENDED_CHOICES = 100
MAX_ENDED_LISTED = 10_000
"""Keys of a user that were revoked or have expired and that a search looks at."""
MAX_SCIM = 100
"""SCIM keys that one list shows."""


class HeldKey(NamedTuple):
    key: Key
    user: User


class KeyPage(NamedTuple):
    keys: list[Key]
    total: int
    users: dict[str, KeyUser] | None = None
    """Users of the keys by ID, without those who were deleted; None where they are not shown."""


class IssuedKey(NamedTuple):
    """A key with its token, which is shown at no other time."""

    key: Key
    token: str


async def list_keys(on: Rollbook, by: Principal, query: ListKeys) -> KeyPage:
    """List API keys

    Returns your own keys, oldest first, without the secrets. Admins can pass another `user`, or `all` for the keys of
    the whole server. With `q`, or with another order of one user's keys, of those that were revoked or have expired
    only the newest 10,000 are looked at.
    """
    if query.user == ALL or any(getattr(query, name) is not None for name in FILTERS):
        page = await select(on, by, query)
        return page if query.user == ALL else page._replace(users=None)
    user_id = await subject(on, by, "keys:read", query.user)
    if query.q is None and query.sort == "created_at":
        own = await keys.of_user(on.db, user_id, query.limit, query.offset)
        return KeyPage(own, await keys.count(on.db, user_id))
    return KeyPage(*(await on.read_aside(_listed, user_id, (True, False), query))[:2])


async def select(on: Rollbook, by: Principal, query: ListKeys, works: bool | None = None) -> KeyPage:
    """Keys of all users, or of one, that pass the filters; `works` None: whether they work or not. Raises
    InsufficientScope, InvalidParameter, NotFound."""
    if query.user == ALL:
        require(by, "users:read")
        require(by, "keys:read")
    user_id = None if query.user == ALL else await subject(on, by, "keys:read", query.user)
    if query.q is not None:
        refuse("q", "can't be used with `user=all` or a filter. Use `prefix`")
    prefix = (query.prefix or "").replace("...", "…")
    start, _, last = prefix.partition("…")
    is_id = prefix.startswith("key_")
    selection = KeySelection(
        user_id,
        prefix if is_id else None,
        None if is_id or not start else key_format.start(start),
        last or (key_format.last_four(prefix) if key_format.is_whole(prefix) else None),
        query.scope,
        tuple(role for role in roles.ROLES if query.scope in roles.grantable(role)),
        query.unused_since,
        query.expires_before,
        None if query.created_by is None else known("user", whom(by, query.created_by)),
        works if query.unused_since is None and query.expires_before is None else True,
    )
    return await on.read_aside(_selected, selection, query)


async def count_expiring(on: Rollbook, by: Principal, within: int) -> int:
    """Count keys of all users that expire within so many microseconds and are in the last quarter of their life: among
    a thousand of them at most. Raises InsufficientScope."""
    now = clock.now()
    batch = (await select(on, by, ListKeys(user=ALL, limit=1_000, expires_before=Time(now + within)), True)).keys
    return sum(4 * (key.expires_at - now) < key.expires_at - key.created_at for key in batch if key.expires_at)


FILTERS = ("prefix", "scope", "unused_since", "expires_before", "created_by")


async def _selected(queries: Queries, selection: KeySelection, query: ListKeys) -> KeyPage:
    batch = await keys.some(queries, selection, query.sort, query.limit, query.offset)
    return KeyPage(batch, await keys.count_some(queries, selection), await keys.users_of(queries, batch))


async def list_by_state(on: Rollbook, by: Principal, query: ListKeys, working: bool) -> ListPage[Key]:
    """A page of the keys of a user that work, or of those that were revoked or have expired. Raises InsufficientScope,
    NotFound."""
    user_id = await subject(on, by, "keys:read", query.user)
    if query.q is not None or query.sort != "-created_at":
        return await on.read_aside(_listed, user_id, (working,), query)
    live = await keys.count_live(on.db, user_id, MAX_LIVE)
    total = live if working else await keys.count(on.db, user_id) - live
    batch = await (keys.working if working else keys.ended)(on.db, user_id, query.limit, query.offset)
    return ListPage(batch, total)


async def _listed(queries: Queries, user_id: str, states: Sequence[bool], query: ListKeys) -> ListPage[Key]:
    """`states` are those of the keys: whether they work."""
    lines: list[KeyLine] = []
    if True in states:
        lines += await keys.working_lines(queries, user_id, MAX_LIVE)
    if False in states:
        lines += await keys.ended_lines(queries, user_id, MAX_ENDED_LISTED)
    if query.q is not None:
        text, spellings = str(query.q), folding.spellings(query.q)
        lines = [line for line in lines if _is_named(line, spellings) or _is_called(line, text)]
    column = query.sort.removeprefix("-")
    lines.sort(key=_ORDERS[column], reverse=query.sort != column)
    ids = [line.id for line in lines[query.offset : query.offset + query.limit]]
    return ListPage(await keys.by_ids(queries, user_id, ids), len(lines))


_ORDERS: dict[str, Callable[[KeyLine], tuple[Any, ...]]] = {
    "created_at": lambda line: (line.id,),
    "name": lambda line: (fold(line.name), line.id),
    "last_used_at": lambda line: (line.last_used_at or 0, line.id),
}


def _is_named(line: KeyLine, spellings: Sequence[str]) -> bool:
    text = folding.searched_text(line.name, "")
    return any(spelling in text for spelling in spellings)


def _is_called(line: KeyLine, text: str) -> bool:
    """Test whether this is how the key is shown, or begins like its ID or the key itself. A whole key finds itself,
    too."""
    first, _, last = text.partition("…")
    return (
        line.id.startswith(text)
        or line.start.startswith(text)
        or text == line.last_four
        or (first in ("", line.start) and last == line.last_four)
        or (text.startswith(line.start) and text.endswith(line.last_four))
    )


async def names(on: Rollbook, by: Principal, user_id: str, ids: Sequence[str]) -> list[KeyName]:
    """The names of some of a user's keys, in the order of `ids`: at most `records.keys.MAX_NAMES`. Raises
    InsufficientScope, NotFound."""
    return await keys.names(on.db, await subject(on, by, "keys:read", user_id), ids)


async def choices(on: Rollbook, by: Principal, user_id: str, first: Sequence[str] = ()) -> list[KeyName]:
    """A user's keys to choose from: `first`, then all that work and the newest that no longer do. Raises
    InsufficientScope, NotFound."""
    return await on.read_aside(_choices, await subject(on, by, "keys:read", user_id), first)


async def _choices(queries: Queries, user_id: str, first: Sequence[str]) -> list[KeyName]:
    working = await keys.working_names(queries, user_id, MAX_LIVE)
    ended = await keys.ended_names(queries, user_id, MAX_ENDED_CHOICES)
    return list(dict.fromkeys([*await keys.names(queries, user_id, first), *working, *ended]))


async def list_scim(on: Rollbook, by: Principal) -> list[HeldKey]:
    """The newest SCIM keys of all users that were not revoked. Raises InsufficientScope."""
    require(by, "keys:read")
    scim_keys = await keys.of_scim(on.db, MAX_SCIM)
    users_by_id = {id: await users.by_id(on.db, id) for id in {key.user_id for key in scim_keys}}
    return [HeldKey(key, user) for key in scim_keys if (user := users_by_id[key.user_id]) is not None]


async def get(on: Rollbook, by: Principal, id: str) -> Key:
    """Get an API key

    Returns the key without the secret. Use `current` as the ID for the key that sends the request.
    """
    key, _ = await _find(on, by, "keys:read", id)
    return key


def may_have_own(on: Rollbook, by: Principal) -> bool:
    """Test whether a person who is signed in may create API keys of their own."""
    return by.role != "member" or "keys" in on.settings.member_fields


async def create(on: Rollbook, by: Principal, new: KeyCreate) -> IssuedKey:
    """Create an API key

    Returns the key in full. A key can't create a key with more permissions or a later expiry than its own.
    """
    return await on.write(create_in, by, *await prepared(on, by, new))


async def prepared(on: Rollbook, by: Principal, new: KeyCreate) -> tuple[keys.NewKey, str]:
    """A new key and its token, for `create_in`. Raises Forbidden, InsufficientScope, InvalidParameter, NotFound,
    ProofRequired."""
    user_id = await subject(on, by, "keys:write", given(new.user_id))
    if by.key_id is None and not may_have_own(on, by):
        raise Forbidden("On this server, members have no API keys of their own.")
    user = await users.get(on.db, user_id)
    may_touch(by, user_id, user.role)
    require_proof(by)
    token = key_format.mint(new.kind)
    return record(on, by, new, user, token), token


def record(on: Rollbook, by: Principal, new: KeyCreate, user: User, token: str) -> keys.NewKey:
    """Record of a new key for a user. Raises InsufficientScope, InvalidParameter."""
    own = by.caller.bounds
    return sealed_record(
        on.secret,
        token,
        user_id=user.id,
        name=new.name,
        kind=new.kind,
        scopes=key_bounds.new_scopes(own, by.scopes, user.role, new.kind, given(new.scopes)),
        ip_allow=key_bounds.new_networks(own, given(new.ip_allow)),
        rate_limit=key_bounds.new_limit(own, given(new.rate_limit)),
        audiences=key_bounds.new_audiences(own, user, new.kind, given(new.audiences)),
        expires_at=key_bounds.new_expiry(own, given(new.expires_at), on.settings.key_max_age),
        revealable=new.revealable,
        origin=creators.of(by, user.id),
        limited_with=by.caller.limited_with,
    )


async def create_in(tx: Tx, by: Principal, new: keys.NewKey, token: str) -> IssuedKey:
    """Add a key. Its user is looked at again here, where nothing comes between: they may have been deleted, or made an
    owner, while this waited."""
    await creators.lock_people(tx, by, "keys:write", new.user_id)
    may_touch(by, new.user_id, (await users.get(tx, new.user_id)).role)
    await creators.check_key(tx, by)
    return await add(tx, by, new, token)


async def add(tx: Tx, by: Principal, new: keys.NewKey, token: str) -> IssuedKey:
    key = await _add(tx, new)
    await events.record(tx, "key.created", key.user_id, by.actor, keys.public(key))
    return IssuedKey(key, token)


async def _add(tx: Tx, new: keys.NewKey) -> Key:
    """Add a key. Its user is locked: of two at the same time, the second sees the first."""
    if await keys.count_live(tx, new.user_id, MAX_LIVE) >= MAX_LIVE:
        raise KeyLimitReached()
    return await keys.add(tx, new)


async def reveal(on: Rollbook, by: Principal, id: str, proof: PasswordProof) -> IssuedKey:
    """Reveal an API key

    Returns one of your own keys in full. Requires your password or, if you have a second factor, a code. Fails with 404
    if the key is not revealable or was revoked.
    """
    key = await find_no_wider(on, by, id)
    if key.user_id != by.user_id:
        raise InsufficientScope("Only the user a key belongs to can reveal it.")
    proven = await prove(on, by, proof)
    sealed = await keys.sealed(on.db, key.id)
    if sealed is None:
        raise NotFound("This key cannot be revealed.")
    try:
        token = on.secret.unseal(SEALED, sealed, key.id.encode()).decode()
    except ValueError:
        raise NotFound(
            "This key cannot be shown again: the server's secret has changed since it was created. Rotate it."
        ) from None
    return await on.write(_revealed, by, key, token, proven)


async def _revealed(tx: Tx, by: Principal, key: Key, token: str, proven: Proven | None) -> IssuedKey:
    await users.get(tx, key.user_id)
    await creators.check_key(tx, by)
    await proof.use(tx, by.actor, proven)
    now = await keys.get(tx, key.id)
    await events.record(tx, "key.revealed", key.user_id, by.actor, keys.public(now))
    return IssuedKey(key, token)


async def rotate(on: Rollbook, by: Principal, id: str, rotation: KeyRotation) -> IssuedKey:
    """Rotate an API key

    Creates a new key with the same permissions and expiry. The old key keeps working for `overlap` seconds.
    """
    old = await find_no_wider(on, by, id)
    require_proof(by)
    check_works(old)
    token = key_format.mint(old.kind)
    record = sealed_record(
        on.secret,
        token,
        user_id=old.user_id,
        name=old.name,
        kind=old.kind,
        tenant=old.tenant or old.id,
        scopes=old.scopes,
        ip_allow=old.ip_allow,
        rate_limit=old.rate_limit,
        audiences=old.audiences,
        expires_at=key_bounds.within_age(old.expires_at, on.settings.key_max_age),
        revealable=bool(old.revealable),
        origin=creators.of(by, old.user_id),
        limited_with=by.caller.limited_with or (old.limited_with or old.id if old.rate_limit else None),
    )
    return await on.write(_rotate, by, old.id, record, token, rotation.overlap * clock.SECOND)


async def _rotate(tx: Tx, by: Principal, id: str, new: keys.NewKey, token: str, overlap: int) -> IssuedKey:
    # Its user first, as all do who change both: to be deleted at the same moment must revoke the new key, too.
    await creators.lock_people(tx, by, "keys:write", new.user_id)
    await users.get(tx, new.user_id)
    await creators.check_key(tx, by)
    old = await keys.get(tx, id)
    if old.revoked_at is not None:
        raise NotFound()
    before = await keys.end_at(tx, old, clock.now() + overlap) if overlap else await keys.revoke(tx, id)
    key = await _add(tx, new)
    await events.record(tx, "key.rotated", key.user_id, by.actor, keys.public(key), keys.public(before))
    return IssuedKey(key, token)


async def revoke(on: Rollbook, by: Principal, id: str, of: str | None = None) -> None:
    """Revoke an API key

    The key stops working within a second, on all servers. Nothing happens if it was revoked before.
    """
    # `of` names the user whose key it must be.
    key, role = await _find(on, by, "keys:write", id)
    if of is not None and key.user_id != of:
        raise NotFound()
    may_touch(by, key.user_id, role)
    if key.revoked_at is None:
        await on.write(_revoke, by, key.id)


async def _revoke(tx: Tx, by: Principal, id: str) -> None:
    with suppress(NotFound):  # it was revoked while this waited
        key = await keys.revoke(tx, id)
        await events.record(tx, "key.revoked", key.user_id, by.actor, keys.public(key))


def sealed_record(
    secret: Secret,
    token: str,
    *,
    user_id: str,
    name: str,
    kind: str = "api",
    tenant: str | None = None,
    scopes: str | None = None,
    ip_allow: str | None = None,
    rate_limit: str | None = None,
    audiences: str | None = None,
    expires_at: int | None = None,
    revealable: bool = True,
    origin: Origin,
    limited_with: str | None = None,
) -> keys.NewKey:
    """Record of a key with this token: its digest and, if it may be revealed, the token sealed and bound to the key's
    ID."""
    id = keys.new_id()
    return keys.NewKey(
        id=id,
        user_id=user_id,
        name=name,
        digest=key_format.digest(token),
        start=key_format.start(token),
        last_four=key_format.last_four(token),
        sealed=secret.seal(SEALED, token.encode(), id.encode()) if revealable else None,
        scopes=scopes,
        ip_allow=ip_allow,
        rate_limit=rate_limit,
        expires_at=expires_at,
        created_by=origin.created_by,
        created_with=origin.created_with,
        lineage=origin.lineage,
        limited_with=limited_with,
        kind=kind,
        tenant=tenant,
        audiences=audiences,
    )


async def _find(on: Rollbook, by: Principal, scope: str, id: str) -> tuple[Key, str]:
    """The key and the role of its user; for who reaches only themselves, others' keys do not exist. Raises NotFound."""
    require_own(by, scope)
    named = by.key_id if id == "current" else id
    key = await keys.get(on.db, known("key", named or ""))
    if key.user_id == by.user_id:
        return key, by.role
    if not reaches_all(by, scope):
        raise NotFound()
    return key, (await users.get(on.db, key.user_id)).role


async def find_no_wider(on: Rollbook, by: Principal, id: str) -> Key:
    """The key, for a caller who gets hold of it, or of one like it. Raises NotFound, and InsufficientScope if it may do
    more than the caller."""
    return (await find_with_role(on, by, id))[0]


async def find_with_role(on: Rollbook, by: Principal, id: str) -> tuple[Key, str]:
    """The key and the role of its user, for a caller who gets hold of it, see `find_no_wider`."""
    key, role = await _find(on, by, "keys:write", id)
    may_touch(by, key.user_id, role)
    if key.id != by.key_id:
        key_bounds.check_no_wider(by.caller.bounds, by.scopes, key, role)
    return key, role


def check_works(key: Key) -> None:
    """Raises NotFound."""
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= clock.now()):
        raise NotFound("This key no longer works. Create a new one.")


FIELDS = ("name", "scopes", "ip_allow", "rate_limit", "audiences", "expires_at")


async def update(on: Rollbook, by: Principal, id: str, changes: KeyUpdate, seen: str | None = None) -> Key:
    """Update an API key

    Fields you don't send are left unchanged. The change takes effect within a second, on all servers. To give a key
    more than it has (scopes, allowed IPs, requests, audiences or time), send your `current_password` or, if you have a
    second factor, a `code`. A key can't give more than it has itself, and can only change keys that can do no more than
    it.
    """
    # `seen` is the `version` of the key that a form showed.
    key, role = await find_with_role(on, by, id)
    check_works(key)
    if seen not in (None, version(key)):
        raise PreconditionFailed(
            "Someone has changed this key meanwhile, so nothing was saved. The form shows it as it is now."
        )
    changed = _wanted(on, by, key, role, changes)
    if changes.audiences is not UNSET:
        user = await users.get(on.db, key.user_id)
        audiences = key_bounds.new_audiences(by.caller.bounds, user, key.kind, changes.audiences)
        changed = changed._replace(audiences=audiences)
    if _fields(changed) == _fields(key):
        return key
    proven = None
    if key_bounds.widens(key, changed):
        proven = await _prove(on, by, changes)
        # Whoever gives a key more answers for it as well: they may have it.
        changed = changed._replace(lineage=creators.joined(by, key.user_id, lineages.users(key.lineage)))
    # None: someone else was faster. What can be given is then looked at again.
    return await on.write(_update, by, key, changed, proven) or await update(on, by, id, changes, seen)


def version(key: Key) -> str:
    """Text that is another one after each change."""
    return sha256(repr(_fields(key)).encode()).hexdigest()[:16]


def _fields(key: Key) -> dict[str, Any]:
    return {name: getattr(key, name) for name in FIELDS}


def _wanted(on: Rollbook, by: Principal, key: Key, role: str, changes: KeyUpdate) -> Key:
    """The key after the changes. Raises InsufficientScope, InvalidParameter."""
    own = by.caller.bounds
    columns: dict[str, Any] = {}
    if changes.name is not UNSET:
        columns["name"] = changes.name
    if changes.scopes is not UNSET:
        scopes = key_bounds.scopes_of(key.scopes) or frozenset()
        columns["scopes"] = key_bounds.new_scopes(own, by.scopes, role, key.kind, changes.scopes, scopes)
    if changes.ip_allow is not UNSET:
        columns["ip_allow"] = key_bounds.new_networks(own, changes.ip_allow)
    if changes.rate_limit is not UNSET:
        columns["rate_limit"] = limit = key_bounds.new_limit(own, changes.rate_limit)
        if limit is not None and _windows(limit) != _windows(key.rate_limit):
            # Keys that share a limit count in one bucket, where other windows would take the place of theirs.
            columns["limited_with"] = by.caller.limited_with or records.new_id()
    if changes.expires_at is not UNSET:
        columns["expires_at"] = key_bounds.changed_expiry(own, key, changes.expires_at, on.settings.key_max_age)
    return key._replace(**columns)


def _windows(limit: str | None) -> set[int]:
    return set() if limit is None else {window.seconds for window in Limit.parse(limit)}


async def _prove(on: Rollbook, by: Principal, changes: KeyUpdate) -> Proven | None:
    """Raises ProofRequired, InvalidParameter, InsufficientScope, WrongPassword, WrongCode, TooManyAttempts,
    Overloaded."""
    if by.is_operator:
        return None
    if by.session_id is None and await users.password_hash(on.db, by.user_id) is None:
        if not await second_factors.has(on.db, by.user_id):
            passwords.check_first(by, await users.get(on.db, by.user_id))
            return None
    return await prove(on, by, PasswordProof(password=changes.current_password, code=changes.code), "current_password")


async def _update(tx: Tx, by: Principal, key: Key, changed: Key, proven: Proven | None) -> Key | None:
    """The changed key; None if it is not what it was, so that it might get more than was looked at."""
    # Its user first, as all do who change both.
    await creators.lock_people(tx, by, "keys:write", key.user_id)
    may_touch(by, key.user_id, (await users.get(tx, key.user_id)).role)
    await creators.check_key(tx, by)
    now = await records.get(tx, key.id)
    check_works(now)
    if (_fields(now), now.limited_with, now.lineage) != (_fields(key), key.limited_with, key.lineage):
        return None
    await proof.use(tx, by.actor, proven)
    after = await records.change(tx, changed)
    was, shown = records.public(now), records.public(after)
    before = {name: was[name] for name in FIELDS if was[name] != shown[name]}
    await events.record(tx, "key.updated", after.user_id, by.actor, shown, before)
    return after


BATCH = 256
REST = clock.HOUR
"""Longest distance a mark may lag behind while no key expires, so that nothing is written."""


class ExpiryNotice(NamedTuple):
    mark: str
    """Up to when it was given, by the times at which it is due."""
    type: str
    ahead: int
    """The time before the key expires at which it is due, in microseconds."""
    until: int
    """The time before the key expires at which it is too late."""


NOTICES = (
    ExpiryNotice("keys.expiring.7", "key.expiring", 7 * clock.DAY, clock.DAY),
    ExpiryNotice("keys.expiring.1", "key.expiring", clock.DAY, 0),
    ExpiryNotice("keys.expired", "key.expired", 0, -1 << 60),
)


async def give_notice(on: Rollbook) -> bool:
    """Record the events that are due. Returns whether there are more."""
    now = clock.now()
    more = False
    for notice in NOTICES:
        since = await marks.get(on.db, notice.mark)
        if now - since > REST or (await on.read(_due, notice, since, now))[0]:
            more |= await on.db.write(_give, notice, now)
    return more


async def _due(queries: Queries, notice: ExpiryNotice, since: int, now: int) -> tuple[list[Key], int | None]:
    first = max(since + notice.ahead, now + notice.until)
    return await keys.expiring(queries, first, now + notice.ahead, notice.ahead, BATCH)


async def _give(tx: Tx, notice: ExpiryNotice, now: int) -> bool:
    """Give notice in the transaction that moves the mark, so that each is given once."""
    since = await marks.lock(tx, notice.mark)
    if not since:  # the first time, there is no telling what was due
        await marks.advance(tx, notice.mark, now)
        return False
    due, up_to = await _due(tx, notice, since, now)
    for key in due:
        await events.record(tx, notice.type, key.user_id, SYSTEM.actor, keys.public(key))
    await marks.advance(tx, notice.mark, now if up_to is None else up_to - notice.ahead)
    return up_to is not None
