"""Actions on users, and taking over one who is known by their email alone, for an identity provider or a file.

Whoever had an email here first may not be who it belongs to: another person's groups and metadata must not come into
their hands. A user may be taken over whose email is verified, or was given by an import, an identity provider or an
adoption; and one who has no password, active second factor or working API key yet. Others are refused until an admin
adopts them, which ends all that led into the account.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress as suppressing
from typing import Any, NamedTuple, Protocol, TypeVar, overload

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import astuple

from rollbook import clock, roles
from rollbook.actions import creators, own_email, passwords, user_kinds
from rollbook.actions import events as event_actions
from rollbook.actions.arguments import MetadataPatch
from rollbook.actions.arguments.applications import ApplicationPatch
from rollbook.actions.arguments.users import UserCreate, UserFields, UserFilters, UserUpdate
from rollbook.actions.checking import check_end, check_range, check_version, given, refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.exporting import Turn, take_turn
from rollbook.actions.permissions import known, may_grant, may_touch, reaches_all, require, require_proof
from rollbook.actions.principal import SYSTEM, Principal
from rollbook.actions.user_kinds import check_person
from rollbook.auth.hashing_queue import Waiter
from rollbook.config import MemberFields
from rollbook.errors import DatabaseTimeout, Forbidden, InsufficientScope, LastOwner, NotFound, NotYourself
from rollbook.records import (
    clients,
    events,
    failed_guesses,
    groups,
    keys,
    lineages,
    one_time_tokens,
    rules,
    scim,
    second_factors,
    sessions,
    user_languages,
    user_list,
    user_rules,
    users,
    webhooks,
)
from rollbook.records.dialect import dialect
from rollbook.records.events import Actor, Event
from rollbook.records.groups import Membership
from rollbook.records.keys import Key
from rollbook.records.one_time_tokens import NewToken, Token
from rollbook.records.scim import ScimExport
from rollbook.records.second_factors import SecondFactor
from rollbook.records.sessions import Session
from rollbook.records.user_history import UserAsOf
from rollbook.records.user_list import UserPage
from rollbook.records.user_list.query import ANY, AS_ADDED, NEWEST_DELETION_FIRST, Filters, Order, Query
from rollbook.records.users import Deleted, User
from rollbook.records.webhooks import deliveries
from rollbook.roles import DELETED
from rollbook.storage.database import Queries, Tx

CHANGEABLE = (*UserFields.__struct_fields__, "kind", "status")
ANSWERED = frozenset(("id", "name", "email", "created_at", "updated_at"))
"""Fields that whoever changes a user gets to see of them."""
NO_FIELDS = MemberFields()
SOON = 0.1
"""Seconds after which a page does without a number of users."""
MAX_COUNTED_SOON = 10_000
"""The number at which counting users for a page ends: some 5 ms, where an index leads to them."""
DUE_AT_ONCE = 256
"""Users whose end has come, between two looks at the others."""
EXPORTED_AT_ONCE = 50
"""Keys and sessions per read of an export: few enough that other requests don't have to wait."""

A = TypeVar("A")
P = TypeVar("P", Key, Session, SecondFactor)


# ---- reading


async def list_users(on: Rollbook, by: Principal, query: Query) -> UserPage:
    """List users

    Returns users in the order in which they were added. Use the filters, `q` and `sort` to select and order them. The
    `Link` header has the URLs of the next and previous page, `X-Total-Count` the total. `status=deleted` returns those
    who can be restored, newest deletion first.
    """
    require(by, "users:read")
    if query.filters.status == DELETED:
        query = query._replace(filters=_of_deleted(on, by, query.filters), order=NEWEST_DELETION_FIRST)
    if query.filters.group is not None:
        await check_group(on, by, query.filters.group)
    return await user_list.page(on.db, query)


async def with_emails(on: Rollbook, by: Principal, emails: Iterable[str]) -> dict[str, User]:
    """The users who have these emails, by `rules.email_key`."""
    require(by, "users:read")
    keys = list({rules.email_key(email) for email in emails})
    existing = await on.read_aside(dialect(on.db).user_imports.existing, "email", keys)
    return {key: user.user for key, user in existing.items()}


