"""Taking over a user who is known by their email alone, for an identity provider or a file. Whoever had an email here
first may not be who it belongs to: another person's groups and metadata must not come into their hands.

A user may be taken over whose email is verified, or was given by an import, an identity provider or an adoption; and
one who has no password, active second factor or working API key yet. Others are refused until an admin adopts them,
which ends all that led into the account.
"""

from __future__ import annotations

from rollbook.actions import endings
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import known, may_grant, require, require_proof
from rollbook.actions.principal import Principal
from rollbook.actions.user_kinds import check_person
from rollbook.errors import NotYourself
from rollbook.records import users
from rollbook.records.users import User
from rollbook.storage.database import Tx


async def is_unproven(on: Rollbook, user: User) -> bool:
    """Test whether identity providers and imports refuse a user."""
    return bool(await users.unproven(on.db, [user.id]))


async def adopt(on: Rollbook, by: Principal, id: str) -> User:
    """Adopt a user

    For a user whom [SCIM](scim.md) or an import refuses with `email_unproven`: someone may have signed up with an email
    that isn't theirs. Ends the user's password, second factors, sessions, API keys, webhooks and links, and what they
    created for others. From then on, identity providers and imports take the user over. Nothing happens to a user whose
    email is verified, or who was imported or created by SCIM. For a user with a role above member, the key needs the
    scope `users:grant` as well.
    """
    require(by, "users:write")
    require_proof(by)
    return await on.write(_adopt, by, known("user", id))


async def _adopt(tx: Tx, by: Principal, id: str) -> User:
    user = await users.get(tx, id)
    check_person(user)
    may_grant(by, user.role)
    is_proven = user.email_verified or user.email_asserted
    return user if is_proven and user.id != by.user_id else await take_over(tx, by, user)


async def take_over(tx: Tx, by: Principal, user: User) -> User:
    """End all that led into the account of a user, who is locked. Raises NotYourself, InsufficientScope."""
    if user.id == by.user_id:
        raise NotYourself("You cannot adopt yourself.")
    may_grant(by, user.role)
    user = await endings.end_access(tx, by.actor, user.id)
    await users.assert_email(tx, user.id)
    return user
