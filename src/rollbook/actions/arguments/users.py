"""Arguments about users: their fields, filters of lists, and exports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from rollbook.actions.arguments import (
    ABOUT_KIND,
    ABOUT_ROLE,
    ABOUT_STATUS,
    MAX_POSITION,
    ActiveTime,
    Body,
    Email,
    ExportedStatus,
    ExternalId,
    Ids,
    LimitText,
    Metadata,
    MetadataFilter,
    MetadataPatch,
    Name,
    NewPassword,
    OwnPassword,
    PrivateMetadata,
    PrivateMetadataPatch,
    Query,
    SearchText,
    Sort,
    Time,
)
from rollbook.records import examples
from rollbook.roles import STATUSES, Role, Status, StatusFilter, UserKind
from rollbook.schemas import says

OF_APPLICATIONS = {
    "password": "An application has no password: it cannot sign in. Leave out the password, and create an API key.",
    "status": "An application is active at once. Leave out the status.",
}
NO_OWNER = "An application can't be an owner: owners must be able to sign in."
NO_PASSWORD_YET = "An invited user has no password yet: leave out the password, or the status."


class UserFields(Body, kw_only=True):
    """The fields of a user that callers set, at creation or later."""

    name: Name | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    role: Annotated[Role, says(f"{ABOUT_ROLE} Default for a new user: `member`.")] | UnsetType = UNSET
    external_id: ExternalId | None | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    private_metadata: PrivateMetadata | UnsetType = UNSET
    email_verified: Annotated[bool, says("Whether the email is verified.")] | UnsetType = UNSET
    rate_limit: LimitText | None | UnsetType = UNSET
    ends_at: (
        Annotated[Time, says("The RFC 3339 time at which Rollbook suspends the user. Null: never.")] | None | UnsetType
    ) = UNSET


class UserCreate(UserFields, kw_only=True):
    """A user to create. Users without a password set one by a link."""

    name: Name  # type: ignore[bad-override-mutable-attribute]  # frozen
    email: Email  # type: ignore[bad-override-mutable-attribute]  # frozen
    password: NewPassword | UnsetType = UNSET
    status: (
        Annotated[
            Status,
            says("Only `invited`: the user has no password until they set one, and then becomes `active`."),
        ]
        | UnsetType
    ) = UNSET

    @staticmethod
    def at_odds(fields: Mapping[str, Any]) -> Mapping[str, str]:
        """Sentences about fields that are right by themselves, but not together."""
        status = fields.get("status", "invited")
        if status in STATUSES and status != "invited":
            return {"status": "status must be invited, or left out."}
        return {"password": NO_PASSWORD_YET} if "status" in fields and "password" in fields else {}


class UserUpdate(UserFields, kw_only=True):
    """The fields of a user to change. Missing fields are left unchanged."""

    kind: Annotated[UserKind, says(f"{ABOUT_KIND} Can't be changed.")] | UnsetType = UNSET
    status: Annotated[Status, says(ABOUT_STATUS)] | UnsetType = UNSET
    current_password: OwnPassword | UnsetType = UNSET


class UserPatch(UserUpdate, kw_only=True):
    """The fields of a user to change. Missing fields are left unchanged, and metadata is merged."""

    metadata: MetadataPatch | UnsetType = UNSET  # type: ignore[bad-override-mutable-attribute]  # frozen
    private_metadata: PrivateMetadataPatch | UnsetType = UNSET  # type: ignore[bad-override-mutable-attribute]  # frozen


class ReadUser(Query):
    at: (
        Annotated[
            str,
            Meta(
                max_length=MAX_POSITION,
                description="Return the user as they were at this RFC 3339 time, or right after the event with this "
                "ID.",
                examples=["2023-10-27T10:00:00Z"],
            ),
        ]
        | None
    ) = None


class UserFilters(Query):
    """Filters of users."""

    email: (
        Annotated[
            str,
            Meta(
                max_length=254,
                description="Only the user with this email, ignoring case.",
                examples=["alice@example.com"],
            ),
        ]
        | None
    ) = None
    external_id: (
        Annotated[str, Meta(max_length=255, description="Only the user with this external ID.", examples=["crm-1042"])]
        | None
    ) = None
    ids: Ids | None = None
    role: Annotated[Role, says("Only users with this role.")] | None = None
    status: (
        Annotated[
            StatusFilter,
            says(
                "Only users with this status. `deleted`: those who were deleted and can be restored, newest "
                "deletion first. Requires the scope `users:write` as well."
            ),
        ]
        | None
    ) = None
    kind: Annotated[UserKind, says("Only users of this kind.")] | None = None
    created_after: Annotated[Time, says("Only users created after this RFC 3339 time.")] | None = None
    created_before: Annotated[Time, says("Only users created before this RFC 3339 time.")] | None = None
    q: SearchText | None = None
    metadata: MetadataFilter | None = None
    group: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="Only members of the group with this ID. Requires the scope `groups:read` as well.",
                examples=[examples.GROUP_ID],
            ),
        ]
        | None
    ) = None
    active_after: (
        Annotated[ActiveTime, says("Only users last active after this RFC 3339 time. `never`: all who ever were.")]
        | None
    ) = None
    active_before: (
        Annotated[
            ActiveTime, says("Only users last active before this RFC 3339 time. `never`: only those who never were.")
        ]
        | None
    ) = None
    ends_after: Annotated[Time, says("Only users whose `ends_at` is after this RFC 3339 time.")] | None = None
    ends_before: Annotated[Time, says("Only users whose `ends_at` is before this RFC 3339 time.")] | None = None
    email_verified: Annotated[bool, says("Whether the email of the users is verified.")] | None = None
    second_factor: Annotated[bool, says("Whether the users have a second factor.")] | None = None
    status_since_before: (
        Annotated[Time, says("Only users who got their present `status` before this RFC 3339 time.")] | None
    ) = None


TIMES = tuple(name for name in UserFilters.__struct_fields__ if name.endswith(("_after", "_before")))
"""Filters that are times."""


class UserSelection(UserFilters):
    """Filters of users, and their order."""

    sort: Sort | None = None


ExportFormat = Literal["ndjson", "csv"]


class ExportUsers(UserFilters):
    """The users to export, and the format."""

    status: ExportedStatus | None = None  # type: ignore[bad-override-mutable-attribute]  # frozen
    format: Annotated[
        ExportFormat, Meta(description="`ndjson`: a JSON object on each line. `csv`: a table with a header.")
    ] = "ndjson"