async def count_users(on: Rollbook, by: Principal, filters: Filters = ANY) -> int:
    """Count users

    Returns the exact number of users that match the filters.
    """
    require(by, "users:read")
    if filters.group is not None:
        await check_group(on, by, filters.group)
    return await user_list.count(on.db, _of_deleted(on, by, filters) if filters.status == DELETED else filters)


class Sorted(Protocol):
    """Query of a list of users, or of some of them."""

    @property
    def status(self) -> str | None: ...
    @property
    def sort(self) -> tuple[str, ...] | None: ...


class UserTotal(NamedTuple):
    """Number of users, of all or of some of them."""

    users: int
    is_exact: bool


async def count_soon(on: Rollbook, by: Principal, filters: Filters) -> UserTotal:
    """Count the users that match the filters, where that is quick. Otherwise, there are more than the number."""
    require(by, "users:read")
    try:
        number = await on.db.read_within(SOON, user_list.count_up_to, filters, MAX_COUNTED_SOON)
    except DatabaseTimeout:
        return UserTotal(0, False)
    return UserTotal(MAX_COUNTED_SOON, False) if number is None else UserTotal(number, True)


async def check_group(on: Rollbook, by: Principal, id: str) -> None:
    """Check that there is a group whose members are asked for. Raises InsufficientScope, NotFound."""
    require(by, "groups:read")
    await groups.get(on.db, known("group", id))


def _of_deleted(on: Rollbook, by: Principal, filters: Filters) -> Filters:
    """Filters for users who can be restored, for callers who can restore them. Raises InsufficientScope,
    InvalidParameter."""
    require(by, "users:write")
    for name in ("q", "created_after", "created_before", "metadata", "group"):
        if getattr(filters, name) is not None:
            refuse(name, "can't be combined with status=deleted")
    return filters._replace(status=None, deleted_since=restorable_by(on, by))


def filters_of(filters: UserFilters) -> Filters:
    values = astuple(filters)[: len(_ANY)]  # before those of the list or export
    if values == _ANY:
        return ANY
    check_range(filters.created_after, filters.created_before)
    check_range(filters.active_after, filters.active_before or None, "active")
    check_range(filters.ends_after, filters.ends_before, "ends")
    return Filters(*values)


_ANY = astuple(UserFilters())


def sort_of(query: Sorted) -> tuple[str, ...] | None:
    """Sort order of the list. Raises InvalidParameter."""
    if query.status != DELETED:
        return query.sort
    if query.sort is not None:
        refuse("sort", "can't be combined with status=deleted, which lists the newest deletion first")
    return ("-deleted_at",)


def order_of(sort: tuple[str, ...] | None) -> tuple[Order, ...]:
    """`-created_at`, `name`, …; None: as they were added."""
    if sort is None:
        return AS_ADDED
    return tuple([Order(part.removeprefix("-"), part.startswith("-")) for part in sort])


@overload
async def get(on: Rollbook, by: Principal, id: str) -> User: ...
@overload
async def get(on: Rollbook, by: Principal, id: str, at: str | None) -> User | UserAsOf: ...
async def get(on: Rollbook, by: Principal, id: str, at: str | None = None) -> User | UserAsOf:
    """Get a user

    Returns all fields except the password. Use `me` as the ID for the user the API key belongs to. The `ETag` changes
    with the user: send it as `If-None-Match` to read the user only if it has changed, or as `If-Match` with an update.
    With `at`, returns the user as they were at that time, without an `ETag`; this needs the scope `events:read` as
    well.
    """
    if at is not None:
        return await event_actions.as_of(on, by, id, at)
    require(by, "users:read", id)
    return await users.get(on.db, id)


def presented(by: Principal, user: User) -> dict[str, Any]:
    """The user as the caller may see them: what is private, only if they can read all users."""
    return users.complete(user) if reaches_all(by, "users:read") else users.public(user)


class PersonalExport(NamedTuple):
    """All that is held about a user. All but the user can be much, and is read in parts."""

    user: dict[str, Any]
    keys: AsyncGenerator[list[Key], None]
    tokens: AsyncGenerator[list[Token], None]
    sessions: AsyncGenerator[list[Session], None]
    second_factors: AsyncGenerator[list[SecondFactor], None]
    groups: AsyncGenerator[list[Membership], None]
    scim: AsyncGenerator[list[ScimExport], None]
    language: str | None
    events: AsyncGenerator[list[Event], None]
    turn: Turn
    position: int
    """Position of the event log: the export has all changes up to there."""


