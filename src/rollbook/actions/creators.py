"""Origins of API keys, webhooks, one-time tokens and sessions: the people they go back to, over any number of keys.
What goes back to somebody does nothing while they are suspended, and ends when they lose the right to create it:
otherwise, who leaves could go on acting on behalf of those who stay. A webhook sends for as long as its owner may read
what it sends. Once how a user signs in has changed, all that was begun for them ends: whoever began it may have been
someone else."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from rollbook import clock, roles
from rollbook.actions.checking import refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import may_touch_of, require
from rollbook.actions.principal import Principal, as_of_now
from rollbook.errors import InsufficientScope, WebhookLimitReached
from rollbook.records import (
    events,
    failed_guesses,
    keys,
    lineages,
    one_time_tokens,
    second_factors,
    sessions,
    users,
    webhooks,
)
from rollbook.records.events import Actor
from rollbook.records.one_time_tokens import Carrier, Token
from rollbook.records.users import User
from rollbook.records.webhooks import MAIL_ID, Webhook, cursors, replays
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


REASON, ACCESS_ENDED = REASONS = "creator_lost_rights", "access_ended"
"""Reasons for which a webhook ends, until somebody answers for it."""
MAX_PEOPLE = 16
"""Users that one thing can go back to: what it costs to look at them all has a bound."""
MAX_SHOWN = 10_000


class Origin(NamedTuple):
    """Origin of what a caller creates, as records keep it."""

    created_by: str | None = None
    """The person it goes back to first. None: not known; empty: the command line."""
    created_with: str | None = None
    """A key."""
    lineage: str | None = None


NOT_KNOWN = Origin()


def of(by: Principal, user_id: str) -> Origin:
    """Origin of what this caller creates for a user. Raises InsufficientScope."""
    created_by = by.caller.created_by if user_id == by.user_id else by.caller.created_by or by.user_id
    return Origin(created_by, by.key_id, joined(by, user_id))


def of_session(token: Token) -> Origin:
    """Origin of the session that begins with a one-time token: whoever has seen the token may be the one who uses it.
    One that was only mailed has been seen by no one but its user."""
    return NOT_KNOWN if token.delivered_by == MAIL_ID else Origin(token.created_by, None, token.lineage)


def of_delivered(by: Carrier, user_id: str) -> Origin:
    """Origin of a token that a webhook delivers to this user: whoever gets what the webhook sends sees it. Whoever asks
    for it doesn't."""
    people = {by.user_id, *lineages.users(by.lineage)} - {user_id, ""}
    return Origin(by.created_by, None, lineages.of(people))


def joined(by: Principal, user_id: str, others: Iterable[str] = ()) -> str | None:
    """Lineage of what this caller creates for a user, or changes that goes back to `others` already. Raises
    InsufficientScope."""
    people = {*by.caller.goes_back_to, by.user_id, *others} - {user_id, ""}
    if len(people) > MAX_PEOPLE:
        raise InsufficientScope(
            f"This would go back to more than {MAX_PEOPLE} users, by way of their keys. Use a key of one of them."
        )
    return lineages.of(people)


async def lock_people(tx: Tx, by: Principal, scope: str, user_id: str) -> None:
    """Check once more, with all users locked whom it will go back to, that the caller may create something for this
    user. Without the locks, one of them could lose the right meanwhile, and what is created would not end with it. They
    are always locked in the same order. Raises Unauthorized, Forbidden, NotFound."""
    people = {user_id, by.user_id, *by.caller.goes_back_to} - {""}
    if not by.user_id or len(people) == 1:
        return
    one, other, *more = sorted(people)
    await (users.lock_users(tx, [one, other, *more]) if more else users.lock_both(tx, one, other))
    now = await as_of_now(tx, by)
    if now.role != by.role:
        raise InsufficientScope("Your role was changed meanwhile. Nothing was changed.")
    require(by, scope, user_id if user_id == by.user_id else None)


async def check_key(tx: Tx, by: Principal) -> None:
    """Check once more, with its user locked, that the caller's key can still do what it could when the request came.
    Whoever narrows or revokes a key waits for this, or this for them. Raises Unauthorized, Forbidden."""
    if by.key_id is None:
        return
    await keys.get(tx, by.key_id)  # locks it
    if (await as_of_now(tx, by)).privileges != by.caller.privileges:
        raise InsufficientScope("Your API key was changed meanwhile. Nothing was changed.")


async def end(tx: Tx, by: Actor, user: User, now: User | None, reason: str = REASON) -> None:
    """End what goes back to a user who could not create it any more. `now` is the user after the change; None: all of
    it. `reason` is that of webhooks."""
    role = None if now is None else now.role
    await _end_tokens_and_sessions(tx, user.id, role)
    holders = await keys.go_back_to(tx, user.id)
    ids = [id for id, holder_role in holders if not _may_create("keys:write", role, holder_role)]
    for revoked in await keys.revoke_some(tx, ids):
        await events.record(tx, "key.revoked", revoked.user_id, by, keys.public(revoked))
    for webhook, holder_role in await webhooks.go_back_to(tx, user.id):
        if not _may_create("webhooks:write", role, holder_role):
            if webhook.status != "disabled" or webhook.status_reason in webhooks.SUSPENSIONS:
                await disable(tx, by, webhook, reason)
            await replays.cancel_all(tx, webhook.id)


