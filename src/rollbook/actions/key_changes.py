"""Changes of an API key that exists: its name and what narrows it. To give a key more than it has takes a proof."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from msgspec import UNSET

from rollbook.actions import creators, factor_proof, key_bounds, keys, passwords, second_factors
from rollbook.actions.arguments import KeyUpdate, PasswordProof
from rollbook.actions.context import Rollbook
from rollbook.actions.factor_proof import Proven
from rollbook.actions.permissions import may_touch
from rollbook.actions.principal import Principal
from rollbook.actions.proof import prove
from rollbook.errors import PreconditionFailed
from rollbook.quota import Limit
from rollbook.records import events, lineages, users
from rollbook.records import keys as records
from rollbook.records.keys import Key
from rollbook.storage.database import Tx

FIELDS = ("name", "scopes", "ip_allow", "rate_limit", "audiences", "expires_at")


async def update(on: Rollbook, by: Principal, id: str, changes: KeyUpdate, seen: str | None = None) -> Key:
    """Update an API key

    Fields you don't send are left unchanged. The change takes effect within a second, on all servers. To give a key
    more than it has (scopes, allowed IPs, requests, audiences or time), send your `current_password` or, if you have a
    second factor, a `code`. A key can't give more than it has itself, and can only change keys that can do no more than
    it.
    """
    # `seen` is the `version` of the key that a form showed.
    key, role = await keys.find_with_role(on, by, id)
    keys.check_works(key)
    if seen not in (None, version(key)):
        raise PreconditionFailed(
            "Someone has changed this key meanwhile, so nothing was saved. The form shows it as it is now."
        )
    wanted = _wanted(on, by, key, role, changes)
    if changes.audiences is not UNSET:
        user = await users.get(on.db, key.user_id)
        audiences = key_bounds.new_audiences(by.caller.bounds, user, key.kind, changes.audiences)
        wanted = wanted._replace(audiences=audiences)
    if _fields(wanted) == _fields(key):
        return key
    proven = None
    if key_bounds.widens(key, wanted):
        proven = await _prove(on, by, changes)
        # Whoever gives a key more answers for it as well: they may have it.
        wanted = wanted._replace(lineage=creators.joined(by, key.user_id, lineages.users(key.lineage)))
    # None: someone else was faster. What can be given is then looked at again.
    return await on.write(_update, by, key, wanted, proven) or await update(on, by, id, changes, seen)


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
        kept = key_bounds.scopes_of(key.scopes) or frozenset()
        columns["scopes"] = key_bounds.new_scopes(own, by.scopes, role, key.kind, changes.scopes, kept)
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


async def _update(tx: Tx, by: Principal, key: Key, wanted: Key, proven: Proven | None) -> Key | None:
    """The changed key; None if it is not what it was, so that it might get more than was looked at."""
    # Its user first, as all do who change both.
    await creators.hold(tx, by, "keys:write", key.user_id)
    may_touch(by, key.user_id, (await users.get(tx, key.user_id)).role)
    await creators.check_key(tx, by)
    now = await records.get(tx, key.id)
    keys.check_works(now)
    if (_fields(now), now.limited_with, now.lineage) != (_fields(key), key.limited_with, key.lineage):
        return None
    await factor_proof.use(tx, by.actor, proven)
    after = await records.change(tx, wanted)
    was, shown = records.public(now), records.public(after)
    before = {name: was[name] for name in FIELDS if was[name] != shown[name]}
    await events.record(tx, "key.updated", after.user_id, by.actor, shown, before)
    return after
