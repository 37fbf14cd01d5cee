"""Arguments about bulk jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from rollbook.actions.arguments import Body, ExportedStatus, Limit, MetadataPatch, Query, RedirectUrl, Time
from rollbook.actions.arguments.users import UserFilters
from rollbook.records import examples
from rollbook.records.examples import ALICE_ID, CHARLIE_ID
from rollbook.roles import Role
from rollbook.schemas import says

BulkResultKind = Literal["changed", "unchanged", "refused"]
BulkAction = Literal[
    "suspend",
    "activate",
    "delete",
    "restore",
    "role",
    "metadata",
    "ends_at",
    "setup_links",
    "add_to_group",
    "remove_from_group",
    "end_sessions",
]
GROUP_ACTIONS = ("add_to_group", "remove_from_group")


GroupOfAction = Annotated[
    str,
    Meta(
        max_length=40,
        description="For `add_to_group` and `remove_from_group`: ID of the group.",
        examples=[examples.GROUP_ID],
    ),
]


class BulkFilter(UserFilters, forbid_unknown_fields=True):
    """All users who match these filters of `GET /v1/users`, as they are now; `{}` is all users. Without `kind`, only
    people."""

    status: ExportedStatus | None = None  # type: ignore[bad-override-mutable-attribute]  # frozen


class BulkJobCreate(Body, kw_only=True):
    """The change, and its users: either a `filter` or `ids`."""

    action: Annotated[
        BulkAction,
        says(
            "`role` sets the `role`, `metadata` merges the `metadata`, `ends_at` sets the `ends_at`, `setup_links` "
            "creates a link for each user with which they set their password. `restore` brings deleted users back, by "
            "their `ids`. `add_to_group` and `remove_from_group` change who is in the group `group_id`: members keep "
            "their role there, new ones have none. `end_sessions` signs them out everywhere."
        ),
    ]
    filter: BulkFilter | UnsetType = UNSET
    ids: (
        Annotated[
            tuple[Annotated[str, Meta(min_length=1, max_length=40)], ...],
            Meta(
                min_length=1,
                max_length=10_000,
                description="The users with these IDs.",
                examples=[[ALICE_ID, CHARLIE_ID]],
            ),
        ]
        | UnsetType
    ) = UNSET
    role: Annotated[Role, says("For `role`: the new role.")] | UnsetType = UNSET
    metadata: Annotated[MetadataPatch, says("For `metadata`: keys to set, and with null to remove.")] | UnsetType = (
        UNSET
    )
    ends_at: (
        Annotated[Time, says("For `ends_at`: the RFC 3339 time at which they are suspended. Null: never.")]
        | None
        | UnsetType
    ) = UNSET
    send: Annotated[
        bool, Meta(description="For `setup_links`: mail each link to its user. Otherwise you get them.")
    ] = False
    redirect_url: (
        Annotated[RedirectUrl, says("For `setup_links`: where users continue once they have set their password.")]
        | UnsetType
    ) = UNSET
    group_id: GroupOfAction | UnsetType = UNSET
    confirm_count: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=1 << 53,
                description="How many users you expect. If it is another number, nothing happens.",
                examples=[1204],
            ),
        ]
        | UnsetType
    ) = UNSET

    @staticmethod
    def at_odds(fields: Mapping[str, Any]) -> Mapping[str, str]:
        """Sentences about fields that are right by themselves, but not together."""
        action = fields.get("action")
        if ("filter" in fields) == ("ids" in fields):
            return {"filter": "filter or ids is required, and not both."}
        if action == "restore" and "ids" not in fields:
            return {"filter": "filter finds no deleted users. Send their ids."}
        actions = {
            "role": ("role",),
            "metadata": ("metadata",),
            "ends_at": ("ends_at",),
            "group_id": GROUP_ACTIONS,
            "send": ("setup_links",),
            "redirect_url": ("setup_links",),
        }
        for name in ("role", "metadata", "ends_at", "group_id"):
            if action in actions[name] and name not in fields:
                return {name: f"{name} is required."}
        return {
            name: f"{name} is only for the action {' or '.join(names)}."
            for name, names in actions.items()
            if fields.get(name) not in (None, False) and action not in names
        }


class ListBulkJobs(Query):
    before: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="Only jobs older than the one with this ID.",
                examples=[examples.JOB_ID],
            ),
        ]
        | None
    ) = None
    limit: Limit = 50


class BulkJobResults(Query):
    format: Annotated[Literal["ndjson", "csv"], Meta(description="The format of the results.")] = "ndjson"
    result: Annotated[BulkResultKind, says("Only users with this result.")] | None = None
