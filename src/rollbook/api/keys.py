"""/v1/keys"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from msgspec import UNSET

from rollbook import clock, ids
from rollbook.api import types
from rollbook.api.answers import answer, created, no_content
from rollbook.api.parsing import refuse
from rollbook.auth import attempts, key_format, permissions
from rollbook.errors import InsufficientScope, NotFound, WrongPassword
from rollbook.gate import Call
from rollbook.http.response import Response
from rollbook.quota import NO_LIMIT, Limit
from rollbook.records import keys, users
from rollbook.records.keys import Key
from rollbook.storage.database import Tx

PURPOSE = "keys"  # of the secret that seals them
PERSON = Key("", "", "", "", "", 0, None, None, None, 0, None, None, None)
"""Stands for the key of somebody who needs none: it has no bounds."""


async def list_keys(call: Call) -> Response:
    """List API keys

    The caller's own, oldest first; an admin may name another `user`. The text of a key is never listed.
    """
    query: types.ListKeys = call.query
    user_id = await _subject(call, query.user)
    found = await keys.of_user(call.db, user_id, query.limit, query.offset)
    total = b"X-Total-Count: %d\r\n" % await keys.count(call.db, user_id)
    return answer(200, [keys.public(key) for key in found], total)


async def create_key(call: Call) -> Response:
    """Create an API key

    The answer holds the key's text. A key can make no key that may do more, or for longer, than itself.
    """
    new: types.NewKey = call.body
    user_id = await _subject(call, None if new.user_id is UNSET else new.user_id)
    user = await users.get(call.db, user_id)
    permissions.may_touch(call.caller.role, user.role)
    own = await _own(call)
    text = key_format.mint()
    record = make_record(
        call.services.secret,
        text,
        user_id=user_id,
        name=new.name,
        scopes=_scopes(own, user.role, call, new.scopes),
        ip_allow=_networks(own, new.ip_allow),
        rate_limit=_limit(own, new.rate_limit),
        expires_at=_expiry(own, new.expires_at),
        revealable=new.revealable,
    )
    return await call.write(_add, record, call, answer=lambda key: _created(key, text))


async def _add(tx: Tx, new: keys.NewKey, call: Call) -> Key:
    """Its user is looked at again here, where nothing comes between: it may have been deleted, or made an owner, while this waited."""
    permissions.may_touch(call.caller.role, (await users.get(tx, new.user_id)).role)
    return await keys.add(tx, new, call.actor)


async def get_key(call: Call) -> Response:
    """Get an API key

    Without its text. `current` stands for the key of this request.
    """
    return answer(200, keys.public(await _find(call)))


async def reveal_key(call: Call) -> Response:
    """Show an API key again

    Takes the caller's own password. 404 when the key was made not to be shown again, or was revoked.
    """
    key = await _find(call)
    me = await users.get(call.db, call.caller.user_id)
    if key.user_id != me.id:
        raise InsufficientScope("Only its own user can be shown a key again.")
    hash = await users.password_hash(call.db, me.id)
    services = call.services
    await attempts.verify(
        services.passwords, services.limiter, services.settings, attempts.account(me.email), hash, call.body.password
    )
    if hash is None:
        raise WrongPassword()
    sealed = await keys.sealed(call.db, key.id)
    if sealed is None:
        raise NotFound("This key cannot be shown again.")
    text = services.secret.unseal(PURPOSE, sealed, key.id.encode()).decode()
    return await call.write(keys.revealed, key.id, call.actor, answer=lambda _: answer(200, {**keys.public(key), "key": text}))


async def rotate_key(call: Call) -> Response:
    """Replace an API key

    The new key may do what the old one may and expires when the old one would have. The old one goes on working for `overlap` seconds.
    """
    old = await _find(call)
    text = key_format.mint()
    record = make_successor(call.services.secret, text, old)
    overlap = call.body.overlap * clock.SECOND
    return await call.write(keys.rotate, old.id, record, overlap, call.actor, answer=lambda key: _created(key, text))


async def revoke_key(call: Call) -> Response:
    """Revoke an API key

    It stops at once, everywhere.
    """
    key = await _find(call)
    if key.revoked_at is not None:
        raise NotFound()
    return await call.write(keys.revoke, key.id, call.actor, answer=no_content)


def make_record(
    secret: Any,
    text: str,
    *,
    user_id: str,
    name: str,
    scopes: str | None = None,
    ip_allow: str | None = None,
    rate_limit: str | None = None,
    expires_at: int | None = None,
    revealable: bool = True,
) -> keys.NewKey:
    """What is kept of a key with this text: its digest and, if it may be shown again, its text sealed and bound to its id."""
    id = keys.new_id()
    sealed = secret.seal(PURPOSE, text.encode(), id.encode()) if revealable else None
    return keys.NewKey(
        id,
        user_id,
        name,
        key_format.digest(text),
        key_format.start(text),
        key_format.last_four(text),
        sealed,
        scopes,
        ip_allow,
        rate_limit,
        expires_at,
    )


def make_successor(secret: Any, text: str, old: Key) -> keys.NewKey:
    """What is kept of a key with this text that takes the place of another: all that the old one has. Raises NotFound when that works no longer."""
    if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= clock.now()):
        raise NotFound("This key works no longer. Make a new one.")
    return make_record(
        secret,
        text,
        user_id=old.user_id,
        name=old.name,
        scopes=old.scopes,
        ip_allow=old.ip_allow,
        rate_limit=old.rate_limit,
        expires_at=old.expires_at,
        revealable=bool(old.revealable),
    )


async def _subject(call: Call, named: str | None) -> str:
    """Whose keys the call is about. Another user's are for those whose scope reaches all."""
    if named is None or named == "me" or named == call.caller.user_id:
        return call.caller.user_id
    if not call.reaches_all:
        raise InsufficientScope("Only an admin may keep another user's keys.")
    if not ids.is_id("user", named):
        raise NotFound()
    return (await users.get(call.db, named)).id


