"""Actions on groups and their members. A group gives no rights in Rollbook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET

from rollbook.actions.arguments import MetadataPatch
from rollbook.actions.arguments.groups import GroupCreate, GroupFields, ListGroups, MembersAdd, MemberUpdate
from rollbook.actions.checking import check_version, given, invalid, refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import known, may_touch, require, require_proof, whom
from rollbook.actions.principal import Principal
from rollbook.actions.users import patched
from rollbook.errors import Fault, GroupLimitReached, NotFound
from rollbook.records import events, groups, rules, scim, users
from rollbook.records.groups import Candidate, Group, GroupSelection, Member, Membership
from rollbook.storage.database import Queries, Tx

MAX_GROUPS = 100_000
MAX_MEMBERSHIPS = groups.MAX
"""Groups of a user."""


class GroupPage(NamedTuple):
    groups: list[Group]
    total: int
    roles: dict[str, str] | None
    """Roles of the user who was asked for, by the group's ID."""


class MemberPage(NamedTuple):
    members: list[Member]
    total: int
    more: bool


class MembersOutcome(NamedTuple):
    """Outcome for users who were put into a group."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    unknown: tuple[str, ...] = ()
    """Users who do not exist. Then nothing was done."""


# ---- groups


async def list_groups(on: Rollbook, by: Principal, query: ListGroups) -> GroupPage:
    """List groups

    Returns groups, oldest first, or sorted by name. Pass `user` for those of one user: each then has their `role`.
    """
    require(by, "groups:read")
    user_id = None if query.user is None else known("user", whom(by, query.user))
    selection = GroupSelection(query.q, query.name, query.external_id, user_id)
    return await on.read_aside(_list, selection, query.sort, query.limit, query.offset)


async def _list(queries: Queries, selection: GroupSelection, sort: str, limit: int, offset: int) -> GroupPage:
    roles = None
    if selection.user_id is not None:
        await users.get(queries, selection.user_id)
        roles = {entry.group_id: entry.role for entry in await groups.of_user(queries, selection.user_id)}
    batch = await groups.some(queries, selection, limit, offset, sort)
    return GroupPage(batch, await groups.count(queries, selection), roles)


async def get(on: Rollbook, by: Principal, id: str) -> Group:
    """Get a group

    Returns the group with the number of its members. The `ETag` changes with the group and with its members: send it as
    `If-None-Match` to read the group only if it has changed, or as `If-Match` with an update.
    """
    require(by, "groups:read")
    return await groups.get(on.db, known("group", id))


async def of_user(on: Rollbook, by: Principal, user_id: str) -> list[Membership]:
    """The groups of a user, by name. Raises NotFound."""
    require(by, "groups:read")
    return await on.read(_of_user, known("user", user_id))


async def _of_user(queries: Queries, user_id: str) -> list[Membership]:
    await users.get(queries, user_id)
    return await groups.of_user(queries, user_id)


async def create(on: Rollbook, by: Principal, new: GroupCreate) -> Group:
    """Create a group

    Names need not be unique; an `external_id` is. The group has no members yet.
    """
    require(by, "groups:write")
    return await on.write(add, by, groups.new(**_given(new)))


async def add(tx: Tx, by: Principal, new: Group) -> Group:
    """Raises ExternalIdTaken, GroupLimitReached."""
    if await groups.count(tx) >= MAX_GROUPS:
        raise GroupLimitReached()
    group = await groups.add(tx, new)
    await events.record(tx, "group.created", "", by.actor, groups.public(group))
    return group


async def named(tx: Tx, by: Principal, names: Sequence[str]) -> dict[str, str]:
    """The IDs of the groups with these names, by name; ignoring case where no group has the very name, and the oldest
    if several have it. Those that don't exist are created, as far as there may be so many: the others are missing."""
    ids_by_name = await groups.by_names(tx, names)
    if len(ids_by_name) == len(names):
        return ids_by_name
    await users.lock_owner(tx)  # of two imports at the same time, the second sees the groups of the first
    ids_by_name = await groups.by_names(tx, names)
    left = MAX_GROUPS - await groups.count(tx)
    missing = {rules.fold(name): name for name in reversed(names) if name not in ids_by_name}
    new = [await groups.add(tx, groups.new(name=name)) for name in [*reversed(missing.values())][: max(left, 0)]]
    if not new:
        return ids_by_name
    await events.record_many(tx, [events.row("group.created", "", by.actor, groups.public(group)) for group in new])
    created = {rules.fold(group.name): group.id for group in new}
    return ids_by_name | {name: created[rules.fold(name)] for name in names if rules.fold(name) in created}


async def update(
    on: Rollbook, by: Principal, id: str, changes: GroupFields, versions: frozenset[int] | None = None
) -> Group:
    """Update a group

    Fields you don't send are left unchanged. `PUT` replaces the `metadata`; `PATCH` merges it, and null removes a key.
    With `If-Match`, the update only succeeds if the group still has that version.
    """
    require(by, "groups:write")
    fields = _given(changes)
    patch = fields.pop("metadata") if isinstance(changes.metadata, MetadataPatch) else None
    return await on.write(change, by, known("group", id), fields, versions, patch)


