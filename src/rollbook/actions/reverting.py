"""Reverts events: puts back what an event changed, by the same rules as the change by hand, and only where it has not
changed since."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from rollbook import clock
from rollbook.actions import events, keys, webhooks
from rollbook.actions import groups as group_actions
from rollbook.actions import users as user_actions
from rollbook.actions.arguments.keys import KeyUpdate
from rollbook.actions.arguments.webhooks import WebhookUpdate
from rollbook.actions.checking import check
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require, require_own
from rollbook.actions.principal import SYSTEM, Principal
from rollbook.errors import ChangedSince, InvalidParameter, NotFound, NotReversible, PreconditionFailed
from rollbook.records import events as event_records
from rollbook.records import groups, rules, users
from rollbook.records import keys as key_records
from rollbook.records.events import Event
from rollbook.records.user_history import (
    CHANGED_SINCE,
    OF_USERS,
    KeptField,
    Reversal,
    changed_since,
    compared,
    decoded,
    is_as_left,
    keep,
)
from rollbook.records.webhooks import in_events
from rollbook.roles import DELETED, Scope
from rollbook.storage.database import Queries, Tx

MAX_RACES = 3

GONE = "What this event is about no longer exists."
CHANGES_NOTHING = "This event changed nothing that can be put back."
REASONS = {
    "user.created": "To undo it, delete the user.",
    "user.password_changed": "A password can't be put back: the old one is not kept. Create a link to set a new one.",
    "user.access_ended": "An adoption can't be undone: the passwords and keys that it ended are not kept.",
    "user.purged": "A user who was erased can't be brought back.",
    "application.updated": "Change the application again: programs may rely on what it says now.",
    "group.created": "To undo it, delete the group.",
    "group.deleted": "A deleted group can't be brought back. Create it again.",
    "key.created": "To undo it, revoke the key.",
    "key.rotated": "A new key can't become the old one. Revoke it, or rotate it again.",
    "key.revoked": "A revoked key can't be used again. Create a new one.",
    "key.expired": "An expired key can't be used again. Create a new one.",
    "webhook.created": "To undo it, delete the webhook.",
    "webhook.deleted": "A deleted webhook can't be brought back. Create it again.",
    "webhook.rotated": "A new secret can't become the old one. Rotate it again.",
    "webhook.disabled": "Resume the webhook instead.",
    "rule.created": "To undo it, delete the rule.",
    "rule.updated": "Change the rule again: whoever does is its author.",
    "rule.deleted": "A deleted rule can't be brought back. Create it again.",
    "rule.stopped": "Enable the rule again.",
    "import.finished": "To undo it, undo the import.",
    "import.waiting": "It changed nothing.",
    "bulk_job.finished": "To undo it, undo the bulk job.",
    "second_factor.activated": "To undo it, remove the second factor.",
    "second_factor.removed": "A second factor that was removed can't be brought back. The user can set it up again.",
    "second_factor.lifted": "Second factors that were lifted can't be brought back. The user can set them up again.",
    "second_factor.codes_regenerated": "The former recovery codes are not kept.",
    "settings.updated": "Change the settings again.",
}
"""The reason why a change can't be undone, and what to do instead."""


class _Way(NamedTuple):
    """The way in which events of a type are undone."""

    scope: Scope
    """Scope that the change by hand takes."""
    plan: Callable[[Queries, Principal, Event], Awaitable[Reversal]]
    act: Callable[[Tx, Rollbook, Principal, Reversal], Awaitable[object]]


async def revert(on: Rollbook, by: Principal, id: str) -> Reversal:
    """Revert an event

    Puts the fields back that the event changed, and restores a user who was deleted. Fields that have changed since
    stay as they are, and are named. This needs the same permissions as making the change yourself, and is recorded as
    an event of its own. Fails with 409 if nothing can be put back: passwords, API keys that were revoked and users who
    were erased can't be.
    """
    event = await events.get(on, by, id)
    if event.type in _ACTIONS:
        return await _revert_by_action(on, by, event)
    require(by, _way(event).scope)
    return await on.write(revert_in, on, by, event)


async def revert_in(tx: Tx, on: Rollbook, by: Principal, event: Event) -> Reversal:
    """Revert an event about a user or group, in a transaction, for who has the scope. Raises NotReversible if nothing
    can be put back, and what the change by hand does."""
    way = _way(event)
    if event.type.startswith("user."):
        await users.lock_if_owner(tx, event.user_id)
    elif event.user_id:
        await users.lock_users(tx, [event.user_id])  # before the group, as all do who lock both
    undo = _checked(await _planned(tx, way, by, event))
    await way.act(tx, on, by, undo)
    return undo


OF_IMPORTS = (
    "user.created",
    "user.updated",
    "user.promoted",
    "user.suspended",
    "user.activated",
    "user.password_changed",
    "user.access_ended",
    "second_factor.activated",
    "group.member_added",
    "group.member_changed",
)
"""Types of events by which an import tells what it did to a user."""
_TAKEN_OVER = ("user.password_changed", "user.access_ended", "second_factor.activated", "key.created")
"""Types of events after which an account is in use that an import had added."""


