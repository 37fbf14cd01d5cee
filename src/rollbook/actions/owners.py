"""The first owner, whom a server creates before anybody can reach it."""

from __future__ import annotations

from typing import NamedTuple

from rollbook import clock
from rollbook.actions import creators, keys, users
from rollbook.actions import tokens as links
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import Principal
from rollbook.auth import key_format, tokens
from rollbook.errors import EmailTaken
from rollbook.records import one_time_tokens
from rollbook.records import users as records
from rollbook.records.users import User
from rollbook.storage.database import Tx


class FirstOwner(NamedTuple):
    """Result of the first start: the tokens of the owner's key and of the link that sets their password."""

    key: str
    link: str | None


async def create_first(
    on: Rollbook, by: Principal, name: str, email: str, password: str | None, key: str | None, with_link: bool
) -> FirstOwner | None:
    """An owner, an API key (a new one, unless its token is given) and a link to set the password: all or none. None
    when there is an owner.

    Raises EmailTaken.
    """
    new = records.new(name, email, role="owner")
    hash = None if password is None else await on.passwords.hash(password)
    first = FirstOwner(key or key_format.mint(), tokens.mint() if with_link else None)
    try:
        return await on.write(_create_first, on, by, new, hash, first)
    except EmailTaken:
        if await records.oldest_owner(on.db) is None:
            raise
        return None  # another server was faster


async def is_first_link_open(on: Rollbook) -> bool:
    """Test whether the owner has no password yet, and the link that sets the first one still works."""
    owner = await records.oldest_owner(on.db)
    if owner is None or owner.has_password or "owner" not in on.settings.sign_in_roles:
        return False
    open_links = await one_time_tokens.of_users(on.db, [owner.id], "reset_password")
    return any(link.expires_at > clock.now() for link in open_links.values())


async def _create_first(
    tx: Tx, on: Rollbook, by: Principal, new: User, password_hash: str | None, first: FirstOwner
) -> FirstOwner | None:
    if await records.oldest_owner(tx) is not None:
        return None
    user = await users.add(tx, by, new, password_hash)
    await keys.add(
        tx,
        by,
        keys.sealed_record(on.secret, first.key, user_id=user.id, name="first key", origin=creators.of(by, user.id)),
        first.key,
    )
    if first.link is not None:
        await links.add_link(tx, by, user, first.link)
    return first
