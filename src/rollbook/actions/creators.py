"""API keys, webhooks and one-time tokens that people create for others. They end when their creator loses the right to
create them: otherwise, who leaves could go on acting on behalf of those who stay."""

from __future__ import annotations

from rollbook import roles
from rollbook.actions import webhook_owners
from rollbook.actions.permissions import require
from rollbook.actions.principal import Principal, as_of_now
from rollbook.errors import InsufficientScope
from rollbook.records import events, keys, one_time_tokens, users, webhooks
from rollbook.records.events import Actor
from rollbook.records.users import User
from rollbook.records.webhooks import replays
from rollbook.storage.database import Tx

REASON = "creator_lost_rights"


def of(by: Principal, user_id: str) -> str | None:
    """Creator of what this caller creates for a user. What a key creates for its own user comes from whoever created
    that key. None: it is not known; empty: the command line."""
    return by.caller.created_by if user_id == by.user_id else by.user_id


async def hold(tx: Tx, by: Principal, scope: str, user_id: str) -> None:
    """Check once more, with both users locked, that the caller may create something for this user. Without the locks,
    the caller could lose the right meanwhile, and what is created would not end with it. They are always locked in the
    same order. Raises Unauthorized, Forbidden, NotFound."""
    if user_id == by.user_id or not by.user_id:
        return
    await users.hold_both(tx, by.user_id, user_id)
    now = await as_of_now(tx, by)
    if now.role != by.role:
        raise InsufficientScope("Your role was changed meanwhile. Nothing was changed.")
    require(by, scope)


async def check_key(tx: Tx, by: Principal) -> None:
    """Check once more, with its user locked, that the caller's key can still do what it could when the request came.
    Whoever narrows or revokes a key waits for this, or this for them. Raises Unauthorized, Forbidden."""
    if by.key_id is None:
        return
    await keys.get(tx, by.key_id)  # locks it
    if (await as_of_now(tx, by)).privileges != by.caller.privileges:
        raise InsufficientScope("Your API key was changed meanwhile. Nothing was changed.")


async def end(tx: Tx, by: Actor, user: User, now: User | None) -> None:
    """End what a user created for others and could not create any more. `now` is the user after the change; None: they
    were deleted."""
    everything = now is None or roles.is_barred(now.status)
    role = user.role if now is None or everything else now.role
    for id, holder_role in await keys.created_for_others(tx, user.id):
        if everything or not _may_create("keys:write", role, holder_role):
            revoked = await keys.revoke(tx, id)
            await events.record(tx, "key.revoked", revoked.user_id, by, keys.public(revoked))
    for webhook, holder_role in await webhooks.created_for_others(tx, user.id):
        if everything or not _may_create("webhooks:write", role, holder_role):
            if webhook.status != "disabled":
                await webhook_owners.disable(tx, by, webhook, REASON)
            await replays.cancel_all(tx, webhook.id)
    if everything:
        await one_time_tokens.end_of_creator(tx, user.id)
    else:
        for holder_role in roles.ROLES:
            if not _may_create("tokens:create", role, holder_role):
                await one_time_tokens.end_of_creator(tx, user.id, holder_role)


def _may_create(scope: str, role: str, holder_role: str) -> bool:
    return scope in roles.ON_ALL[role] and (role == "owner" or holder_role != "owner")