async def _end_tokens_and_sessions(tx: Tx, user_id: str, role: str | None) -> None:
    """Tokens first: one that is being used in this moment has begun a session by then, or begins none."""
    await _end_acting(tx, user_id)
    lost = [other for other in roles.ROLES if not _may_create("tokens:create", role, other)]
    for holder_role in [None] if role is None else lost:
        await one_time_tokens.end_that_go_back_to(tx, user_id, holder_role)
        await sessions.end_that_go_back_to(tx, user_id, holder_role)


async def _end_acting(tx: Tx, user_id: str) -> None:
    """A user no longer acts as others: another role may no longer be above theirs."""
    await one_time_tokens.end_acting(tx, user_id)
    await sessions.end_acting(tx, user_id)


async def suspend(tx: Tx, by: Actor, user: User) -> None:
    """Stop the webhooks that go back to a user who was suspended. Keys, tokens and sessions need nothing done: whoever
    reads one looks at the users it goes back to."""
    for webhook, _ in await webhooks.go_back_to(tx, user.id):
        if webhook.status == "enabled":
            await disable(tx, by, webhook, "creator_suspended")
        await replays.cancel_all(tx, webhook.id)


async def activate(tx: Tx, by: Actor, user: User) -> None:
    """Resume, where they stopped, the webhooks of a user who is no longer suspended, and those that go back to them,
    unless somebody else is."""
    for webhook in await webhooks.suspended_with(tx, user.id):
        owner = await users.by_id(tx, webhook.user_id)
        if owner is not None and may_own(owner):
            await enable(tx, by, webhook)


class GoingBack(NamedTuple):
    """Keys and webhooks of others that go back to a user, by ID, with the ID of the user whose they are. They pause
    while the user is suspended, and end when the user is deleted or could not create them any more."""

    keys: dict[str, str]
    webhooks: dict[str, str]


async def going_back(on: Rollbook, by: Principal, ids: Collection[str]) -> dict[str, GoingBack]:
    """Find what goes back to each of these users, at most MAX_SHOWN of a kind. Raises InsufficientScope."""
    require(by, "users:write")
    by_user = {id: GoingBack({}, {}) for id in ids}
    for id, key_id, holder in await on.read(keys.going_back, [*by_user], MAX_SHOWN):
        by_user[id].keys[key_id] = holder
    for id, webhook_id, owner in await on.read(webhooks.going_back, [*by_user], MAX_SHOWN):
        by_user[id].webhooks[webhook_id] = owner
    return by_user


def _may_create(scope: str, role: str | None, holder_role: str) -> bool:
    return role is not None and scope in roles.ON_ALL[role] and (role == "owner" or holder_role != "owner")


async def end_begun(tx: Tx, user_id: str, keep: str | None = None) -> None:
    """End the sessions of a user but `keep`, those in which they act as others, their challenges, factors that are not
    activated yet, and one-time tokens, a change of email that waits among them. A token that confirms the email they
    have stays: it leads to nothing else. The user is locked, and the caller records an event that says so."""
    await sessions.end_all_but(tx, user_id, keep)
    await second_factors.end_begun_challenges(tx, user_id)
    await second_factors.remove_unconfirmed(tx, user_id)
    await one_time_tokens.end_begun(tx, user_id)
    await _end_acting(tx, user_id)


async def end_access(tx: Tx, by: Actor, user_id: str) -> User:
    """End all that leads into an account that may be in the wrong hands, and all that was made in it: its password,
    second factors, sessions and links, and what ends with `end_made`. The user is locked."""
    await users.remove_password(tx, user_id)
    await end_factors(tx, by, user_id)
    await end_made(tx, by, await users.get(tx, user_id))
    await end_begun(tx, user_id)
    await one_time_tokens.end_all(tx, user_id)
    user = await users.get(tx, user_id)
    await events.record(tx, "user.access_ended", user_id, by, users.complete(user))
    return user


async def end_factors(tx: Tx, by: Actor, user_id: str) -> None:
    """End what a new password doesn't. The user is locked."""
    removed = await second_factors.remove_all(tx, user_id)
    if any(factor.confirmed_at is not None for factor in removed):
        lifted = {"user_id": user_id, "recovery_codes_left": 0}
        await events.record(tx, "second_factor.lifted", user_id, by, lifted)
    await failed_guesses.forget(tx, user_id)


async def end_made(tx: Tx, by: Actor, user: User) -> None:
    """End what acts for a user without their password, or was made by whoever had it: their API keys and webhooks, and
    all keys, webhooks, tokens and sessions of others that go back to them. The user is locked."""
    for key in await keys.revoke_working(tx, user.id):
        await events.record(tx, "key.revoked", user.id, by, keys.public(key))
    await disable_all(tx, by, user.id, ACCESS_ENDED)
    await end(tx, by, user, None, ACCESS_ENDED)