async def revert_import(tx: Tx, on: Rollbook, by: Principal, user_id: str, import_id: str) -> None:
    """Put back what an import did to a user, who is locked: delete who was added, and revert what it changed, all or
    nothing. Raises ChangedSince, NotReversible, and what the change by hand does."""
    log = [event for event in await event_records.all_of_request(tx, user_id, import_id) if event.type in OF_IMPORTS]
    if not log:
        raise NotReversible("The event log no longer has what the import did.")
    user = users.complete(await users.get(tx, user_id))
    left = next((event for event in log if event.type in OF_USERS), None)
    if left is not None and not is_as_left(left, user):
        raise ChangedSince("The user was changed since the import.")
    if log[-1].type == "user.created":
        if await event_records.last_request(tx, user_id, _TAKEN_OVER) not in (None, import_id):
            raise ChangedSince("The user has set a password, second factor or API key since the import.")
        require(by, "users:delete")
        user_actions.check_may_delete(by, user_id)
        return await user_actions.delete_in(tx, by, user_id)
    for event in log:
        require(by, _way(event).scope)
        undo = await revert_in(tx, on, by, event)
        if undo.kept:
            raise NotReversible(" ".join([field.message for field in undo.kept]))
    return None


def _way(event: Event) -> _Way:
    """Raises NotReversible."""
    way = _WAYS.get(event.type)
    if way is None:
        raise NotReversible(REASONS.get(event.type, CHANGES_NOTHING))
    if event.is_erased:
        raise NotReversible(REASONS["user.purged"])
    return way


async def _planned(queries: Queries, way: _Way, by: Principal, event: Event) -> Reversal:
    try:
        return await way.plan(queries, by, event)
    except NotFound:
        raise NotReversible(GONE) from None


def _checked(undo: Reversal) -> Reversal:
    """Raises NotReversible if there is nothing to put back."""
    if not undo.values:
        raise NotReversible(" ".join([field.message for field in undo.kept]) or CHANGES_NOTHING)
    return undo


# ---- users


async def _plan_user(queries: Queries, by: Principal, event: Event) -> Reversal:
    user = await users.get(queries, event.user_id)
    undo = compared(event, users.complete(user))
    if "email" in undo.wanted and user.id == by.user_id:
        keep(undo, "email", "Your own email takes your password. Change it in your account settings.")
    if "email_verified" in undo.wanted:
        undo.wanted["email_verified"] = is_verified = int(undo.wanted["email_verified"])
        was = decoded(event.object) | decoded(event.before or "{}")
        if is_verified and rules.email_key(undo.wanted.get("email", user.email)) != rules.email_key(was["email"]):
            keep(undo, "email_verified", "What was verified was another email.")
    if (end := undo.wanted.get("ends_at")) is not None:
        undo.wanted["ends_at"] = clock.parse(end)
        if undo.wanted["ends_at"] <= clock.now():
            keep(undo, "ends_at", "That end has passed.")
    if undo.wanted.get("status") == "invited":
        if user.status != "suspended":
            keep(undo, "status", "They have set a password since, and can't be invited again.")
        else:
            undo.wanted["status"] = "active"  # or invited, if they have no password
    return undo


async def _change_user(tx: Tx, on: Rollbook, by: Principal, undo: Reversal) -> None:
    was_active = bool(undo.event.before) and decoded(undo.event.before).get("status") == "active"
    await user_actions.change(tx, by, await users.get(tx, undo.event.user_id), undo.wanted, is_undo=was_active)


async def _plan_restoration(queries: Queries, by: Principal, event: Event) -> Reversal:
    if await users.by_id(queries, event.user_id) is not None:
        return Reversal(event, {}, [KeptField("status", CHANGED_SINCE, "The user has been restored since.")], {})
    deleted = await users.deleted(queries, event.user_id)
    if deleted is None:
        raise NotFound()
    return Reversal(event, {"status": deleted.user.status}, [], {})


async def _restore(tx: Tx, on: Rollbook, by: Principal, undo: Reversal) -> None:
    await user_actions.restore_in(tx, by, undo.event.user_id, user_actions.restorable_by(on, by))


async def _plan_deletion(queries: Queries, by: Principal, event: Event) -> Reversal:
    await users.get(queries, event.user_id)
    return Reversal(event, {"status": DELETED}, [], {})


async def _delete(tx: Tx, on: Rollbook, by: Principal, undo: Reversal) -> None:
    user_actions.check_may_delete(by, undo.event.user_id)
    await user_actions.delete_in(tx, by, undo.event.user_id)


# ---- groups


async def _plan_group(queries: Queries, by: Principal, event: Event) -> Reversal:
    return compared(event, groups.public(await groups.get(queries, decoded(event.object)["id"])))


async def _change_group(tx: Tx, on: Rollbook, by: Principal, undo: Reversal) -> None:
    await group_actions.change(tx, by, decoded(undo.event.object)["id"], undo.wanted)


