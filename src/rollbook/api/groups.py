"""Groups and their members over the API."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Struct, UnsetType

from rollbook import errors
from rollbook.actions import groups
from rollbook.actions.arguments import Limit, Query
from rollbook.actions.arguments.groups import (
    MAX_MEMBERS,
    GroupCreate,
    GroupPatch,
    GroupUpdate,
    ListGroups,
    MembersAdd,
    MemberUpdate,
)
from rollbook.actions.groups import GroupPage, MemberPage, MembersOutcome
from rollbook.api import show, take
from rollbook.api.call import Call
from rollbook.api.route import FOUND, Route, Special, delete, get, patch, post, put
from rollbook.http.request import Response
from rollbook.records import examples
from rollbook.records import groups as group_records
from rollbook.records.examples import CHARLIE_ID
from rollbook.records.user_list.query import Position
from rollbook.schemas import identifier, moment, number, says


class ListMembers(Query):
    limit: Limit = 50
    cursor: show.Cursor | None = None


class Group(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A group of users."""

    id: Annotated[str, identifier("ID of the group.", examples.GROUP_ID)]
    name: Annotated[str, says("The group's name. Need not be unique.", minLength=1, examples=["Engineering"])]
    external_id: Annotated[str, says("Your own identifier for the group.", examples=["team-7"])] | None
    metadata: Annotated[
        msgspec.Raw,
        says("A JSON object with your own data.", type="object", additionalProperties=True, examples=[{"plan": "pro"}]),
    ]
    members: Annotated[int, number("The number of members.", examples=[12])]
    created_at: Annotated[str, moment("When it was created.")]
    updated_at: Annotated[str, moment("When the group or its members were last changed.", "2023-10-27T11:00:00Z")]
    role: (
        Annotated[str, says("The role of the `user` who was asked for. Only in lists of a user's groups.")] | UnsetType
    ) = UNSET


class Member(Struct, frozen=True):
    """A member of a group."""

    user_id: Annotated[str, identifier("ID of the user.", CHARLIE_ID)]
    name: Annotated[str, says("The user's name.", minLength=1, examples=["Charles Chaplin"])]
    email: Annotated[str, says("The user's email.", format="email", examples=["charlie.c@example.com"])]
    role: Annotated[str, says("The user's role in the group. Empty: none.", examples=["lead"])]
    added_at: Annotated[str, moment("When the user was added to the group.")]


class AddedMembers(Struct, frozen=True):
    """Outcome for the users you sent."""

    added: Annotated[int, number("Users who were added.", maximum=MAX_MEMBERS)]
    changed: Annotated[int, number("Members who got another role.", maximum=MAX_MEMBERS)]
    unchanged: Annotated[int, number("Members who had the role already.", maximum=MAX_MEMBERS)]


class GroupMembership(Struct, frozen=True):
    """A group of a user."""

    group_id: Annotated[str, identifier("ID of the group.", examples.GROUP_ID)]
    group_name: Annotated[str, says("The group's name.", examples=["Engineering"])]
    role: Annotated[str, says("The user's role in the group. Empty: none.", examples=["lead"])]
    added_at: Annotated[str, moment("When the user was added to the group.")]


def show_group_list(call: Call, page: GroupPage) -> Response:
    shown = [group_records.public(group) for group in page.groups]
    if page.roles is not None:
        shown = [fields | {"role": page.roles.get(fields["id"], "")} for fields in shown]
    return show.answer(200, shown, show.total(page.total))


def show_group(call: Call, group: group_records.Group) -> Response:
    """The group, unless the caller has this version already (If-None-Match)."""
    return show.unless_known(call, group.version) or show_group_changed(call, group)


def show_group_changed(call: Call, group: group_records.Group) -> Response:
    return show.answer(200, group_records.public(group), show.etag(group.version))


def show_group_created(call: Call, group: group_records.Group) -> Response:
    return show.created(call, f"/v1/groups/{group.id}", show_group_changed(call, group))


def show_member_list(call: Call, page: MemberPage) -> Response:
    path = call.request.path.rstrip("/")
    after = Position((page.members[-1].seq,), False) if page.more else None
    head = take.plain_links(
        call.services.secret, call.services.base_url(call.request) + path, (), None, call.query.limit, None, after
    )
    return show.answer(200, [group_records.public_member(each) for each in page.members], head + show.total(page.total))


def show_member(call: Call, member: group_records.Member) -> Response:
    return show.answer(200, group_records.public_member(member))


def show_members_added(call: Call, put: MembersOutcome) -> Response:
    return show.answer(200, AddedMembers(put.added, put.changed, put.unchanged))


def take_member_page(call: Call) -> tuple[int, int]:
    query: ListMembers = call.query
    if query.cursor is None:
        return query.limit, 0
    return query.limit, take.position(call.services.secret, None, query.cursor).values[0]


ROWS: dict[str, list[Route]] = {
    "/v1/groups": [
        get(groups.list_groups, "groups:read", ListGroups, list[Group], show_group_list).but(errors=FOUND),
        post(groups.create, "groups:write", GroupCreate, Group, show_group_created).but(
            success=201, errors=(errors.ExternalIdTaken, errors.GroupLimitReached)
        ),
    ],
    "/v1/groups/{groupId}": [
        get(groups.get, "groups:read", None, Group, show_group),
        put(groups.update, "groups:write", GroupUpdate, Group, show_group_changed).but(
            errors=(errors.PreconditionFailed, errors.ExternalIdTaken), takes=take.changes
        ),
        patch(groups.update, "groups:write", GroupPatch, Group, show_group_changed).but(
            errors=(errors.PreconditionFailed, errors.ExternalIdTaken), takes=take.changes
        ),
        delete(groups.delete, "groups:write").but(errors=(errors.PreconditionFailed,), takes=take.versions),
    ],
    "/v1/groups/{groupId}/members": [
        get(groups.list_members, "groups:read", ListMembers, list[Member], show_member_list).but(
            takes=take_member_page
        ),
        post(groups.add_members, "groups:write", MembersAdd, AddedMembers, show_members_added).but(
            errors=(errors.GroupLimitReached,), special=Special(max_body=2 << 20)
        ),
    ],
    "/v1/groups/{groupId}/members/{userId}": [
        put(groups.set_member, "groups:write", MemberUpdate, Member, show_member).but(
            errors=(errors.GroupLimitReached,), special=Special(optional_body=True)
        ),
        delete(groups.remove_member, "groups:write"),
    ],
}