async def export(on: Rollbook, by: Principal, id: str) -> PersonalExport:
    """Export a user

    Returns all data about a user: their fields (`private_metadata` only for callers who can read all users), API keys,
    one-time tokens and second factors (without the secrets), sessions, groups, what identity providers keep about them,
    and events. Changes made by others don't say who made them. You can run one export at a time.
    """
    require(by, "users:export", id)
    require_proof(by)
    await events.settle(on.db)
    user, last, position = await on.read(_held, known("user", id))
    turn = take_turn(on, by, "users:export", id)
    return PersonalExport(
        presented(by, user),
        _in_parts(on, turn, keys.held, id),
        _at_once(on, one_time_tokens.of_user, id),
        _in_parts(on, turn, sessions.held, id),
        _in_parts(on, turn, second_factors.held, id),
        _at_once(on, groups.of_user, id),
        _at_once(on, scim.held, id),
        await on.read(user_languages.of_user, id),
        _history(on, turn, id, last, reaches_all(by, "users:read")),
        turn,
        position,
    )


async def _held(queries: Queries, id: str) -> tuple[User, int, int]:
    newest = await events.latest(queries, 1, id)
    return await users.get(queries, id), newest.events[0].seq if newest.events else 0, newest.position


async def _in_parts(
    on: Rollbook, turn: Turn, read: Callable[..., Awaitable[list[P]]], id: str
) -> AsyncGenerator[list[P], None]:
    after = ""
    while part := await on.read(read, id, after, EXPORTED_AT_ONCE):
        await turn.check()
        yield part
        after = part[-1].id


async def _at_once(on: Rollbook, read: Callable[..., Awaitable[list[A]]], id: str) -> AsyncGenerator[list[A], None]:
    """All in one part, of what a user has few of."""
    if records := await on.read(read, id):
        yield records


async def _history(
    on: Rollbook, turn: Turn, id: str, last: int, with_private: bool
) -> AsyncGenerator[list[Event], None]:
    seq = 0
    while seq < last and (part := await on.read(events.of_user, id, seq, last)):
        await turn.check()
        yield [_without_others(event if with_private else _without_private(event)) for event in part]
        seq = part[-1].seq


def _without_private(event: Event) -> Event:
    before = None if event.before is None else users.without_private(event.before)
    return event._replace(object=users.without_private(event.object), before=before)


def _without_others(event: Event) -> Event:
    """The event without the admin behind it: an export is for the person it is about."""
    actor = event.actor
    if actor.user_id in (None, event.user_id):
        return event._replace(actor=actor._replace(key_created_by=None))
    return event._replace(actor=Actor(None, None, None, actor.request_id))


# ---- creating and changing


async def create(on: Rollbook, by: Principal, new: UserCreate) -> User:
    """Create a user

    The password is stored as an argon2id hash and never returned. Send an `Idempotency-Key` to make retries safe. For a
    `role` above member, the key needs the scope `users:grant` as well.
    """
    require(by, "users:write")
    may_grant(by, given(new.role, "member"))
    check_end(new.ends_at)
    hash = None
    if new.password is not UNSET:
        await passwords.check(on, new.password, email=new.email, name=new.name)
        hash = await on.passwords.hash(new.password, Waiter((by.user_id,)))
    return await on.write(add, by, record(new), hash)


def record(new: UserCreate) -> User:
    """Record of a new user, apart from the password."""
    return users.new(**_given(new, CHANGEABLE))


async def add(tx: Tx, by: Principal, new: User, password_hash: str | None = None) -> User:
    user = await users.add(tx, new, password_hash)
    await events.record(tx, "user.created", user.id, by.actor, users.complete(user))
    return user


