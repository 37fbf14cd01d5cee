"""Arguments about groups and their members."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import UNSET, Meta, UnsetType

from rollbook.actions.arguments import (
    ANY_TEXT,
    CONTROL_FREE,
    NO_CONTROLS,
    Body,
    Limit,
    Metadata,
    MetadataPatch,
    Offset,
    Query,
    SearchText,
    SomeUser,
)
from rollbook.schemas import Schema, says

MAX_MEMBERS = 1000
"""Members that one call adds."""


class GroupName(str):
    """The group's name, 1 to 255 characters. Need not be unique. Surrounding whitespace is removed. No control
    characters, and no invisible ones."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["Engineering"]}


class GroupFields(Body, kw_only=True):
    """The fields of a group that callers set, at creation or later."""

    name: GroupName | UnsetType = UNSET
    external_id: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=255,
                pattern=NO_CONTROLS,
                description="Your own identifier for the group. Unique among groups. Null removes it.",
                examples=["team-7"],
            ),
        ]
        | None
        | UnsetType
    ) = UNSET
    metadata: Metadata | UnsetType = UNSET


class GroupCreate(GroupFields, kw_only=True):
    """A group to create."""

    name: GroupName  # type: ignore[bad-override-mutable-attribute]  # frozen


class GroupUpdate(GroupFields, kw_only=True):
    """The fields of a group to change. Missing fields are left unchanged."""


class GroupPatch(GroupFields, kw_only=True):
    """The fields of a group to change. Missing fields are left unchanged, and metadata is merged."""

    metadata: MetadataPatch | UnsetType = UNSET  # type: ignore[bad-override-mutable-attribute]  # frozen


MemberRole = Annotated[
    str,
    Meta(
        max_length=255,
        pattern=CONTROL_FREE,
        description="The user's role in the group: a text of yours, which gives no rights in Rollbook. Default or "
        "null: an empty text.",
        examples=["lead"],
    ),
]


class MemberUpdate(Body):
    """A member to add, or to change."""

    role: MemberRole | None | UnsetType = UNSET


class MemberToAdd(Body):
    """A user to add to a group. One who is a member already gets the role."""

    user_id: Annotated[SomeUser, says("ID of the user.", pattern=ANY_TEXT)]
    role: MemberRole | None | UnsetType = UNSET


class MembersAdd(Body):
    """Users to add to a group."""

    members: Annotated[
        tuple[MemberToAdd, ...], Meta(min_length=1, max_length=MAX_MEMBERS, description="Up to 1,000 users, each once.")
    ]


class ListGroups(Query):
    q: Annotated[SearchText, says("Search: part of the name, ignoring case and accents.")] | None = None
    name: (
        Annotated[
            str,
            Meta(max_length=255, description="Only groups with this name, ignoring case.", examples=["Engineering"]),
        ]
        | None
    ) = None
    external_id: (
        Annotated[str, Meta(max_length=255, description="Only the group with this external ID.", examples=["team-7"])]
        | None
    ) = None
    user: Annotated[SomeUser, says("Only groups of this user, with their `role` there.")] | None = None
    sort: Annotated[
        Literal["created_at", "-created_at", "name", "-name"],
        Meta(description="How to sort them. Prefix with `-` for descending order."),
    ] = "created_at"
    limit: Limit = 50
    offset: Offset = 0
