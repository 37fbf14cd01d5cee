"""Connecting an application: a user of that kind, and its first API key."""

from __future__ import annotations

from rollbook.actions import creators, keys, users
from rollbook.actions.arguments import KeyCreate, UserCreate
from rollbook.actions.checking import given
from rollbook.actions.context import Rollbook
from rollbook.actions.keys import IssuedKey
from rollbook.actions.permissions import may_grant, require, require_proof
from rollbook.actions.principal import Principal
from rollbook.auth import key_format
from rollbook.records.keys import NewKey
from rollbook.records.users import User
from rollbook.storage.database import Tx


async def connect(on: Rollbook, by: Principal, new: UserCreate, key: KeyCreate) -> IssuedKey:
    """Both, or none of them. Raises InsufficientScope, ProofRequired, EmailTaken."""
    require(by, "users:write")
    require(by, "keys:write")
    role = given(new.role, "member")
    may_grant(by, role)
    require_proof(by)
    user, token = users.record(new), key_format.mint()
    return await on.write(_connect, by, user, keys.record(on, by, key, user.id, role, token), token)


async def _connect(tx: Tx, by: Principal, new: User, key: NewKey, token: str) -> IssuedKey:
    await users.add(tx, by, new)
    await creators.hold(tx, by, "keys:write", new.id)
    return await keys.add(tx, by, key, token)