async def _plan_member(queries: Queries, by: Principal, event: Event) -> Reversal:
    """The role is None for who is no member."""
    object = decoded(event.object)
    await groups.get(queries, object["group_id"])
    member = (await groups.candidates(queries, object["group_id"], [event.user_id])).get(event.user_id)
    if member is None:
        raise NotFound()
    leaves = event.type == "group.member_removed"
    if member.role != (None if leaves else object["role"]):
        return Reversal(event, {}, [changed_since("role")], {})
    role = object["role"] if leaves else decoded(event.before)["role"] if event.before else None
    return Reversal(event, {"role": role}, [], {"role": role})


async def _change_member(tx: Tx, on: Rollbook, by: Principal, undo: Reversal) -> None:
    user_id, group_id, role = undo.event.user_id, decoded(undo.event.object)["group_id"], undo.wanted["role"]
    if role is None:
        await group_actions.drop_members(tx, by, group_id, [user_id])
    else:
        await group_actions.put_members(tx, by, group_id, {user_id: role})


# ---- API keys and webhooks


async def _revert_by_action(on: Rollbook, by: Principal, event: Event) -> Reversal:
    """By the action that changes one, which does more than one transaction can. It notices a change in between."""
    way, id = _ACTIONS[event.type], decoded(event.object)["id"]
    for left in range(MAX_RACES, -1, -1):
        try:
            now, version = await way.read(on, by, id)
        except NotFound as problem:
            raise NotReversible(GONE if problem.message == NotFound.message else problem.message) from None
        undo = compared(event, now)
        for name in way.secret & undo.wanted.keys():
            keep(undo, name, f"{name} can't be put back. Change it by hand.")
        if undo.wanted.get("status") == "disabled":
            keep(undo, "status", "Only Rollbook disables a webhook. Pause it instead.")
        _checked(undo)
        try:
            await way.act(on, by, id, undo.wanted, version)
            break
        except PreconditionFailed:
            if not left:
                raise
    return undo


async def _read_webhook(on: Rollbook, by: Principal, id: str) -> tuple[dict[str, Any], int]:
    require_own(by, "webhooks:write")
    webhook = (await webhooks.get(on, by, id)).webhook
    return in_events(webhook), webhook.version


async def _change_webhook(on: Rollbook, by: Principal, id: str, values: dict[str, Any], version: Any) -> None:
    changes = check(WebhookUpdate, values, on.settings.password_min_length)
    await webhooks.update(on, by, id, changes, frozenset((version,)))


async def _read_key(on: Rollbook, by: Principal, id: str) -> tuple[dict[str, Any], str]:
    require_own(by, "keys:write")
    key, _ = await keys.find_with_role(on, by, id)
    keys.check_works(key)
    return key_records.public(key), keys.version(key)


async def _change_key(on: Rollbook, by: Principal, id: str, values: dict[str, Any], version: Any) -> None:
    try:
        await keys.update(on, by, id, check(KeyUpdate, values, on.settings.password_min_length), version)
    except InvalidParameter as problem:
        if problem.param not in ("current_password", "code"):
            raise
        raise NotReversible("The key would get more than it has: that takes your password. Update it.") from None


class _ByAction(NamedTuple):
    """The way in which events are undone by an action that changes what they are about."""

    secret: frozenset[str]
    """Fields whose values the log doesn't have, or that change a secret."""
    read: Callable[[Rollbook, Principal, str], Awaitable[tuple[dict[str, Any], Any]]]
    """Its present state, as events show it, and its version."""
    act: Callable[[Rollbook, Principal, str, dict[str, Any], Any], Awaitable[object]]


_ACTIONS = {
    "webhook.updated": _ByAction(frozenset(("url", "headers", "user_id")), _read_webhook, _change_webhook),
    "key.updated": _ByAction(frozenset(), _read_key, _change_key),
}
_OF_USER = _Way("users:write", _plan_user, _change_user)
_OF_MEMBER = _Way("groups:write", _plan_member, _change_member)
_WAYS: dict[str, _Way] = {
    "user.updated": _OF_USER,
    "user.promoted": _OF_USER,
    "user.suspended": _OF_USER,
    "user.activated": _OF_USER,
    "user.deleted": _Way("users:write", _plan_restoration, _restore),
    "user.restored": _Way("users:delete", _plan_deletion, _delete),
    "group.updated": _Way("groups:write", _plan_group, _change_group),
    "group.member_added": _OF_MEMBER,
    "group.member_changed": _OF_MEMBER,
    "group.member_removed": _OF_MEMBER,
}
"""By the type of the event."""
REVERTIBLE = frozenset((*_WAYS, *_ACTIONS))
"""Types of events that change what can be put back, as long as nothing else has changed it since."""
CHANGES = (REVERTIBLE | REASONS.keys()) - {"webhook.disabled"}
"""Types of events that change what is kept, other than as a consequence of another change. Sessions, tokens and the use
of keys are none."""


def is_change(type: str, address: str | None) -> bool:
    """Test whether an event tells of a change that somebody made, and not the server itself, such as when it erases a
    user."""
    return type in CHANGES and address != SYSTEM.address
