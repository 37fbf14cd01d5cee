"""Arguments about webhooks, their deliveries and replays."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import UNSET, Meta, UnsetType

from rollbook.actions.arguments import (
    CONTROL_FREE,
    NO_CONTROLS,
    Body,
    EventPattern,
    Limit,
    Offset,
    Owner,
    Query,
    SomeUser,
    Time,
)
from rollbook.delivery import outcomes
from rollbook.records import examples
from rollbook.schemas import Schema, says


class WebhookUrl(str):
    """The place that events are sent to: an `https` URL, or `inbox` to look at them in the dashboard. `http` and
    private addresses only if the server's setting `webhook_allow` has their network. Of a chat's URL, only the
    host is shown. If you send that back, the URL stays unchanged."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 5,
        "maxLength": 2048,
        "examples": ["https://app.example.com/hooks/rollbook"],
        "pattern": "^(inbox|https?://[!-~]+…?)$",
    }


class WebhookHeaders(tuple[tuple[str, str | None], ...]):
    """Headers to send with each event, at most 20, by name. Names and values have at most 4 KiB together. Values are
    never returned."""

    schema: ClassVar[Schema] = {
        "type": "object",
        "maxProperties": 20,
        "additionalProperties": {"type": ["string", "null"], "maxLength": 4096},
        "examples": [{"X-Tenant": "acme"}],
    }


WebhookFormat = Literal["standard", "cloudevents", "ocsf", "slack", "discord", "teams"]
WebhookPayload = Literal["full", "thin"]
WebhookOrdering = Literal["user", "none"]
ABOUT_FORMATS = (
    "`standard`: the event as `GET /v1/events` shows it. `cloudevents`: CloudEvents 1.0. `ocsf`: OCSF 1.5, for "
    "a SIEM. `slack`, `discord`, `teams`: a sentence for people, in the format of these chats' incoming webhooks."
)
ABOUT_PAYLOADS = (
    "`full`: the whole event. `thin`: only its ID, type, time and the IDs of the user and the "
    "object, for receivers that should not get personal data."
)
ABOUT_ORDERINGS = (
    "`user`: a user's events arrive in order, so while one fails, that user's later events wait. `none`: events arrive "
    "in any order, and none waits for another."
)


class WebhookFields(Body, kw_only=True):
    """The fields of a webhook that callers set, at creation or later."""

    url: WebhookUrl | UnsetType = UNSET
    description: (
        Annotated[
            str,
            Meta(
                max_length=255, pattern=CONTROL_FREE, description="What you use the webhook for.", examples=["Billing"]
            ),
        ]
        | UnsetType
    ) = UNSET
    types: (
        Annotated[
            tuple[EventPattern, ...],
            Meta(min_length=1, max_length=64, description="The events to send.", examples=[["user.*"]]),
        ]
        | UnsetType
    ) = UNSET
    format: Annotated[WebhookFormat, says(f"{ABOUT_FORMATS} Default: `standard`.")] | UnsetType = UNSET
    payload: Annotated[WebhookPayload, says(f"{ABOUT_PAYLOADS} Default: `full`.")] | UnsetType = UNSET
    ordering: Annotated[WebhookOrdering, says(f"{ABOUT_ORDERINGS} Default: `user`.")] | UnsetType = UNSET
    skip_imports: (
        Annotated[
            bool,
            Meta(description="`true`: leave out the events of imports, except `import.finished`. Default: `false`."),
        ]
        | UnsetType
    ) = UNSET
    headers: WebhookHeaders | UnsetType = UNSET
    status: (
        Annotated[
            Literal["enabled", "paused"],
            says("`paused`: nothing is sent until you enable it again. Default for a new webhook: `enabled`."),
        ]
        | UnsetType
    ) = UNSET
    user_id: (
        Annotated[Owner, says("ID of the user the webhook belongs to. Default for a new webhook: yourself.")]
        | UnsetType
    ) = UNSET


class WebhookCreate(WebhookFields, kw_only=True):
    """A webhook to create."""

    url: WebhookUrl  # type: ignore[bad-override-mutable-attribute]  # frozen


LogPosition = Annotated[str, Meta(min_length=1, max_length=40, pattern=NO_CONTROLS)]