async def update(
    on: Rollbook,
    by: Principal,
    id: str,
    changes: UserUpdate | ApplicationPatch,
    versions: frozenset[int] | None = None,
) -> User:
    """Update a user

    Fields you don't send are left unchanged. `PUT` replaces `metadata` and `private_metadata`; `PATCH` merges them, and
    null removes a key. Users can change their own name and email, or what the setting `member_fields` says. Send your
    `current_password` to change your own email; where the server sends mail, it stays as it is until you have opened
    the link that is sent to the new one. Admins can change all fields; for the `role`, and the `email` of a user with a
    role above member, the key needs the scope `users:grant` as well. A higher role signs the user out, and ends their
    one-time tokens and the API keys that others created for them. With `If-Match`, the update only succeeds if the user
    still has that version.
    """
    require(by, "users:write", id)
    values, patches = _values_of(changes)
    if isinstance(changes, UserUpdate) and "email" in values and id == by.user_id:
        await _prove_for_email(on, by, known("user", id), values, changes.current_password)
        if "email" in values and on.settings.sends_mail:
            return await _update_and_ask(on, by, id, values, versions, patches)
    own = on.settings.member_fields
    return await on.write_together(id, _update, by, known("user", id), values, versions, patches, own)


async def update_in(tx: Tx, by: Principal, id: str, changes: ApplicationPatch, versions: frozenset[int] | None) -> User:
    """Update an application, as a part of a larger change."""
    values, patches = _values_of(changes)
    return await _update(tx, by, known("user", id), values, versions, patches)


def _values_of(changes: UserUpdate | ApplicationPatch) -> tuple[dict[str, Any], dict[str, str]]:
    """Values of the given fields, and the patches among them."""
    values = changes_of(changes)
    patches = {
        name: values.pop(name)
        for name in users.METADATA
        if name in values and isinstance(getattr(changes, name), MetadataPatch)
    }
    return values, patches


async def _update_and_ask(
    on: Rollbook,
    by: Principal,
    id: str,
    values: dict[str, Any],
    versions: frozenset[int] | None,
    patches: Mapping[str, str],
) -> User:
    """Update the caller, whose new email waits for its link."""
    own = on.settings.member_fields
    if not reaches_all(by, "users:write"):
        user_kinds.check_own_field("email", own)
    values.pop("email_verified", None)  # it is said of the new one
    new = await own_email.to_send(on, by, "change_email", values.pop("email"))
    return await on.write(_update_and_add, by, new, (id, values, versions, patches, own))


async def _update_and_add(tx: Tx, by: Principal, new: NewToken, change: tuple[Any, ...]) -> User:
    user = await _update(tx, by, *change)
    await own_email.add(tx, by, user, new)
    return user


async def _prove_for_email(
    on: Rollbook, by: Principal, id: str, values: dict[str, Any], password: str | UnsetType
) -> None:
    """Prove to be the user, if their email changes. Raises what `passwords.prove_for_email` does."""
    user = await users.get(on.db, id)
    if values["email"] == user.email:
        del values["email"]  # sent back as it was read; should it change meanwhile, this must not change it back
    else:
        await passwords.prove_for_email(on, by, user, password)


def check_answer(by: Principal, id: str, fields: Iterable[str]) -> None:
    """Check that the answer to a change of a user may have these fields: more than the usual ones take the right to
    read the user. Raises InsufficientScope."""
    if not ANSWERED.issuperset(fields):
        require(by, "users:read", id)


async def suspend(on: Rollbook, by: Principal, id: str) -> User:
    """Suspend a user

    Suspended users can't sign in or use their API keys until you activate them. They stay in lists.
    """
    require(by, "users:write")
    return await on.write(_update, by, known("user", id), {"status": "suspended"})


async def activate(on: Rollbook, by: Principal, id: str) -> User:
    """Activate a suspended user

    If their `ends_at` has passed, it becomes null.
    """
    require(by, "users:write")
    return await on.write(_update, by, known("user", id), {"status": "active"})


async def suspend_due(on: Rollbook) -> bool:
    """A job: suspend users whose end has come. The last owner stays until there is another."""
    ids = await users.due(on.db, DUE_AT_ONCE)
    for id in ids:
        with suppressing(LastOwner, NotFound):
            await on.db.write(_suspend_due, id)
    return len(ids) == DUE_AT_ONCE


async def _suspend_due(tx: Tx, id: str) -> None:
    """Suspend a user, unless they have been since, or have a later end."""
    await users.lock_if_owner(tx, id)
    user = await users.get(tx, id)
    if user.status != "suspended" and user.ends_at is not None and user.ends_at <= clock.now():
        await change(tx, SYSTEM, user, {"status": "suspended"})


