"""Actions of identity providers on groups, as they know them by SCIM. What becomes of a group is done by the actions on
groups."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal, NamedTuple

from rollbook.actions import groups as group_actions
from rollbook.actions.checking import check_version, refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import known, require
from rollbook.actions.principal import Principal
from rollbook.actions.scim import (
    AT_ONCE,
    ScimPage,
    ScimSearch,
    Versions,
    check_few,
    check_text,
    checked,
    looking,
    sliced,
    too_many,
)
from rollbook.errors import EmailUnproven, NotFound
from rollbook.records import groups, rules, scim, users
from rollbook.records.groups import Group, GroupSelection
from rollbook.storage.database import Queries, Tx

MAX_MEMBERS = 20_000
"""Members in a request, and those that it may remove."""
MAX_SHOWN = 100_000
"""Members in an answer."""


class Team(NamedTuple):
    """A group as an identity provider has it. `members` are IDs of users; None: not asked for."""

    group: Group
    external_id: str | None
    members: list[str] | None = None

    @property
    def version(self) -> str:
        return str(self.group.version)


class MemberChange(NamedTuple):
    """`members` are added or removed, or from then on they are all (`set`)."""

    op: Literal["add", "remove", "set"]
    members: tuple[str, ...]


class TeamChange(NamedTuple):
    """Changes of a group. A `name` that is None stays."""

    name: str | None = None
    external_id: str | None = None
    sets_external_id: bool = False
    members: tuple[MemberChange, ...] = ()


async def get_team(on: Rollbook, by: Principal, id: str, with_members: bool) -> Team:
    require(by, "groups:read")
    group = await groups.get(on.db, known("group", id))
    read = on.read if group.members <= AT_ONCE or not with_members else on.read_aside
    return await read(_team, id, by.tenant, with_members)


async def _team(queries: Queries, id: str, tenant: str, with_members: bool) -> Team:
    group = await groups.get(queries, id)
    if with_members and group.members > MAX_SHOWN:
        raise too_many(f"The group has more than {MAX_SHOWN:,} members. Ask with excludedAttributes=members.")
    members = await groups.person_ids(queries, id, MAX_SHOWN) if with_members else None
    return Team(group, (await scim.external_ids(queries, tenant, [id])).get(id), members)


async def list_teams(on: Rollbook, by: Principal, search: ScimSearch, with_members: bool) -> ScimPage:
    """Groups that pass, oldest first unless it is sorted: as many as have MAX_MEMBERS together, or one."""
    require(by, "groups:read")
    if search.passes is None and search.key is None:
        page = await on.read_aside(_teams, by.tenant, search)
    else:
        async with looking(on, by):
            page = await sliced((await on.read_aside(_teams, by.tenant, search)).resources, search)
    if not with_members or not page.resources:
        return page
    teams, members = [], 0
    for team in page.resources:
        members += team.group.members
        if teams and members > MAX_MEMBERS:
            break
        with suppress(NotFound):  # it was deleted meanwhile
            teams.append(await get_team(on, by, team.group.id, with_members))
    return ScimPage(page.total, teams)


async def _teams(queries: Queries, tenant: str, search: ScimSearch) -> ScimPage:
    """The groups of the page; of a search that tests or sorts them, all that it may find."""
    name, value = search.lead or ("", "")
    if name in ("id", "externalId"):
        id = value if name == "id" else await scim.identified(queries, tenant, "group", value)
        group = None if id is None else await groups.by_id(queries, id)
        return ScimPage(1, await _with_ids(queries, tenant, [] if group is None else [group], search))
    selection = GroupSelection(
        name=value if name == "displayName" else None, user_id=value if name == "members" else None
    )
    total = await groups.count(queries, selection)
    limit, offset = search.limit, search.offset
    if search.passes is not None or search.key is not None:
        check_few(total, "groups", search)
        limit, offset = total, 0
    batch = await groups.some(queries, selection, limit, offset) if limit else []
    return ScimPage(total, await _with_ids(queries, tenant, batch, search))


async def _with_ids(queries: Queries, tenant: str, batch: list[Group], search: ScimSearch) -> list[Team]:
    """The groups as the provider has them, with those members that the search asks for."""
    of = {}
    for user_id in search.members or ():
        of[user_id] = {membership.group_id for membership in await groups.of_user(queries, user_id)}
    external_ids = await scim.external_ids(queries, tenant, [group.id for group in batch])
    return [
        Team(group, external_ids.get(group.id), [user_id for user_id, ids in of.items() if group.id in ids])
        for group in batch
    ]


async def create_team(on: Rollbook, by: Principal, change: TeamChange) -> Team:
    require(by, "groups:read")  # the answer names the members: refused before anything is done
    require(by, "groups:write")
    return await on.write(_create_team, by, groups.new(_team_name(change.name)), change)


async def _create_team(tx: Tx, by: Principal, new: Group, change: TeamChange) -> Team:
    locked = await users.lock_users(tx, _named(change))
    group = await group_actions.add(tx, by, new)
    return await _apply(tx, by, group, change._replace(name=None), locked)


async def change_team(
    on: Rollbook, by: Principal, id: str, change: TeamChange, versions: Versions = None, replaces: bool = False
) -> Team:
    """Change a group. Users who don't exist are no members; those who stay keep their role. `replaces`: it has to tell
    the name."""
    require(by, "groups:read")  # the answer names the members: refused before anything is done
    require(by, "groups:write")
    if replaces:
        _team_name(change.name)
    return await on.write(_change_team, by, known("group", id), change, versions)


async def _change_team(tx: Tx, by: Principal, id: str, change: TeamChange, versions: Versions) -> Team:
    named = _named(change)
    if any(member_change.op == "set" for member_change in change.members):
        named += await groups.person_ids(tx, id, MAX_SHOWN)
    locked = await users.lock_users(tx, named)  # before the group, as all do who lock both
    group = await groups.get(tx, id)
    check_version(str(group.version), versions)
    return await _apply(tx, by, group, change, locked)


async def _apply(tx: Tx, by: Principal, group: Group, team_change: TeamChange, locked: set[str] | None) -> Team:
    """`locked`: the users who are, if not all. Others came since, by a restoration or into the group: to lock them
    after the group would be a deadlock with who holds them and waits for it."""
    id = group.id
    if team_change.name is not None:
        await group_actions.change(tx, by, id, {"name": _team_name(team_change.name)})
    before = (await scim.external_ids(tx, by.tenant, [id])).get(id)
    if team_change.sets_external_id and team_change.external_id != before:
        check_text("externalId", team_change.external_id)
        await scim.identify(tx, by.tenant, "group", id, team_change.external_id, before)
        await groups.counted(tx, id, 0)  # it has another version
    for change in team_change.members:
        await _change_members(tx, by, id, change, locked)
    return Team(await groups.get(tx, id), (await scim.external_ids(tx, by.tenant, [id])).get(id))


async def _change_members(tx: Tx, by: Principal, id: str, change: MemberChange, locked: set[str] | None) -> None:
    op, members = change
    if locked is not None:
        members = tuple([user_id for user_id in members if user_id in locked])
    applications = await users.applications(tx, members)
    members = tuple([user_id for user_id in members if user_id not in applications])
    if op == "remove":
        await group_actions.drop_members(tx, by, id, members)
        return
    if op == "set":
        leaving = set(await groups.person_ids(tx, id, MAX_SHOWN)).difference(members)
        if len(leaving) > MAX_MEMBERS:
            refuse("members", f"can't lose more than {MAX_MEMBERS:,} at once: remove them in several requests")
        await group_actions.drop_members(tx, by, id, sorted(leaving if locked is None else leaving & locked))
    candidates = await groups.candidates(tx, id, members)
    joining = [user_id for user_id in members if user_id in candidates and candidates[user_id].role is None]
    if unproven := await users.unproven(tx, joining):
        provided = await scim.external_ids(tx, by.tenant, sorted(unproven))
        if unproven.difference(provided):
            raise EmailUnproven()
    await group_actions.put_members(tx, by, id, dict.fromkeys(joining, ""))


def _named(team_change: TeamChange) -> list[str]:
    named = [user_id for change in team_change.members for user_id in change.members]
    if len(named) > MAX_MEMBERS:
        refuse("members", f"must be at most {MAX_MEMBERS:,} in one request")
    return named


def _team_name(text: str | None) -> str:
    if text is None:
        refuse("displayName", "is required")
    return checked(rules.name, "displayName", text)


async def delete_team(on: Rollbook, by: Principal, id: str, versions: Versions = None) -> None:
    require(by, "groups:write")
    await on.write(_delete_team, by, known("group", id), versions)


async def _delete_team(tx: Tx, by: Principal, id: str, versions: Versions) -> None:
    check_version(str((await groups.get(tx, id)).version), versions)
    await group_actions.remove(tx, by, id)
