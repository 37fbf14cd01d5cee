"""Owners of webhooks: a webhook sends for as long as its owner may read what it sends."""

from __future__ import annotations

from rollbook import clock, roles
from rollbook.actions.checking import refuse
from rollbook.actions.permissions import may_touch_of
from rollbook.actions.principal import Principal
from rollbook.errors import InsufficientScope, WebhookLimitReached
from rollbook.records import events, users, webhooks
from rollbook.records.events import Actor
from rollbook.records.users import User
from rollbook.records.webhooks import Webhook, cursors, replays
from rollbook.storage.database import Queries, Tx

MAX_OF_USER = 50
MAX_OF_SERVER = 500


def may_own(user: User) -> bool:
    return not roles.is_barred(user.status) and user.role in roles.WEBHOOK_ROLES


async def check_owner(tx: Tx, user_id: str) -> None:
    """Raises InvalidParameter. The user is locked: it stays as it is until the transaction ends."""
    user = await users.by_id(tx, user_id)
    if user is None or not may_own(user):
        refuse("user_id", f"must not be suspended, and have one of these roles: {', '.join(roles.WEBHOOK_ROLES)}")


async def held(tx: Tx, by: Principal, id: str) -> Webhook:
    """A webhook that this caller is about to change, as it is now: its user and then it are locked. Raises NotFound,
    InsufficientScope."""
    owner = await webhooks.owner_of(tx, id)
    await may_touch_of(tx, by, owner)
    webhook = await webhooks.get(tx, id)
    if webhook.user_id != owner:  # it was given to someone else in this moment
        await may_touch_of(tx, by, webhook.user_id)
    return webhook


async def check_may_send(queries: Queries, webhook: Webhook) -> None:
    """Check that the owner may read what a webhook sends, whoever changes it. Raises InsufficientScope."""
    user = await users.by_id(queries, webhook.user_id)
    if user is None or not may_own(user):
        raise InsufficientScope(
            "The user this webhook belongs to was suspended or deleted, or can't read events. Give it to another "
            "user first."
        )


async def check_limit(tx: Tx, user_id: str) -> None:
    """Check that this user, who is locked, may have one more webhook. Raises WebhookLimitReached."""
    if await webhooks.count(tx, user_id) >= MAX_OF_USER or await webhooks.count(tx) >= MAX_OF_SERVER:
        raise WebhookLimitReached()


async def disable(tx: Tx, by: Actor, webhook: Webhook, reason: str) -> Webhook:
    """`reason` is one of `webhooks.REASONS`. What happens meanwhile is kept in the log: the webhook can be resumed
    where it stands."""
    status = {"status": "disabled", "status_reason": reason}
    after = await webhooks.change(
        tx, webhook, {**status, "status_by": by.user_id or by.address, "status_at": clock.now()}
    )
    if reason in webhooks.OWNER_REASONS:
        await replays.cancel_all(tx, webhook.id)
    before = {"status": webhook.status, "status_reason": webhook.status_reason}
    await events.record(tx, "webhook.disabled", webhook.user_id, by, webhooks.in_events(after), before)
    return after


async def enable(tx: Tx, by: Actor, webhook: Webhook) -> None:
    """Resume a webhook where it stands. It can have been disabled only by a suspension that is over."""
    status = {"status": "enabled", "status_reason": None}
    after = await webhooks.change(
        tx, webhook, {**status, "status_by": by.user_id or by.address, "status_at": clock.now()}
    )
    await cursors.resume(tx, webhook.id)
    before = {"status": webhook.status, "status_reason": webhook.status_reason}
    await events.record(tx, "webhook.updated", webhook.user_id, by, webhooks.in_events(after), before)


async def disable_all(tx: Tx, by: Actor, user_id: str, reason: str) -> None:
    """Disable the webhooks of a user who may no longer have any. A suspension leaves paused ones paused, since it may
    end."""
    for webhook in await webhooks.working_of(tx, user_id, for_good=reason not in webhooks.SUSPENSIONS):
        await disable(tx, by, webhook, reason)
    await replays.cancel_all_of(tx, user_id)  # those of webhooks that are disabled for another reason


def lost(old: User, new: User) -> str | None:
    """The reason for which a user who was changed can no longer have webhooks. None: they can, or could not before."""
    if not may_own(old) or may_own(new):
        return None
    return "owner_suspended" if roles.is_barred(new.status) else "owner_demoted"
