"""Groups in SCIM: their calls, how they are read, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from rollbook.actions import scim_groups
from rollbook.actions.scim import ScimPage
from rollbook.actions.scim_groups import MAX_MEMBERS, MemberChange, Team, TeamChange
from rollbook.scim import filters
from rollbook.scim.asking import Ask, Reply, listed, projection, reply, search_of, whole, window
from rollbook.scim.attributes import CORE
from rollbook.scim.errors import refused
from rollbook.scim.patching import PatchStep, operations, parts
from rollbook.scim.users import meta

MAX_IN_ANSWER = 1_000
"""Members of a group that the answer to a PATCH names."""
MAX_CONDITIONS = 100_000
"""Characters of all conditions in a request: 1,000 such as `value eq "ID"` have half as many."""


async def get_group(ask: Ask, id: str) -> Reply:
    team = await scim_groups.get_team(ask.on, ask.by, id, ask.shows("Group", "members"))
    return reply(ask, "Group", 200, shown(team, ask.base))


async def create_group(ask: Ask) -> Reply:
    team = await scim_groups.create_team(ask.on, ask.by, read(whole(ask, "Group")))
    return (await get_group(ask, team.group.id))._replace(status=201)


async def replace_group(ask: Ask, id: str) -> Reply:
    await scim_groups.change_team(ask.on, ask.by, id, read(whole(ask, "Group")), ask.versions, replaces=True)
    return await get_group(ask, id)


async def patch_group(ask: Ask, id: str) -> Reply:
    """A group with many members is not answered with all of them each time one is added."""
    team = await scim_groups.change_team(ask.on, ask.by, id, edited(operations("Group", ask.body)), ask.versions)
    if team.group.members > MAX_IN_ANSWER and ask.shows("Group", "members"):
        return Reply(204)
    return await get_group(ask, id)


async def delete_group(ask: Ask, id: str) -> Reply:
    await scim_groups.delete_team(ask.on, ask.by, id, ask.versions)
    return Reply(204)


async def list_groups(ask: Ask) -> Reply:
    return listed(ask, await found(ask, *window(ask)))


async def found(ask: Ask, offset: int, limit: int) -> ScimPage:
    search = search_of(ask, "Group", lambda team: compared(team, ask.base))._replace(offset=offset, limit=limit)
    teams = await scim_groups.list_teams(ask.on, ask.by, search, ask.shows("Group", "members"))
    part = projection(ask, "Group")
    return ScimPage(teams.total, [part(shown(team, ask.base)) for team in teams.resources])


def shown(team: Team, base: str) -> dict[str, Any]:
    group = team.group
    attributes = {
        "schemas": [f"{CORE}Group"],
        "id": group.id,
        "externalId": team.external_id,
        "displayName": group.name,
        "members": _members(team.members, base),
        "meta": meta("Group", base, group.id, group.created_at, group.updated_at, team.version),
    }
    return {name: value for name, value in attributes.items() if value is not None}


def _members(ids: list[str] | None, base: str) -> msgspec.Raw | None:
    """Written as JSON at once: there may be ten thousands."""
    if not ids:
        return None
    entries = [f'{{"value":"{id}","$ref":"{base}/Users/{id}","type":"User"}}' for id in ids]
    return msgspec.Raw(f"[{','.join(entries)}]".encode())


def compared(team: Team, base: str) -> dict[str, Any]:
    """A group for a filter, with the members that it asks for."""
    return {**shown(team, base), "members": [{"value": id, "type": "User"} for id in team.members or ()]}


def read(body: dict[str, Any]) -> TeamChange:
    """A group from a whole resource: what it doesn't say is empty. Raises InvalidParameter."""
    change = edited(list(parts("Group", body)))
    members = change.members or (MemberChange("set", ()),)
    return change._replace(members=members, sets_external_id=True)


def edited(operations: list[PatchStep]) -> TeamChange:
    """The changes that operations make. Raises InvalidParameter."""
    change = TeamChange()
    members: list[MemberChange] = []
    _check_size(operations)
    for op, at, value in operations:
        if at.name == "displayName" and op != "remove":
            change = change._replace(name=_text("displayName", value))
        elif at.name == "externalId":
            external_id = None if op == "remove" or not value else _text("externalId", value)
            change = change._replace(external_id=external_id, sets_external_id=True)
        elif at.name == "members":
            members.append(_change(op, at.condition, value))
    return change._replace(members=_merged(members))


def _check_size(operations: list[PatchStep]) -> None:
    """Refuse at once what would take long to be read. Raises InvalidParameter."""
    if sum(len(value) for _, _, value in operations if isinstance(value, list)) > MAX_MEMBERS:
        raise refused("invalidValue", f"members must be at most {MAX_MEMBERS:,} in one request.")
    if sum(len(at.condition or "") for _, at, _ in operations) > MAX_CONDITIONS:
        raise refused("invalidValue", f"Conditions must have at most {MAX_CONDITIONS:,} characters together.")


def _change(op: str, condition: str | None, value: Any) -> MemberChange:
    if condition is not None:
        named = filters.parse("Group", f"members[{condition}]").named
        ids = tuple([text for name, text in named if name == ("members", "value")])
        if not ids:
            raise refused("invalidPath", 'A condition on members names them: members[value eq "ID"].')
        return MemberChange("remove" if op == "remove" else "add", ids)
    ids = tuple(dict.fromkeys(_ids(value)))
    if op == "remove":  # without a value and a condition, of all
        return MemberChange("remove", ids) if value is not None else MemberChange("set", ())
    return MemberChange("add" if op == "add" else "set", ids)


def _merged(changes: Iterable[MemberChange]) -> tuple[MemberChange, ...]:
    """Neighbors of one kind as one: Entra ID sends an operation for each member."""
    merged: list[tuple[Literal["add", "remove", "set"], dict[str, None]]] = []
    for change in changes:
        if merged and merged[-1][0] == change.op != "set":
            merged[-1][1].update(dict.fromkeys(change.members))
        else:
            merged.append((change.op, dict.fromkeys(change.members)))
    return tuple([MemberChange(op, tuple(members)) for op, members in merged])


def _ids(value: Any) -> Iterable[str]:
    for entry in value if isinstance(value, list) else [] if value is None else [value]:
        if isinstance(entry, dict):
            entry = next((text for name, text in entry.items() if name.lower() == "value"), None)
        if isinstance(entry, str):
            yield entry


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise refused("invalidValue", f"{name} must be a text.")
    return value