async def _update(
    tx: Tx,
    by: Principal,
    id: str,
    values: Mapping[str, Any],
    versions: frozenset[int] | None = None,
    patches: Mapping[str, str] = {},
    own: MemberFields = NO_FIELDS,
) -> User:
    """Update a user. A field that already has the value is no change, and without a change there is no event.
    `versions` are those the caller will change. `patches` change the metadata as it is now, where nothing comes
    between. `own`: fields that the caller can change of themselves, without the right to change all users."""
    if "role" in values or "status" in values:
        await users.lock_if_owner(tx, id)
    return await change(tx, by, await users.get(tx, id), values, versions, patches, own=own)


async def change(
    tx: Tx,
    by: Principal,
    user: User,
    values: Mapping[str, Any],
    versions: frozenset[int] | None = None,
    patches: Mapping[str, str] = {},
    is_undo: bool = False,
    own: MemberFields = NO_FIELDS,
) -> User:
    """Update a user who was read in this transaction, after `users.lock_if_owner` where their status may change.
    `is_undo`: whom it activates becomes active as they were, also those who never had a password."""
    may_touch(by, user.id, user.role)
    if patches:
        values = {**values, **{name: patched(getattr(user, name), patch, name) for name, patch in patches.items()}}
    is_activated = values.get("status") not in (None, "suspended", user.status)
    if is_activated and not is_undo and reaches_all(by, "users:write"):
        values = with_status(values, user, await users.password_hash(tx, user.id) is not None)
    if not reaches_all(by, "users:write"):
        values = user_kinds.own_changes(user, values, own, is_merged="metadata" in patches)
    change = plan(by, user, values)
    check_end(change.columns.get("ends_at"))
    check_version(user.version, versions)
    return await apply(tx, by, user, change) if change.columns else user


async def apply(tx: Tx, by: Principal, user: User, change: PlannedChange, with_event: bool = True) -> User:
    """Change a user who was planned for. `with_event`: with an event of their own. Raises LastOwner, EmailTaken,
    ExternalIdTaken."""
    if change.needs_another_owner and await users.is_last_owner(tx, user):
        raise LastOwner()
    after = await users.change(tx, user, change.columns)
    if change.signs_out:
        await sessions.end_all(tx, user.id)
        await second_factors.end_challenges(tx, user.id)
    if "email" in change.columns or after.status == "suspended":
        await one_time_tokens.end_all(tx, user.id)
    if with_event:
        before = users.public_part(frozenset(change.columns))(user)
        await events.record(tx, change.event, user.id, by.actor, users.complete(after), before)
    if "role" in change.columns or "status" in change.columns:
        await _end_what_they_lost(tx, by, user, after)
    if change.promotes:
        await _end_what_others_hold(tx, by, user.id)
    return after


async def _end_what_they_lost(tx: Tx, by: Principal, user: User, after: User) -> None:
    """Their webhooks, where they can no longer have any; and what goes back to them. What a suspension stopped goes on
    when it ends."""
    if (reason := creators.lost(user, after)) is not None:
        await creators.disable_all(tx, by.actor, user.id, reason)
    if user.role != after.role:
        await creators.end(tx, by.actor, user, after)
    if roles.is_barred(after.status) and not roles.is_barred(user.status):
        await creators.suspend(tx, by.actor, after)
    elif roles.is_barred(user.status) and not roles.is_barred(after.status):
        await creators.activate(tx, by.actor, after)


def patched(metadata: str, patch: str, field: str = "metadata") -> str:
    """Metadata with a patch applied to it. Raises InvalidParameter."""
    try:
        return rules.patched(metadata, patch)
    except ValueError as problem:
        refuse(field, str(problem))


async def _end_what_others_hold(tx: Tx, by: Principal, id: str) -> None:
    """Revoke what others hold: whoever could set the user's password, or create keys for them, must not act with a role
    that was not theirs to touch."""
    await one_time_tokens.end_all(tx, id)
    for key in await keys.revoke_of_others(tx, id):
        await events.record(tx, "key.revoked", id, by.actor, keys.public(key))