async def change(
    tx: Tx,
    by: Principal,
    id: str,
    fields: Mapping[str, Any],
    versions: frozenset[int] | None = None,
    patch: str | None = None,
) -> Group:
    """Update a group. A field that already has the value is no change, and without a change there is no event. Raises
    NotFound, PreconditionFailed, ExternalIdTaken."""
    group = await groups.get(tx, id)
    check_version(group.version, versions)
    if patch is not None:
        fields = {**fields, "metadata": patched(group.metadata, patch)}
    columns = {name: value for name, value in fields.items() if getattr(group, name) != value}
    if not columns:
        return group
    after = await groups.change(tx, group, columns)
    before = groups.public_part(frozenset(columns))(group)
    await events.record(tx, "group.updated", "", by.actor, groups.public(after), before)
    return after


async def delete(on: Rollbook, by: Principal, id: str, versions: frozenset[int] | None = None) -> None:
    """Delete a group

    Its members stay users. This can't be undone.
    """
    require(by, "groups:write")
    require_proof(by)
    await on.write(remove, by, known("group", id), versions)


async def remove(tx: Tx, by: Principal, id: str, versions: frozenset[int] | None = None) -> None:
    """Raises NotFound, PreconditionFailed."""
    group = await groups.get(tx, id)
    check_version(group.version, versions)
    await groups.remove(tx, id)
    await scim.erase(tx, id)
    await events.record(tx, "group.deleted", "", by.actor, groups.public(group))


def _given(fields: GroupFields) -> dict[str, Any]:
    return {name: given(value) for name in fields.__struct_fields__ if (value := getattr(fields, name)) is not UNSET}


# ---- members


async def list_members(on: Rollbook, by: Principal, id: str, limit: int = 50, after: int = 0) -> MemberPage:
    """List the members of a group

    Returns the members in the order in which the users were added. The `Link` header has the URL of the next page,
    `X-Total-Count` the total. To search, filter and sort members, use `GET /v1/users?group=`.
    """
    require(by, "groups:read")
    return await on.read(_members, known("group", id), after, limit)


async def _members(queries: Queries, id: str, after: int, limit: int) -> MemberPage:
    group = await groups.get(queries, id)
    batch = await groups.members(queries, id, after, limit + 1)
    return MemberPage(batch[:limit], group.members, len(batch) > limit)


async def add_members(on: Rollbook, by: Principal, id: str, new: MembersAdd) -> MembersOutcome:
    """Add members to a group

    Adds up to 1,000 users: all of them, or none if one can't be added. Members get the role you send.
    """
    require(by, "groups:write")
    roles: dict[str, str] = {}
    for index, member in enumerate(new.members):
        user_id = whom(by, member.user_id)
        if user_id in roles:
            refuse(f"members[{index}].user_id", "must not be repeated")
        roles[user_id] = given(member.role) or ""
    return await on.write(_add_members, by, known("group", id), roles)


async def _add_members(tx: Tx, by: Principal, id: str, roles: Mapping[str, str]) -> MembersOutcome:
    put = await put_members(tx, by, id, roles)
    if put.unknown:
        at = {user_id: f"members[{index}].user_id" for index, user_id in enumerate(roles)}
        raise invalid([Fault(at[user_id], f"{at[user_id]} must be the ID of a user.") for user_id in put.unknown])
    return put


async def set_member(on: Rollbook, by: Principal, id: str, user_id: str, member: MemberUpdate) -> Member:
    """Add or change a member of a group

    Adds the user to the group or, if they are a member, changes their role. Also requires the scope `groups:read`,
    since the response names the user.
    """
    require(by, "groups:write")
    require(by, "groups:read")
    user_id = known("user", whom(by, user_id))
    return await on.write(_set_member, by, known("group", id), user_id, given(member.role) or "")


async def _set_member(tx: Tx, by: Principal, id: str, user_id: str, role: str) -> Member:
    if (await put_members(tx, by, id, {user_id: role})).unknown:
        raise NotFound()
    return await groups.member(tx, id, user_id)


async def set_roles(on: Rollbook, by: Principal, id: str, user_ids: Iterable[str], member: MemberUpdate) -> int:
    """Change the role of several members. Who is none, or no longer, doesn't become one. Return how many were changed.
    Raises NotFound."""
    require(by, "groups:write")
    return (await on.write(_set_roles, by, known("group", id), [*user_ids], given(member.role) or "")).changed


async def _set_roles(tx: Tx, by: Principal, id: str, user_ids: Sequence[str], role: str) -> MembersOutcome:
    _, candidates = await _held(tx, by, id, dict.fromkeys(user_ids))
    return await put_members(
        tx, by, id, {user_id: role for user_id in candidates if candidates[user_id].role is not None}
    )