async def _find(call: Call) -> Key:
    """The key the path names; for a caller that reaches only itself, others do not exist."""
    id = call.caller.key_id if call.ids[0] == "current" else call.ids[0]
    if id is None or not ids.is_id("key", id):
        raise NotFound()
    key = await keys.get(call.db, id)
    role = call.caller.role
    if key.user_id != call.caller.user_id:
        if not call.reaches_all:
            raise NotFound()
        role = (await users.get(call.db, key.user_id)).role
        if call.request.method != "GET":
            permissions.may_touch(call.caller.role, role)
    if call.request.method == "POST" and key.id != call.caller.key_id:
        _no_wider(call, await _own(call), key, role)
    return key


async def _own(call: Call) -> Key:
    """The key of this request, which bounds those it makes. A person who is signed in is bound by the role alone."""
    return PERSON if call.caller.key_id is None else await keys.get(call.db, call.caller.key_id)


def _no_wider(call: Call, own: Key, key: Key, role: str) -> None:
    """A key gets no hold of a wider one, of its own user or of another: to be shown it, or what replaces it, would widen the key."""
    reached = permissions.grantable(role) if key.scopes is None else frozenset(key.scopes.split()) & permissions.grantable(role)
    if (
        (own.scopes is not None and key.scopes is None)
        or not reached <= _held(call)
        or (own.ip_allow is not None and (key.ip_allow is None or not _all_within(key.ip_allow.split(), own.ip_allow.split())))
        or (own.rate_limit is not None and (key.rate_limit is None or not _no_looser(_parse(key), _parse(own))))
        or (own.expires_at is not None and (key.expires_at is None or key.expires_at > own.expires_at))
    ):
        raise InsufficientScope("This key may do less than the one it asks for.")


def _held(call: Call) -> frozenset[str]:
    return call.caller.scopes_on_all | call.caller.scopes_on_self


def _parse(key: Key) -> Limit:
    return Limit.parse(key.rate_limit) if key.rate_limit else NO_LIMIT


# ---- a key makes no key that is wider than itself


def _scopes(own: Key, role: str, call: Call, wanted: Any) -> str | None:
    held = _held(call)
    if wanted is UNSET or wanted is None:
        # A key with scopes hands on scopes, even where they are all that the role has now: the role may get more.
        return None if own.scopes is None else " ".join(sorted(permissions.grantable(role) & held))
    for scope in wanted:
        if scope not in held:
            raise InsufficientScope(f"This key cannot give the scope {scope}, which it does not have.", scope=scope)
        if scope not in permissions.grantable(role):
            refuse("scopes", f"holds {scope}, which the role {role} does not have")
    return " ".join(sorted(set(wanted)))


def _networks(own: Key, wanted: Any) -> str | None:
    if wanted is UNSET or wanted is None:
        return own.ip_allow
    if own.ip_allow is not None and not _all_within(wanted, own.ip_allow.split()):
        raise InsufficientScope("This key cannot make a key for addresses from which it may not be used itself.")
    return " ".join(wanted)


def _limit(own: Key, wanted: Any) -> str | None:
    if wanted is UNSET or wanted is None:
        return own.rate_limit
    if own.rate_limit is not None and not _no_looser(Limit.parse(wanted), Limit.parse(own.rate_limit)):
        raise InsufficientScope("This key cannot make a key with a higher rate limit than its own.")
    return wanted if Limit.parse(wanted) else None


def _expiry(own: Key, wanted: Any) -> int | None:
    if wanted is UNSET or wanted is None:
        return own.expires_at
    if wanted <= clock.now():
        refuse("expires_at", "must be in the future")
    if own.expires_at is not None and wanted > own.expires_at:
        raise InsufficientScope("This key cannot make a key that expires later than itself.")
    return int(wanted)


def _all_within(networks: Any, allowed: list[str]) -> bool:
    outer = [ip_network(network) for network in allowed]
    return all(
        any(inner.version == network.version and inner.subnet_of(network) for network in outer)  # type: ignore[arg-type]
        for inner in map(ip_network, networks)
    )


def _no_looser(wanted: Limit, own: Limit) -> bool:
    """Whether each window of `own` has one in `wanted` of the same length that admits no more."""
    by_length = {window.seconds: window.calls for window in wanted}
    return all(by_length.get(window.seconds, window.calls + 1) <= window.calls for window in own)


def _created(key: Key, text: str) -> Response:
    return created(f"/v1/keys/{key.id}", answer(201, {**keys.public(key), "key": text}))