def with_status(values: Mapping[str, Any], user: User, has_password: bool) -> Mapping[str, Any]:
    """The wanted fields, with the status that the user gets. To activate a user ends their suspension: until they have
    a password, they are invited. Who is active stays so. Raises InvalidParameter."""
    status = values.get("status")
    if status == "invited" and user.status != "invited":
        refuse("status", "must not be invited: only new users are, until they set a password")
    is_ready = has_password or user.status == "active" or user.kind == roles.APPLICATION
    return values if status != "active" or is_ready else {**values, "status": "invited"}


_EVENTS = {"suspended": "user.suspended", "active": "user.activated", "invited": "user.activated"}


class PlannedChange(NamedTuple):
    """Effect of an update on this user."""

    columns: dict[str, Any]
    event: str
    signs_out: bool
    promotes: bool
    needs_another_owner: bool


def plan(by: Principal, user: User, values: Mapping[str, Any]) -> PlannedChange:
    """`values` is what the caller may change. Raises InsufficientScope, NotYourself, InvalidParameter."""
    columns = {name: value for name, value in values.items() if getattr(user, name) != value}
    if columns.get("status") in ("active", "invited") and user.ends_at is not None and user.ends_at <= clock.now():
        columns.setdefault("ends_at", None)  # or the end would suspend them again
    user_kinds.check_change(user, columns)
    if "role" in columns:
        may_grant(by, user.role)
        may_grant(by, columns["role"])
    if columns.get("status") in ("active", "invited"):
        may_grant(by, user.role)
    if "email" in columns and user.id != by.user_id:
        may_grant(by, user.role)  # whoever reads their mail can set their password
    if columns.get("status") == "suspended" and user.id == by.user_id:
        raise NotYourself("You cannot suspend yourself.")
    if "email" in columns and user.email_verified and "email_verified" not in columns:
        # What was verified was the other address. Nor does the old value, sent back as it was read, say anything of the
        # new one.
        if rules.email_key(columns["email"]) != rules.email_key(user.email):
            columns["email_verified"] = 0
    promotes = roles.is_promotion(user.role, columns.get("role", user.role))
    return PlannedChange(
        columns,
        _EVENTS[columns["status"]] if "status" in columns else "user.promoted" if promotes else "user.updated",
        promotes or "status" in columns,  # for good: to be activated again is not to be signed in again
        promotes,
        columns.get("role", "owner") != "owner" or columns.get("status", "active") != "active",
    )


# ---- deleting


async def delete(
    on: Rollbook, by: Principal, id: str, purge: bool = False, versions: frozenset[int] | None = None
) -> None:
    """Delete a user

    The user disappears from all lists, their API keys stop working, and their email can be used again. You can restore
    them for 30 days. Owners can send `purge=true`: it erases the user permanently, and what is personal in the event
    log. Who did what to which ID, and when, stays.
    """
    require(by, "users:delete")
    check_may_delete(by, known("user", id))
    if purge:
        return await on.write(_purge, by, id, versions, restorable_since(on))
    return await on.write(delete_in, by, id, versions)


def check_may_delete(by: Principal, id: str) -> None:
    """Beside the scope. Raises NotYourself, ProofRequired."""
    if id == by.user_id:
        raise NotYourself("You cannot delete yourself.")
    require_proof(by)


async def delete_own(on: Rollbook, by: Principal) -> None:
    """Delete one's own account, where the setting `self_deletion` allows that. It can be restored as if somebody else
    had deleted it. Raises Forbidden, ProofRequired, LastOwner."""
    if not on.settings.self_deletion:
        raise Forbidden("This account can't be deleted here.")
    require_proof(by)
    await on.write(delete_in, by, by.user_id)


async def delete_in(tx: Tx, by: Principal, id: str, versions: frozenset[int] | None = None, tells: bool = True) -> None:
    """Delete a user. `tells`: with an event. Raises NotFound, PreconditionFailed, LastOwner."""
    await users.lock_if_owner(tx, id)
    user = await users.get(tx, id)
    may_touch(by, user.id, user.role)
    check_version(user.version, versions)
    if await users.is_last_owner(tx, user):
        raise LastOwner()
    await users.delete(tx, user)
    await keys.revoke_all(tx, id)
    await sessions.end_all(tx, id)
    await second_factors.end_challenges(tx, id)
    await one_time_tokens.end_all(tx, id)
    await creators.disable_all(tx, by.actor, id, "owner_deleted")
    await creators.end(tx, by.actor, user, None)
    if tells:
        await events.record(tx, "user.deleted", id, by.actor, users.complete(user))