async def put_members(tx: Tx, by: Principal, id: str, roles: Mapping[str, str | None]) -> MembersOutcome:
    """Put users into a group, each with a role; None leaves members the role that they have. Raises NotFound if there
    is no such group, GroupLimitReached."""
    group, candidates = await _held(tx, by, id, roles)
    unknown = tuple([user_id for user_id in roles if user_id not in candidates])
    if unknown:
        return MembersOutcome(unknown=unknown)
    joining = {user_id: role or "" for user_id, role in roles.items() if candidates[user_id].role is None}
    others = {
        user_id: role
        for user_id, role in roles.items()
        if role is not None and candidates[user_id].role not in (None, role)
    }
    if joining and (crowded := await groups.in_many(tx, [*joining], MAX_MEMBERSHIPS)) is not None:
        raise GroupLimitReached(f"The user {crowded} is in 1,000 groups.")
    if joining or others:
        await groups.join(tx, id, [(candidates[user_id].seq, user_id, role) for user_id, role in joining.items()])
        await groups.set_roles(tx, id, [(candidates[user_id].seq, role) for user_id, role in others.items()])
        await groups.counted(tx, id, len(joining))
        before = {user_id: {"role": candidates[user_id].role} for user_id in others}
        await _record(tx, by, group, joining | others, before)
    return MembersOutcome(len(joining), len(others), len(roles) - len(joining) - len(others))


async def remove_member(on: Rollbook, by: Principal, id: str, user_id: str) -> None:
    """Remove a member from a group

    The user stays. Fails with 404 if they are no member.
    """
    require(by, "groups:write")
    await on.write(_remove_member, by, known("group", id), known("user", whom(by, user_id)))


async def _remove_member(tx: Tx, by: Principal, id: str, user_id: str) -> None:
    if not await drop_members(tx, by, id, [user_id]):
        raise NotFound()


async def remove_members(on: Rollbook, by: Principal, id: str, user_ids: Iterable[str]) -> int:
    """Remove several members, and return how many were. Raises NotFound if there is no such group."""
    require(by, "groups:write")
    return await on.write(drop_members, by, known("group", id), [*user_ids])


async def drop_members(tx: Tx, by: Principal, id: str, user_ids: Iterable[str]) -> int:
    """Remove users from a group; those who are no members don't matter. Return how many were. Raises NotFound if there
    is no such group."""
    group, candidates = await _held(tx, by, id, dict.fromkeys(user_ids))
    leaving = {user_id: candidate for user_id, candidate in candidates.items() if candidate.role is not None}
    if leaving:
        await groups.leave(tx, id, [candidate.seq for candidate in leaving.values()])
        await groups.counted(tx, id, -len(leaving))
        await _record(tx, by, group, {user_id: candidate.role or "" for user_id, candidate in leaving.items()}, None)
    return len(leaving)


async def check_may_change(on: Rollbook, by: Principal, id: str) -> None:
    """Check that there is a group whose members the caller may change. Raises InsufficientScope, NotFound."""
    require(by, "groups:write")
    await groups.get(on.db, known("group", id))


async def join(tx: Tx, by: Principal, id: str, user_id: str) -> bool:
    """Add a user to a group, without a role; False if they are a member already. Raises NotFound,
    GroupLimitReached."""
    outcome = await put_members(tx, by, id, {user_id: None})
    if outcome.unknown:
        raise NotFound()
    return bool(outcome.added)


async def leave(tx: Tx, by: Principal, id: str, user_id: str) -> bool:
    """Remove a user from a group; False if they are no member. Raises NotFound."""
    await users.get(tx, user_id)
    return await drop_members(tx, by, id, [user_id]) == 1


async def _held(tx: Tx, by: Principal, id: str, user_ids: Mapping[str, Any]) -> tuple[Group, dict[str, Candidate]]:
    """The group and those of these users who exist. No one else changes, deletes or restores any of them meanwhile:
    users are locked first, as all do who lock both. Raises InsufficientScope, but not for identity providers, which
    send groups as a whole."""
    await users.lock_users(tx, [*user_ids])
    group = await groups.get(tx, id)
    candidates = await groups.candidates(tx, id, [*user_ids])
    if by.caller.kind != "scim":
        for user_id, candidate in candidates.items():
            may_touch(by, user_id, candidate.role_of_user)
    return group, candidates


async def _record(
    tx: Tx, by: Principal, group: Group, roles: Mapping[str, str], before: Mapping[str, Any] | None
) -> None:
    """An event for each of these members. `before`: the earlier roles of those who had one; None: all of them left."""
    entries = []
    for user_id, role in roles.items():
        was = None if before is None else before.get(user_id)
        what = "removed" if before is None else "added" if was is None else "changed"
        object = {"group_id": group.id, "group_name": group.name, "user_id": user_id, "role": role}
        entries.append((f"group.member_{what}", user_id, by.actor, object, was))
    if len(entries) == 1:
        await events.record(tx, *entries[0])
    else:
        await events.record_many(tx, [events.row(*entry) for entry in entries])


# ---- what a deleted group leaves

FORGOTTEN_AT_ONCE = 2_000


async def forget_members(on: Rollbook) -> bool:
    """Remove the members of deleted groups, some at a time. A job: whether there are more."""
    id = await groups.left_over(on.db)
    if id is None:
        return False
    await on.db.write(groups.forget, id, FORGOTTEN_AT_ONCE)
    return True