class WebhookUpdate(WebhookFields, kw_only=True, rename={"start": "from"}):
    """The fields of a webhook to change. Missing fields are left unchanged. Headers are merged: null removes one."""

    start: (
        Annotated[
            LogPosition,
            Meta(
                description="Where a webhook goes on that `status` enables: `cursor`, with everything that happened "
                "since it stopped; `now`, without it; an RFC 3339 time; or the ID of the first event to send. "
                "Default: `cursor`.",
                examples=["cursor"],
            ),
        ]
        | UnsetType
    ) = UNSET


class WebhookRotation(Body):
    """Options of the rotation of a webhook's secret."""

    overlap: Annotated[
        int,
        Meta(
            ge=0,
            le=2_592_000,
            description="Seconds during which events are signed with the old secret as well, at most 30 days.",
            examples=[3600],
        ),
    ] = 86_400


class WebhookTest(Body):
    """The event to send as a test."""

    type: (
        Annotated[
            str,
            Meta(
                max_length=64,
                description="The type of the example event. Default: `server.test`.",
                examples=["user.created"],
                extra_json_schema={"pattern": "^[a-z_]+[.][a-z_]+$"},
            ),
        ]
        | UnsetType
    ) = UNSET


class ReplayCreate(Body, rename={"start": "from"}):
    """The events to send again."""

    start: Annotated[
        LogPosition,
        Meta(
            description="The first event: an RFC 3339 time, an event ID, or `failure` for the first one that failed "
            "and has not been delivered since.",
            examples=["2023-10-27T10:00:00Z"],
        ),
    ]
    to: (
        Annotated[
            LogPosition,
            Meta(
                description="The last event: a time, exclusive, or an event ID. Default: the newest event.",
                examples=["2023-10-27T11:00:00Z"],
            ),
        ]
        | UnsetType
    ) = UNSET
    types: (
        Annotated[
            tuple[EventPattern, ...],
            Meta(
                min_length=1,
                max_length=64,
                description="Only events of these types. Default: the types of the webhook.",
                examples=[["user.*"]],
            ),
        ]
        | UnsetType
    ) = UNSET
    user: (
        Annotated[
            str,
            Meta(min_length=1, max_length=40, pattern=NO_CONTROLS, description="Only events about this user, or `me`."),
        ]
        | UnsetType
    ) = UNSET
    only: (
        Annotated[
            Literal["failed", "undelivered"],
            says(
                "`failed`: only events with failed attempts and no successful one. `undelivered`: only events "
                "without a successful delivery. Default: all."
            ),
        ]
        | UnsetType
    ) = UNSET


class ListWebhooks(Query):
    user: Annotated[SomeUser, says("Only webhooks of this user. Default: all that you can access.")] | None = None
    limit: Limit = 50
    offset: Offset = 0


class ListDeliveries(Query):
    outcome: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=32,
                description="Only deliveries with this outcome, or `failed` for all that did not succeed.",
                examples=["failed"],
                extra_json_schema={"pattern": f"^(failed|http_[45][0-9][0-9]|{'|'.join(outcomes.DESCRIPTIONS)})$"},
            ),
        ]
        | None
    ) = None
    type: (
        Annotated[
            str, Meta(max_length=64, description="Only deliveries of events of this type.", examples=["user.created"])
        ]
        | None
    ) = None
    user: Annotated[SomeUser, says("Only deliveries of events about this user, or `me`.")] | None = None
    event: (
        Annotated[str, Meta(max_length=40, description="Only deliveries of this event.", examples=[examples.EVENT_ID])]
        | None
    ) = None
    trigger: (
        Annotated[Literal["event", "test", "resend", "replay"], Meta(description="Only deliveries for this reason.")]
        | None
    ) = None
    created_after: Annotated[Time, says("Only deliveries from after this RFC 3339 time.")] | None = None
    created_before: Annotated[Time, says("Only deliveries from before this RFC 3339 time.")] | None = None
    before: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="Only deliveries older than the one with this ID.",
                examples=[examples.DELIVERY_ID],
            ),
        ]
        | None
    ) = None
    limit: Limit = 50


class ListReplays(Query):
    before: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="Only replays older than the one with this ID.",
                examples=[examples.REPLAY_ID],
            ),
        ]
        | None
    ) = None
    limit: Limit = 50