async def _purge(
    tx: Tx, by: Principal, id: str, versions: frozenset[int] | None = None, restorable_since: int = 0
) -> None:
    """Erase a living user, or one that was deleted before. Before their retention is over, only owners may: an erased
    user is one about whom the log says little."""
    if by.role != "owner":
        deleted = await users.deleted(tx, id)
        if deleted is None or deleted.deleted_at >= restorable_since:
            raise InsufficientScope("Only owners can erase a user before the retention of deleted users is over.")
    if await users.by_id(tx, id) is not None:
        await delete_in(tx, by, id, versions, tells=False)
    elif (deleted := await users.deleted(tx, id)) is not None:
        may_touch(by, id, deleted.user.role)
    elif await users.by_id(tx, id) is not None:  # on PostgreSQL, it was restored between the two
        await delete_in(tx, by, id, versions, tells=False)
    await users.erase(tx, id)
    await second_factors.forget_grace(tx, id)
    await failed_guesses.forget(tx, id)
    await user_languages.forget(tx, id)
    await keys.erase_all(tx, id)
    await lineages.forget(tx, id)
    await second_factors.remove_all(tx, id)
    await scim.erase(tx, id)
    await clients.erase(tx, id)
    await user_rules.erase(tx, id)
    await webhooks.erase_all(tx, id)
    await deliveries.forget(tx, id, users.MAX_ERASED)
    await deliveries.forget_messages(tx, id)
    await events.record(tx, "user.purged", id, by.actor, {"id": id})
    await events.forget(tx, id)


async def expire(on: Rollbook, by: Principal, id: str, before: int) -> None:
    """Erase a user that was deleted before this time, unless it has been restored, purged or deleted again since it was
    found to be."""
    require(by, "users:delete")
    return await on.write(_expire, by, id, before)


async def _expire(tx: Tx, by: Principal, id: str, before: int) -> None:
    deleted = await users.deleted(tx, id)
    if deleted is not None and deleted.deleted_at < before:
        await _purge(tx, by, id)


async def list_deleted(on: Rollbook, by: Principal, limit: int, before: tuple[int, int] | None = None) -> list[Deleted]:
    """Users that can be restored, the last deletion first. `before`: when the last one of the page before was deleted,
    and its number."""
    require(by, "users:write")
    return await users.lately_deleted(on.db, restorable_since(on), limit, before)


def restorable_by(on: Rollbook, by: Principal) -> int:
    """The time since which deleted users can be restored by this caller: by an operator, who has the files, any that is
    still in them."""
    return 0 if by.is_operator else restorable_since(on)


def restorable_since(on: Rollbook) -> int:
    """Users deleted before this time cannot be restored."""
    return clock.now() - on.settings.deleted_retention * clock.DAY


async def restore(on: Rollbook, by: Principal, id: str) -> User:
    """Restore a deleted user

    The user returns to the same position in lists. Their API keys stay revoked. Fails with 400 if another user now has
    their email.
    """
    require(by, "users:write")
    return await on.write(restore_in, by, known("user", id), restorable_by(on, by))


async def restore_in(tx: Tx, by: Principal, id: str, since: int) -> User:
    """Restore a user who was deleted at this time or later. Raises NotFound, EmailTaken, ExternalIdTaken."""
    deleted = await users.deleted(tx, id)
    if deleted is None or deleted.deleted_at < since:
        raise NotFound()
    may_grant(by, deleted.user.role)
    user = await users.restore(tx, deleted.user)
    await events.record(tx, "user.restored", id, by.actor, users.complete(user))
    return user


def changes_of(fields: Struct) -> dict[str, Any]:
    """Values of the fields that can be changed."""
    return _given(fields, CHANGEABLE)


def _given(fields: Struct, names: tuple[str, ...]) -> dict[str, Any]:
    """The given ones of these fields."""
    return {name: given(value) for name in names if (value := getattr(fields, name, UNSET)) is not UNSET}


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
    user = await creators.end_access(tx, by.actor, user.id)
    await users.assert_email(tx, user.id)
    return user
