"""The types of request bodies, query strings and responses.

Constraints are checked when a request arrives and shown in `/openapi.json`; both read them here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from rollbook import roles
from rollbook.actions import arguments
from rollbook.actions.arguments import Body, Limit, Names, NewPassword, Offset, Query, Sort, UserSelection
from rollbook.actions.bulk import MAX_OPERATIONS, Verb
from rollbook.actions.import_sources import OWN_FILE, SYSTEMS
from rollbook.delivery import outcomes
from rollbook.records import examples, one_time_tokens, webhooks
from rollbook.records import keys as key_records
from rollbook.records.event_parts import Event
from rollbook.records.examples import ALICE_ID, CHARLIE_ID, REQUEST_ID
from rollbook.roles import Status
from rollbook.schemas import Schema, array, identifier, listed, moment, number, open_enum, reference, says, uri


class Cursor(str):
    """The start of a page, taken from a `Link` header. Opaque."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 1, "maxLength": 2048, "pattern": "^[A-Za-z0-9_-]+$"}


# ---- what arrives, where it is more than the arguments of an action; a field a line


class UserCreate(arguments.UserCreate, kw_only=True):
    """A user to create: with a `password` or the `status` `invited`."""

    refused: ClassVar[dict[str, str]] = {
        "kind": "kind is not for new users. Create applications with POST /v1/applications."
    }
    password: (
        Annotated[
            NewPassword,
            says(
                "Required, unless the `status` is `invited`. 8 to 256 characters. Passwords "
                "that are easy to guess are rejected: common ones, and those made of a common word or the "
                "user's name or email, with digits or signs. Nothing is truncated."
            ),
        ]
        | UnsetType
    ) = UNSET

    @staticmethod
    def at_odds(given: Mapping[str, Any]) -> Mapping[str, str]:
        """Faults of the fields together, and a missing password."""
        found = arguments.UserCreate.at_odds(given)
        if "password" not in given and "status" not in given:
            return {**found, "password": "password is required."}
        return found


class UserUpdate(arguments.UserUpdate):
    """The fields of a user to change. Missing fields are left unchanged."""

    refused: ClassVar[dict[str, str]] = {
        "password": "password cannot be changed here. Use PUT /v1/users/{userId}/password."
    }


class UserPatch(arguments.UserPatch):
    """The fields of a user to change. Missing fields are left unchanged, and metadata is merged."""

    refused: ClassVar[dict[str, str]] = UserUpdate.refused


class BulkOperation(arguments.UserFields, kw_only=True):
    """One operation. `create` takes the fields of a new user, `update` an `id` and the fields to change, `create_token`
    an `id` and the fields of a one-time token, the others only an `id`."""

    op: Verb
    id: (
        Annotated[str, Meta(min_length=1, max_length=40, description="ID of the user. Required, except with `create`.")]
        | UnsetType
    ) = UNSET
    password: NewPassword | UnsetType = UNSET
    status: Annotated[Status, says(arguments.ABOUT_STATUS)] | UnsetType = UNSET
    metadata: arguments.MetadataPatch | UnsetType = UNSET  # type: ignore[bad-override-mutable-attribute]  # frozen
    private_metadata: arguments.PrivateMetadataPatch | UnsetType = UNSET  # type: ignore[bad-override-mutable-attribute]
    purge: Annotated[bool, Meta(description="With `delete`: erase the user permanently.")] | UnsetType = UNSET
    if_match: (
        Annotated[
            str,
            Meta(
                max_length=1024,
                description="With `update` and `delete`: only proceed if the user still has this `ETag`.",
                examples=['"3"'],
            ),
        ]
        | UnsetType
    ) = UNSET
    purpose: (
        Annotated[arguments.TokenPurpose, says("Required with `create_token`. " + arguments.ABOUT_PURPOSES)] | UnsetType
    ) = UNSET
    expires_in: arguments.TokenLifetime | UnsetType = UNSET
    redirect_url: arguments.RedirectUrl | UnsetType = UNSET
    data: arguments.TokenData | UnsetType = UNSET
    language: arguments.TokenLanguage | UnsetType = UNSET


class Bulk(Body):
    """Operations on users. They are done in this order."""

    operations: Annotated[
        tuple[BulkOperation, ...], Meta(min_length=1, max_length=MAX_OPERATIONS, description="Up to 1,000 operations.")
    ]
    atomic: Annotated[bool, Meta(description="Whether none is done if one fails.")] = False


class ShownFields(Query):
    fields: Fields | None = None


class ReadUser(arguments.ReadUser):
    fields: Fields | None = None


ExactCount = Annotated[
    Literal["exact"], Meta(description="`exact`: return `X-Total-Count` for filtered lists as well.")
]
Consistency = Annotated[
    Literal["strong", "eventual"],
    Meta(
        description="`eventual`: a database standby may answer, and its data may lag. By default, lists include every "
        "acknowledged change."
    ),
]


class ListUsers(UserSelection):
    limit: Limit = 50
    offset: Offset = 0
    cursor: Cursor | None = None
    fields: Fields | None = None
    count: ExactCount | None = None
    consistency: Consistency | None = None


class ListApplications(arguments.ApplicationFilters):
    sort: Sort | None = None
    limit: Limit = 50
    offset: Offset = 0
    cursor: Cursor | None = None
    fields: Fields | None = None
    count: ExactCount | None = None
    consistency: Consistency | None = None


LISTS = frozenset(("ids", "sort", "fields", "type", "metadata"))
"""Parameters that may be repeated, also as `ids[]` or `ids[0]`, instead of separating values by commas: some clients
can write lists in no other way."""


class DeleteUser(Query):
    purge: Annotated[bool, Meta(description="`true`: erase the user permanently, so that they can't be restored.")] = (
        False
    )


# ---- what goes out

_OUTCOMES = "How it ended. `http_` and the status for those from 400 to 599. " + listed(outcomes.DESCRIPTIONS)
_REASONS = "Why it is disabled. " + listed(webhooks.REASONS)


MAX_UNKNOWN = 50


class User(Struct, frozen=True):
    """A user. Lists and create return `id`, `name`, `email` and `created_at`; update returns `updated_at` instead of
    `created_at`; reading a user returns all fields. Use `fields` to choose."""

    id: Annotated[str, identifier("ID of the user. Never reused.", ALICE_ID)]
    name: Annotated[str, says("The user's name.", minLength=1, examples=["Alice Wonderland"])]
    email: Annotated[str, says("The user's email.", format="email", examples=["alice@example.com"])]
    kind: Annotated[str, open_enum(roles.USER_KINDS, arguments.ABOUT_KIND)] | UnsetType = UNSET
    role: Annotated[str, open_enum(roles.ROLES, arguments.ABOUT_ROLE)] | UnsetType = UNSET
    status: Annotated[str, open_enum(roles.STATUSES, arguments.ABOUT_STATUS)] | UnsetType = UNSET
    external_id: Annotated[str, says("Your own identifier for the user.", examples=["crm-1042"])] | None | UnsetType = (
        UNSET
    )
    metadata: (
        Annotated[
            msgspec.Raw,
            says(
                "A JSON object with your own data, which the user can read.",
                type="object",
                additionalProperties=True,
                examples=[{"plan": "pro"}],
            ),
        ]
        | UnsetType
    ) = UNSET
    private_metadata: (
        Annotated[
            msgspec.Raw,
            says(
                "A JSON object with your own data, which the user doesn't see: only in responses to callers who can "
                "read all users.",
                type="object",
                additionalProperties=True,
                examples=[{"fraud_score": 12}],
            ),
        ]
        | UnsetType
    ) = UNSET
    email_verified: Annotated[bool, says("Whether the email is verified.")] | UnsetType = UNSET
    rate_limit: (
        Annotated[str, says("Rate limit, or `none`. Null: the default applies.", examples=["1000/minute"])]
        | None
        | UnsetType
    ) = UNSET
    created_at: (
        Annotated[
            str,
            moment("When the user signed up: when they were created or, if they were imported, the date in the file."),
        ]
        | UnsetType
    ) = UNSET
    updated_at: Annotated[str, moment("When it was last updated.", "2023-10-27T11:00:00Z")] | UnsetType = UNSET
    last_sign_in_at: (
        Annotated[str, moment("When the user last signed in, or their password was last verified.")] | None | UnsetType
    ) = UNSET
    deleted_at: (
        Annotated[str, moment("When the user was deleted. Only in lists with `status=deleted`.")] | UnsetType
    ) = UNSET
    unknown_fields: (
        Annotated[list[str], array("The fields that the event log doesn't tell. Only with `at`.", MAX_UNKNOWN)]
        | UnsetType
    ) = UNSET


USER_FIELDS = tuple(field.name for field in msgspec.structs.fields(User) if field.name != "unknown_fields")
ALWAYS = tuple(field.name for field in msgspec.structs.fields(User) if field.required)
"""The fields that every answer with a user has: generated clients can rely on them."""
MAX_FIELDS = 50
"""Names in `fields`, counting those that are repeated."""


class Fields(Names):
    """Fields to return besides `id`, `name` and `email`, which every user has. `*`: all."""

    schema: ClassVar[Schema] = {
        **Names.schema,
        "maxItems": MAX_FIELDS,
        "items": {"type": "string", "enum": [*USER_FIELDS, "*"]},
        "examples": [["role", "status"], ["*"]],
    }


class Count(Struct, frozen=True):
    """The number of users."""

    count: Annotated[int, number("The number of users.")]


class BulkResult(Struct, frozen=True, omit_defaults=True):
    """Result of an operation: the `status` that a request of its own would have had, and the user, the token, or the
    error."""

    index: Annotated[int, number("The index of the operation, from 0.", maximum=MAX_OPERATIONS - 1)]
    status: Annotated[int, says("The HTTP status of this operation.", minimum=200, maximum=599)]
    user: User | UnsetType = UNSET
    etag: (
        Annotated[str, says("The version of the user, for `if_match` and `If-Match`.", examples=['"3"'])] | UnsetType
    ) = UNSET
    token: Token | UnsetType = UNSET
    error: ErrorResponse | UnsetType = UNSET


class BulkResults(Struct, frozen=True):
    """A result for each operation, in their order."""

    results: Annotated[list[BulkResult], array("The results.", MAX_OPERATIONS)]


class ListMembers(Query):
    limit: Limit = 50
    cursor: Cursor | None = None


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

    added: Annotated[int, number("Users who were added.", maximum=arguments.MAX_MEMBERS)]
    changed: Annotated[int, number("Members who got another role.", maximum=arguments.MAX_MEMBERS)]
    unchanged: Annotated[int, number("Members who had the role already.", maximum=arguments.MAX_MEMBERS)]


class GroupMembership(Struct, frozen=True):
    """A group of a user."""

    group_id: Annotated[str, identifier("ID of the group.", examples.GROUP_ID)]
    group_name: Annotated[str, says("The group's name.", examples=["Engineering"])]
    role: Annotated[str, says("The user's role in the group. Empty: none.", examples=["lead"])]
    added_at: Annotated[str, moment("When the user was added to the group.")]


class Key(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An API key. `key`, the key itself, is only returned when you create, rotate or reveal it."""

    id: Annotated[str, identifier("ID of the API key.", examples.KEY_ID)]
    user_id: Annotated[str, identifier("ID of the user it belongs to.", CHARLIE_ID)]
    name: Annotated[str, says("What the key is used for.", minLength=1, examples=["billing service"])]
    kind: Annotated[str, open_enum(roles.KEY_KINDS, "Where the key works.")]
    status: Annotated[str, open_enum(key_records.STATUSES, "Whether the key works.")]
    masked: Annotated[str, says("The beginning and end of the key, to tell keys apart.", examples=["rbk_Exam…TtmI"])]
    scopes: (
        Annotated[
            tuple[Annotated[str, open_enum(roles.SCOPES, "A scope.")], ...],
            array("The scopes of the key. Null: everything its user can do.", 32),
        ]
        | None
    )
    ip_allow: (
        Annotated[
            tuple[Annotated[str, says("An IP address or network.")], ...],
            array("IP addresses and networks that can use the key. Null: any.", 64),
        ]
        | None
    )
    rate_limit: (
        Annotated[str, says("Rate limit, or `none`. Null: the default applies.", examples=["1000/minute"])] | None
    )
    audiences: (
        Annotated[
            tuple[Annotated[str, says("An audience.", examples=[examples.AUDIENCE])], ...],
            array("The audiences for which the key creates, verifies, lists and ends sessions. Null: any.", 16),
        ]
        | None
    )
    revealable: Annotated[bool, says("Whether the key can be revealed again.")]
    created_at: Annotated[str, moment("When it was created.")]
    expires_at: Annotated[str, moment("When the key expires. Null: never.", "2024-10-27T10:00:00Z")] | None
    last_used_at: Annotated[str, moment("When the key was last used, accurate to a few seconds. Null: never.")] | None
    revoked_at: Annotated[str, moment("When the key was revoked. Null: it was not revoked.")] | None
    created_by: (
        Annotated[
            str,
            identifier(
                "ID of the user it goes back to: who created it or, if it was created with a key, who created that. "
                "Null: the command line, or not known. Not in events and the export of a user's data.",
                CHARLIE_ID,
            ),
        ]
        | None
        | UnsetType
    ) = UNSET
    created_with: (
        Annotated[str, identifier("ID of the API key it was created with. Null: none, or not known.", examples.KEY_ID)]
        | None
        | UnsetType
    ) = UNSET
    key: Annotated[str, says("The API key itself.", examples=[examples.KEY_TEXT])] | UnsetType = UNSET
    user_name: Annotated[str, says("Name of its user. Only with `user=all`. Null: deleted.")] | None | UnsetType = UNSET
    user_email: Annotated[str, says("Email of its user. Only with `user=all`. Null: deleted.")] | None | UnsetType = (
        UNSET
    )
    user_kind: (
        Annotated[str, open_enum(roles.USER_KINDS, "Kind of its user. Only with `user=all`. Null: deleted.")]
        | None
        | UnsetType
    ) = UNSET


class WebhookHealth(Struct, frozen=True):
    """Health of a webhook's deliveries."""

    delivered: Annotated[int, number("Successful deliveries of the last 24 hours.")]
    failed: Annotated[int, number("Failed deliveries of the last 24 hours.")]
    last_outcome: (
        Annotated[str, says("The outcome of the last delivery. Null: there was none.", examples=["delivered"])] | None
    )
    waiting: Annotated[
        int,
        number(
            "Events that the webhook has not processed yet, including those of other types, and failed ones that "
            "will be retried."
        ),
    ]
    next_attempt_at: Annotated[str, moment("When what has failed is tried again. Null: nothing waits for that.")] | None
    failing_since: (
        Annotated[str, moment("When the first event failed after the last one that was delivered. Null: none has.")]
        | None
    )
    summary: Annotated[
        str,
        says(
            "What the webhook is doing and why, in a sentence for people, whose wording can change. With the scope "
            "`events:read`, it quotes what the endpoint answered.",
            examples=["Answering 500 since 27 Oct 2023, 10:53 UTC: TypeError: user is undefined."],
        ),
    ]


class Webhook(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An endpoint that events are sent to. `secret` is only returned when you create the webhook, or rotate or reveal
    its secret."""

    id: Annotated[str, identifier("ID of the webhook.", examples.WEBHOOK_ID)]
    user_id: Annotated[str, identifier("ID of the user it belongs to.", CHARLIE_ID)]
    created_by: (
        Annotated[
            str,
            identifier(
                "ID of the user it goes back to: who created it, or last changed its URL or owner, or created the key "
                "that did so. If that is not its owner, it is disabled when they lose the right to. Null: the command "
                "line, or not known.",
                CHARLIE_ID,
            ),
        ]
        | None
    )
    url: Annotated[
        str,
        says(
            "Where events are sent, or `inbox`. Of the URL of a chat, only the host is shown.",
            examples=["https://app.example.com/hooks/rollbook"],
        ),
    ]
    description: Annotated[str, says("What the webhook is used for.", examples=["Billing"])]
    types: Annotated[
        tuple[
            Annotated[str, says("An event type, all of a group such as `user.*`, or `*`.", examples=["user.*"])],
            ...,
        ],
        array("The events that are sent.", 64),
    ]
    format: Annotated[str, open_enum(get_args(arguments.WebhookFormat), arguments.ABOUT_FORMATS)]
    payload: Annotated[str, open_enum(get_args(arguments.WebhookPayload), arguments.ABOUT_PAYLOADS)]
    ordering: Annotated[str, open_enum(get_args(arguments.WebhookOrdering), arguments.ABOUT_ORDERINGS)]
    skip_imports: Annotated[bool, says("Whether events of imports are left out, except `import.finished`.")]
    headers: Annotated[
        tuple[Annotated[str, says("The name of a header.", examples=["X-Tenant"])], ...],
        array("The names of the headers that are sent with each event. The values are never returned.", 20),
    ]
    status: Annotated[
        str,
        open_enum(
            ("enabled", "paused", "disabled"),
            "`disabled`: by the server, for the reason in `status_reason`. Resume it to send again.",
        ),
    ]
    status_reason: Annotated[str, open_enum(webhooks.REASONS, _REASONS)] | None
    health: WebhookHealth
    created_with: (
        Annotated[
            str,
            identifier(
                "ID of the API key it was created with, or last changed its URL or owner. Null: none, or not known.",
                examples.KEY_ID,
            ),
        ]
        | None
    )
    created_at: Annotated[str, moment("When it was created.")]
    updated_at: Annotated[str, moment("When it was last updated.", "2023-10-27T11:00:00Z")]
    secret: (
        Annotated[
            str, says("The secret that signs the events (Standard Webhooks).", examples=[examples.WEBHOOK_SECRET])
        ]
        | UnsetType
    ) = UNSET


class DeliveryRequest(Struct, frozen=True):
    """The request that was sent, made again from the event log."""

    url: Annotated[str, says("The current URL of the webhook.", examples=["https://app.example.com/hooks/rollbook"])]
    headers: Annotated[
        dict[str, Annotated[str, says("A value.")]],
        says("The headers, without the values of signatures and of the webhook's own headers.", maxProperties=64),
    ]
    body: Annotated[str, says("The body.")]


class DeliveryResponse(Struct, frozen=True):
    """The receiver's response, as far as it is kept."""

    content_type: Annotated[str, says("The `Content-Type`. Null: there was none.", examples=["text/plain"])] | None
    body: Annotated[str, says("The first 4 KiB of the body.", examples=["ok"])]


class Delivery(Struct, frozen=True, kw_only=True):
    """An attempt to send an event to a webhook. `request` and `response` are only returned for a single delivery."""

    id: Annotated[str, identifier("ID of the delivery.", examples.DELIVERY_ID)]
    webhook_id: Annotated[str, identifier("ID of the webhook.", examples.WEBHOOK_ID)]
    event_id: Annotated[
        str,
        identifier("ID of the event, also in the header `webhook-id`. The same in every attempt.", examples.EVENT_ID),
    ]
    type: Annotated[str, reference("EventType")]
    user_id: (
        Annotated[str, identifier("ID of the user the event is about. Null: about none, or a test.", CHARLIE_ID)] | None
    )
    trigger: Annotated[str, open_enum(("event", "test", "resend", "replay"), "Why it was sent.")]
    attempt: Annotated[
        int, says("1 for the first attempt to send this event for this reason.", minimum=1, maximum=1 << 31)
    ]
    created_at: Annotated[str, moment("When it was sent.")]
    duration_ms: Annotated[int, number("Milliseconds until the response was complete.")]
    outcome: Annotated[str, open_enum((*outcomes.DESCRIPTIONS, "http_500"), _OUTCOMES)]
    detail: (
        Annotated[
            str,
            says(
                "What exactly failed, in English, where it is known: `Connection refused` or, with `tls_failed`, "
                "the fault of the certificate or handshake. Null otherwise.",
                examples=["The certificate was not accepted: certificate has expired."],
            ),
        ]
        | None
    )
    http_status: (
        Annotated[int, says("The status of the response. Null: there was none.", minimum=100, maximum=599)] | None
    )
    address: (
        Annotated[
            str,
            says("The IP address that it was sent to. Null: no connection was opened.", examples=["203.0.113.7"]),
        ]
        | None
    )
    retry_at: Annotated[str, moment("When the next attempt is. Null: there is none.")] | None
    request: Annotated[
        DeliveryRequest | None | UnsetType, says("What was sent. Null: the event was erased, or is past its retention.")
    ] = UNSET
    response: Annotated[DeliveryResponse | None | UnsetType, says("What the receiver responded. Null: nothing.")] = (
        UNSET
    )


class Replay(Struct, frozen=True, kw_only=True):
    """A part of the event log that is sent to a webhook again."""

    id: Annotated[str, identifier("ID of the replay.", examples.REPLAY_ID)]
    webhook_id: Annotated[str, identifier("ID of the webhook.", examples.WEBHOOK_ID)]
    trigger: Annotated[str, open_enum(("replay", "resend"), "`resend`: of one delivery.")]
    status: Annotated[
        str, open_enum(("waiting", "running", "done", "canceled"), "Whether it is under way. `waiting`: for others.")
    ]
    progress: Annotated[
        float, says("How much of its part of the event log is done, from 0 to 1.", minimum=0, maximum=1)
    ]
    delivered: Annotated[int, number("Events that were delivered.")]
    failed: Annotated[int, number("Events that failed. They are not retried.")]
    types: (
        Annotated[
            tuple[
                Annotated[str, says("An event type, all of a group such as `user.*`, or `*`.", examples=["user.*"])],
                ...,
            ],
            array("The events that are sent. Null: the types of the webhook.", 64),
        ]
        | None
    )
    user_id: Annotated[str, identifier("Only events about this user. Null: about all.", CHARLIE_ID)] | None
    only: (
        Annotated[
            str, open_enum(("failed", "undelivered"), "Only events that failed, or were not delivered. Null: all.")
        ]
        | None
    )
    created_by: (
        Annotated[str, identifier("ID of the user who asked for it. Null: from the command line.", ALICE_ID)] | None
    )
    created_at: Annotated[str, moment("When it was created.")]
    finished_at: Annotated[str, moment("When it was done or canceled. Null: it is under way.")] | None


class BulkJob(Struct, frozen=True, kw_only=True):
    """A change of many users: what it does, how far it has come, and what became of the users who are done."""

    id: Annotated[str, identifier("ID of the job.", examples.JOB_ID)]
    user_id: Annotated[str, identifier("ID of the user who created it. Null: from the command line.", ALICE_ID)] | None
    key_id: Annotated[str, identifier("ID of the API key it was created with. Null: none.", examples.KEY_ID)] | None
    action: Annotated[str, open_enum(get_args(arguments.BulkAction), "What is done to each user.")]
    role: (
        Annotated[str, says("For `role`: the new role or, if the job undoes another one, the role that is taken back.")]
        | None
    )
    metadata: Annotated[dict[str, Any], says("For `metadata`: keys that are set, or with null removed.")] | None
    send: Annotated[bool, says("For `setup_links`: whether each link is mailed to its user.")]
    redirect_url: Annotated[str, uri("For `setup_links`: where users continue afterwards.")] | None
    filter: (
        Annotated[
            dict[str, Any],
            says("Which users. Of filters by email, external ID, ID or search, only the name is kept. Null: by ID."),
        ]
        | None
    )
    undoes: Annotated[str, identifier("ID of the job that this one undoes. Null: none.", examples.JOB_ID)] | None
    status: Annotated[
        str,
        open_enum(
            ("queued", "running", "finished", "failed", "canceled"),
            "`failed`: it ended early, for the reason in `error`. Users who were changed by then stay so.",
        ),
    ]
    error: Annotated[str, says("Why it failed.")] | None
    error_code: (
        Annotated[str, says("Why it failed, for programs: the code of an error.", examples=["user_suspended"])] | None
    )
    total: Annotated[int, number("Users of the job.")]
    done: Annotated[int, number("Users who are done.")]
    changed: Annotated[int, number("Users who were changed.")]
    unchanged: Annotated[int, number("Users who were so already.")]
    refused: Annotated[int, number("Users who could not be changed. The results say why.")]
    created_at: Annotated[str, moment("When it was created.")]
    started_at: Annotated[str, moment("When it started. Null: it waits.")] | None
    finished_at: Annotated[str, moment("When it ended. Null: it waits or runs.")] | None
    results_url: Annotated[str, uri("Where its results are: a line for each user who is done.")]


class ImportColumn(Struct, frozen=True):
    """A column of an imported file, or a name of its JSON objects, and what becomes of it."""

    name: Annotated[str, says("Its name in the file.", examples=["Mail"])]
    outcome: Annotated[
        str,
        open_enum(
            ("kept", "mapped", "ignored"),
            "`kept`: under its name. `mapped`: elsewhere, as `target` says. `ignored`: not at all, for the `reason`.",
        ),
    ]
    target: Annotated[str, says("The fields that come from it.", examples=["email"])] | None
    reason: Annotated[str, says("Why it is ignored.", examples=["Left out by the mapping."])] | None


class Import(Struct, frozen=True, kw_only=True):
    """An import of users: how its file is read, how far it has come, and what became of the records read so far."""

    id: Annotated[str, identifier("ID of the import.", examples.IMPORT_ID)]
    user_id: (
        Annotated[str, identifier("ID of the user who requested it. Null: from the command line.", ALICE_ID)] | None
    )
    key_id: Annotated[str, identifier("ID of the API key it was requested with. Null: none.", examples.KEY_ID)] | None
    status: Annotated[
        str,
        open_enum(
            ("waiting", "running", "finished", "failed", "canceled"),
            "`failed`: it stopped, for the reason in `error`. What was imported by then stays.",
        ),
    ]
    error: Annotated[str, says("Why it failed. In events always null: `error_code` says it there.")] | None
    error_code: (
        Annotated[
            str,
            says("Why it failed, for programs: the code of an error, or `file_lost`.", examples=["invalid_parameter"]),
        ]
        | None
    )
    source: Annotated[str, open_enum((OWN_FILE, *SYSTEMS), "The system that the file was exported from.")]
    format: Annotated[str, open_enum(get_args(arguments.ImportFormat), "The file's format, as requested.")]
    match: Annotated[str, open_enum(("email", "external_id"), "How users who exist are recognized.")]
    on_conflict: Annotated[str, open_enum(("skip", "update", "fail"), "What happens to users who exist already.")]
    unknown_hashes: Annotated[
        str, open_enum(("refuse", "skip"), "What happens to users whose password hash is not known.")
    ]
    dry_run: Annotated[bool, says("Whether nothing is changed.")]
    events: Annotated[str, open_enum(("each", "summary"), "Which events are recorded.")]
    adopt: Annotated[
        bool, says("Whether users were taken over who had not verified their email and had a password of their own.")
    ]
    mapping: (
        Annotated[
            str,
            says(
                "From the columns of a CSV file to fields: a JSON object. Null once the import has ended, and in "
                "events.",
            ),
        ]
        | None
    )
    delimiter: Annotated[str, says("The character between the columns of a CSV file. Null: what was detected.")] | None
    bytes: Annotated[int, number("Size of the file.")]
    bytes_read: Annotated[int, number("Bytes of the file whose records are done.")]
    records: Annotated[int, number("Records of the file that are done.")]
    records_expected: (
        Annotated[
            int,
            number("Records of the file: an estimate until the import has ended. Null: not known yet."),
        ]
        | None
    )
    added: Annotated[int, number("Users who were added.")]
    updated: Annotated[int, number("Users who existed and were changed.")]
    unchanged: Annotated[int, number("Users who existed and were the same.")]
    skipped: Annotated[int, number("Users who existed and were left alone.")]
    refused: Annotated[int, number("Records that were refused. The report says why.")]
    without_password: Annotated[
        int, number("Users who have no password since their hash is not known. The report names them.")
    ]
    weak_hashes: Annotated[
        int,
        number(
            "Users whose password hash is easy to guess at, such as bcrypt below cost 10 or PBKDF2 with few iterations."
        ),
    ]
    created_at: Annotated[str, moment("When it was requested.")]
    started_at: Annotated[str, moment("When it started. Null: it waits.")] | None
    finished_at: Annotated[str, moment("When it ended. Null: it waits or runs.")] | None
    report_url: Annotated[
        str, uri("Where the report is: the records that were refused, and the users who have no password.")
    ]
    encoding: (
        Annotated[
            str,
            open_enum(
                ("utf-8", "utf-16", "utf-32", "windows-1252"),
                "The encoding as which the file is read. Only where `columns` are.",
            ),
        ]
        | UnsetType
    ) = UNSET
    columns: (
        Annotated[
            list[ImportColumn],
            array(
                "What becomes of each column. Only when you get the import, with the key that it was requested with.",
                1_000,
            ),
        ]
        | UnsetType
    ) = UNSET


_EXPIRES_AT = "When the `token` expires, unless the session is refreshed."
_REFRESH_EXPIRES_AT = "When the session ends, unless it is refreshed before."


class Session(Struct, frozen=True):
    """A browser a user is signed in to the dashboard with, or an application's session of a user."""

    id: Annotated[str, identifier("ID of the session.", examples.SESSION_ID)]
    user_id: Annotated[str, identifier("ID of the user who is signed in.", CHARLIE_ID)]
    audience: (
        Annotated[str, says("The application it is for. Null: the dashboard.", examples=[examples.AUDIENCE])] | None
    )
    created_at: Annotated[str, moment("When the user signed in.")]
    last_seen_at: Annotated[
        str,
        moment("When the browser was last seen, accurate to about a minute; an application's: when it was refreshed."),
    ]
    expires_at: Annotated[str, moment(f"{_EXPIRES_AT} Null: it is the dashboard's.", "2023-10-27T10:55:00Z")] | None
    refresh_expires_at: (
        Annotated[str, moment(f"{_REFRESH_EXPIRES_AT} Null: it is the dashboard's.", "2023-11-26T10:40:00Z")] | None
    )
    address: Annotated[
        str,
        says(
            "The IP address the user signed in from. Empty if the application didn't send it.",
            examples=["203.0.113.7"],
        ),
    ]
    user_agent: Annotated[
        str,
        says(
            "The browser's User-Agent header. Empty if the application didn't send it.",
            examples=[examples.USER_AGENT],
        ),
    ]


class SessionTokens(Struct, frozen=True):
    """A session of your application, and its tokens. They are only returned here."""

    id: Annotated[str, identifier("ID of the session.", examples.SESSION_ID)]
    user_id: Annotated[str, identifier("ID of the user who is signed in.", CHARLIE_ID)]
    audience: Annotated[str, says("The application it is for.", examples=[examples.AUDIENCE])]
    token: Annotated[str, says("Proves that the user is signed in: verify it.", examples=[examples.SESSION_TOKEN])]
    refresh_token: Annotated[
        str, says("Gets the next `token` and `refresh_token`, once.", examples=[examples.REFRESH_TOKEN])
    ]
    expires_at: Annotated[str, moment("When the `token` expires.", "2023-10-27T10:55:00Z")]
    refresh_expires_at: Annotated[str, moment(_REFRESH_EXPIRES_AT, "2023-11-26T10:40:00Z")]
    user: User
    access_token: (
        Annotated[
            str,
            says(
                "A signed access token (JWT), if the setting `access_tokens` is on.",
                examples=[examples.ACCESS_TOKEN],
            ),
        ]
        | UnsetType
    ) = UNSET
    access_expires_at: (
        Annotated[str, moment("When the `access_token` expires: 5 minutes after now.", "2023-10-27T10:45:00Z")]
        | UnsetType
    ) = UNSET


class PublicKey(Struct, frozen=True):
    """A key that verifies access tokens, as a JSON Web Key (RFC 7517, RFC 8037)."""

    kty: Annotated[str, says("The type of key: `OKP`.", examples=["OKP"])]
    crv: Annotated[str, says("The curve: `Ed25519`.", examples=["Ed25519"])]
    alg: Annotated[str, says("The algorithm: `EdDSA`.", examples=["EdDSA"])]
    use: Annotated[str, says("What it is for: `sig`, signatures.", examples=["sig"])]
    kid: Annotated[str, identifier("ID of the key, which the header of a token names.", examples.SIGNING_KEY_ID)]
    x: Annotated[str, says("The key, in base64url.", examples=[examples.PUBLIC_KEY])]


class PublicKeys(Struct, frozen=True):
    """The keys that verify access tokens (JWK Set, RFC 7517)."""

    keys: Annotated[list[PublicKey], array("The keys. Empty if the server has never issued access tokens.", 16)]


class VerifiedSession(Struct, frozen=True):
    """A session of your application that has not ended, and its user as they are now."""

    id: Annotated[str, identifier("ID of the session.", examples.SESSION_ID)]
    user_id: Annotated[str, identifier("ID of the user who is signed in.", CHARLIE_ID)]
    audience: Annotated[str, says("The application it is for.", examples=[examples.AUDIENCE])]
    expires_at: Annotated[str, moment("When the `token` expires.", "2023-10-27T10:55:00Z")]
    user: User


class ErrorDetail(Struct, frozen=True):
    """One problem with a request."""

    param: Annotated[str, says("The query parameter, header or field of the body that is invalid.", examples=["email"])]
    message: Annotated[str, says("What is wrong with it.")]


class ErrorResponse(Struct, frozen=True, omit_defaults=True):
    """An error. `error` is for people, `code` for programs. Use `request_id` to find the request in the server's
    log."""

    error: Annotated[str, says("What went wrong, for people.", examples=["Email address is already in use."])]
    code: Annotated[str, reference("ErrorCode")]
    request_id: Annotated[
        str, says("ID of the request, also in `X-Request-Id` and in the server's log.", examples=[REQUEST_ID])
    ]
    doc_url: Annotated[str, uri("The documentation of this error.")]
    param: (
        Annotated[str, says("The query parameter, header or field of the body that is invalid.", examples=["email"])]
        | UnsetType
    ) = UNSET
    errors: (
        Annotated[
            tuple[ErrorDetail, ...],
            array("Everything that is wrong with the request, as far as it fits into 4 KiB.", 100),
        ]
        | UnsetType
    ) = UNSET
    challenge: (
        Annotated[
            str,
            says(
                "With `second_factor_required`: what to send to `verify-challenge` together with a code.",
                examples=[examples.CHALLENGE],
            ),
        ]
        | UnsetType
    ) = UNSET


class Problem(ErrorResponse, frozen=True, kw_only=True, omit_defaults=True):
    """An error as problem details (RFC 9457), for clients that send `Accept: application/problem+json`."""

    type: Annotated[
        str, uri("The documentation of this error.", examples=["https://api.example.com/docs/errors/not_found"])
    ]
    title: Annotated[str, says("The status as text.", examples=["Not Found"])]
    status: Annotated[int, says("The HTTP status.", minimum=400, maximum=599, format="int32")]
    detail: Annotated[str, says("What went wrong, for people.", examples=["Email address is already in use."])]
    instance: Annotated[str, says("This occurrence of the error.")]


class LoggedRequest(Struct, frozen=True, kw_only=True):
    """A call that was made with an API key. Credentials, bodies that were sent and values of queries are never
    stored."""

    id: Annotated[str, says("ID of the request: the `X-Request-Id` of its response.", examples=[REQUEST_ID])]
    created_at: Annotated[str, moment("When it was answered, to the microsecond.", "2023-10-27T10:15:00.123456Z")]
    user_id: Annotated[str, identifier("ID of the user whose API key was used.", CHARLIE_ID)]
    key_id: Annotated[str, identifier("ID of the API key.", examples.KEY_ID)]
    method: Annotated[str, says("The HTTP method.", examples=["GET"])]
    path: Annotated[
        str,
        says("The path, without the query, at most 200 characters before percent-encoding.", examples=["/v1/users"]),
    ]
    status: Annotated[int, says("The HTTP status of the response.", minimum=100, maximum=599, examples=[200])]
    duration_ms: Annotated[
        float,
        says(
            "Milliseconds from the last byte of the request to the response.", minimum=0, maximum=1e9, examples=[0.412]
        ),
    ]
    address: Annotated[str, says("The client's IP address.", examples=["203.0.113.7"])]
    headers: Annotated[
        dict[str, Annotated[str, says("A value.")]],
        says(
            "Request headers that help with debugging. Keys and cookies are never stored.",
            examples=[{"user-agent": "curl/8.5.0"}],
        ),
    ]
    query: Annotated[
        list[Annotated[str, says("A name.")]],
        array("The names of the query's parameters. `…` stands for an unusual one.", 100, examples=[["limit"]]),
    ]
    error: Annotated[
        ErrorResponse | None,
        says("What the request was answered with, if it failed. Null: it succeeded, or there was no room to keep it."),
    ]
    limited_by: (
        Annotated[
            str,
            says("The rate limit window that refused it, such as `minute`. Null: none did.", examples=["minute"]),
        ]
        | None
    )
    more: Annotated[
        int,
        number(
            "How many more requests with this key and status came at the same moment and were only counted.",
            maximum=2**53 - 1,
            examples=[0],
        ),
    ]


class UsageCounts(Struct, frozen=True, kw_only=True):
    """Requests: all of them, and those that failed."""

    requests: Annotated[int, number("All requests.", examples=[1204])]
    client_errors: Annotated[int, number("Requests answered with a 4xx status other than 429, or 501.", examples=[17])]
    rate_limited: Annotated[int, number("Requests answered with 429.", examples=[12])]
    server_errors: Annotated[int, number("Requests answered with a 5xx status other than 501.", examples=[0])]


class UsageInterval(UsageCounts, frozen=True, kw_only=True):
    """Requests in an hour or a day."""

    at: Annotated[str, moment("The beginning of the hour or day.", "2023-10-27T10:00:00Z")]


class UserUsage(UsageCounts, frozen=True, kw_only=True):
    """Requests with the API keys of a user."""

    user_id: Annotated[str, identifier("ID of the user, who may be deleted.", CHARLIE_ID)]
    name: (
        Annotated[
            str,
            says("Name of the user. Null: you can't read it, or the user was erased.", examples=["Charlie Chaplin"]),
        ]
        | None
    )


class KeyUsage(UsageCounts, frozen=True, kw_only=True):
    """Requests with an API key."""

    key_id: Annotated[str, identifier("ID of the API key, which may be revoked.", examples.KEY_ID)]
    name: (
        Annotated[str, says("Name of the key. Null: you can't read it, or the key was erased.", examples=["Backend"])]
        | None
    )
    user_id: Annotated[str, identifier("ID of the key's user.", CHARLIE_ID)]


class RouteUsage(UsageCounts, frozen=True, kw_only=True):
    """Requests to an endpoint."""

    route: Annotated[str, says("Method and path of the endpoint.", examples=["GET /v1/users/{userId}"])]
    p50_ms: Annotated[
        float,
        says(
            "Median duration in milliseconds, estimated from counts by duration. 1000 means a second or more.",
            minimum=0,
            maximum=1000,
            examples=[0.41],
        ),
    ]
    p95_ms: Annotated[
        float,
        says(
            "95th percentile of the duration in milliseconds, estimated the same way.",
            minimum=0,
            maximum=1000,
            examples=[1.9],
        ),
    ]


class WindowUsage(Struct, frozen=True, kw_only=True):
    """Requests that a window of a rate limit refused."""

    window: Annotated[
        str,
        says(
            "The window, such as `minute`; `key-minute` for an API key's own limit, `attempts` for wrong passwords.",
            examples=["minute"],
        ),
    ]
    refused: Annotated[int, number("Requests that it refused.", examples=[12])]


class UsageReport(Struct, frozen=True, kw_only=True):
    """Requests made with API keys, by a user or by all."""

    user_id: Annotated[str, identifier("ID of the user. Null: all users.", CHARLIE_ID)] | None
    period: Annotated[str, says("How far it looks back.", examples=["7d"])]
    since: Annotated[str, moment("The beginning of the first interval.", "2023-10-21T00:00:00Z")]
    until: Annotated[str, moment("The end of the last interval, which is still running.", "2023-10-27T11:00:00Z")]
    interval: Annotated[str, says("`hour` or `day`.", examples=["hour"])]
    total: UsageCounts
    intervals: Annotated[list[UsageInterval], array("The hours or days with requests, oldest first.", 200)]
    users: Annotated[
        list[UserUsage],
        array("Usage by user, those with the most requests first. Empty, unless it is the whole server's.", 100),
    ]
    keys: Annotated[list[KeyUsage], array("Usage by API key, those with the most requests first.", 100)]
    routes: Annotated[list[RouteUsage], array("Usage by endpoint, those with the most requests first.", 200)]
    rate_limits: Annotated[list[WindowUsage], array("The windows of rate limits that refused requests.", 100)]


class Token(Struct, frozen=True, kw_only=True):
    """A one-time token. `token` and `url` are returned once, when it is created, unless Rollbook mails it."""

    id: Annotated[str, identifier("ID of the token, which is not the token itself.", examples.TOKEN_ID)]
    user_id: Annotated[str, identifier("ID of the user it is for.", CHARLIE_ID)]
    purpose: Annotated[str, open_enum(one_time_tokens.PURPOSES, arguments.ABOUT_PURPOSES)]
    email: (
        Annotated[
            str,
            says(
                "The new email of `change_email`, or the one that `verify_email` confirms.",
                format="email",
                examples=["charlie@example.com"],
            ),
        ]
        | None
    )
    redirect_url: Annotated[str, says("Where the user continues afterwards. Null: in the dashboard.")] | None
    data: (
        Annotated[
            msgspec.Raw,
            says("Your own data.", type="object", additionalProperties=True, examples=[{"plan": "pro"}]),
        ]
        | None
    )
    created_at: Annotated[str, moment("When it was created.", "2023-10-27T10:20:00Z")]
    expires_at: Annotated[str, moment("When it expires.", "2023-10-28T10:20:00Z")]
    token: (
        Annotated[str, says("The token, for a link to your own application.", examples=[examples.TOKEN_TEXT])]
        | UnsetType
    ) = UNSET
    url: Annotated[str, uri("A link to the page of Rollbook on which the user uses it.")] | UnsetType = UNSET


class UsedToken(Struct, frozen=True):
    """The token that was used."""

    id: Annotated[str, identifier("ID of the token.", examples.TOKEN_ID)]
    purpose: Annotated[str, open_enum(one_time_tokens.PURPOSES, "What it was for.")]
    redirect_url: Annotated[str, says("Where the user continues.")] | None
    data: (
        Annotated[
            msgspec.Raw,
            says("Your own data.", type="object", additionalProperties=True, examples=[{"plan": "pro"}]),
        ]
        | None
    )


class NotReverted(Struct, frozen=True):
    """A field that was not put back."""

    field: Annotated[str, says("The field, or `metadata.KEY` for a key of the metadata.", examples=["email"])]
    code: Annotated[
        str,
        open_enum(
            ("changed_since", "not_reversible"),
            "Why. `changed_since`: it has changed since. `not_reversible`: it can't be put back.",
        ),
    ]
    message: Annotated[str, says("The reason as a sentence.", examples=["email has changed since."])]


class RevertedEvent(Struct, frozen=True):
    """Event that was reverted: what was put back, and what was not."""

    id: Annotated[str, identifier("ID of the event.", examples.EVENT_ID)]
    type: Annotated[str, reference("EventType")]
    user_id: (
        Annotated[str, identifier("ID of the user the event is about. Null: it is about no user.", CHARLIE_ID)] | None
    )
    reverted: Annotated[dict[str, Any], reference("EventObject")]
    not_reverted: Annotated[list[NotReverted], array("The fields that stay as they are.", 1000)]


class ConsumedToken(User, frozen=True, kw_only=True):
    """The user after a one-time token was used, with all fields, and the token."""

    token: UsedToken


class PasswordLink(Struct, frozen=True):
    """A setup or password reset link. It works once."""

    url: Annotated[str, uri("The link. Only returned once.")]
    expires_at: Annotated[str, moment("When the link expires.", "2023-10-30T10:20:00Z")]


class SecondFactor(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A second factor of a user: an authenticator app or a passkey. `secret`, `otpauth_url` and `recovery_codes` are
    only returned once."""

    id: Annotated[str, identifier("ID of the second factor.", examples.FACTOR_ID)]
    user_id: Annotated[str, identifier("ID of the user it belongs to.", CHARLIE_ID)]
    kind: Annotated[str, open_enum(("totp", "passkey"), "`totp`: an authenticator app. `passkey`: a passkey.")]
    name: Annotated[str, says("What the user calls it.", minLength=1, examples=["Phone"])]
    created_at: Annotated[str, moment("When it was created.")]
    confirmed_at: Annotated[str, moment("When it was activated. Null: it is not active yet.")] | None
    last_used_at: Annotated[str, moment("When it was last used. Null: never.")] | None
    secret: (
        Annotated[
            str,
            says(
                "The secret of an authenticator app, in base32. Only when you create it.",
                examples=[examples.TOTP_SECRET],
            ),
        ]
        | UnsetType
    ) = UNSET
    otpauth_url: Annotated[str, says("The secret as a URL for a QR code. Only when you create it.")] | UnsetType = UNSET
    recovery_codes: (
        Annotated[
            tuple[Annotated[str, says("A recovery code.")], ...],
            array("The recovery codes. Only when you activate the user's first factor.", 10),
        ]
        | UnsetType
    ) = UNSET


class SecondFactors(Struct, frozen=True):
    """The second factors of a user."""

    second_factors: Annotated[list[SecondFactor], array("The factors, oldest first.", 20)]
    recovery_codes_left: Annotated[int, number("How many recovery codes the user has left.", maximum=10)]


class RecoveryCodes(Struct, frozen=True):
    """Recovery codes. Each works once."""

    recovery_codes: Annotated[
        tuple[Annotated[str, says("A recovery code.")], ...], array("The codes. Only returned once.", 10)
    ]


class VerifiedCode(Struct, frozen=True):
    """A code that was right."""

    factor_id: (
        Annotated[str, identifier("ID of the authenticator app. Null: it was a recovery code.", examples.FACTOR_ID)]
        | None
    )
    recovery_codes_left: Annotated[int, number("How many recovery codes the user has left.", maximum=10)]


class ScimRecord(Struct, frozen=True):
    """Data that identity providers keep about a user by SCIM, beside the fields of the user."""

    user_name: Annotated[str, says("The `userName`, if a provider has set it.", examples=["ada"])] | None
    attributes: Annotated[
        dict[str, Any],
        says(
            "Attributes by their names in SCIM.", additionalProperties=True, examples=[{"name": {"givenName": "Ada"}}]
        ),
    ]
    external_ids: Annotated[
        dict[str, Annotated[str, says("The `externalId`.")]],
        says("The `externalId` of each provider, by the ID of its first key.", maxProperties=1_000),
    ]


class Export(Struct, frozen=True):
    """All data about a user."""

    user: User
    keys: Annotated[list[Key], array("The user's API keys, without the secrets.", 1_000_000)]
    tokens: Annotated[list[Token], array("The user's open one-time tokens, without the tokens themselves.", 16)]
    sessions: Annotated[list[Session], array("The browsers the user is signed in with.", 1_000_000)]
    second_factors: Annotated[list[SecondFactor], array("The user's second factors, without the secrets.", 20)]
    groups: Annotated[list[GroupMembership], array("The groups that the user is in.", 1_000)]
    scim: Annotated[list[ScimRecord], array("What identity providers keep about the user; empty if nothing.", 1)]
    events: Annotated[list[Event], array("The events about the user and their API keys.", 2_147_483_647)]


class Health(Struct, frozen=True, omit_defaults=True):
    """Health of the server: alive, or ready for requests."""

    status: Annotated[Literal["ok", "unavailable"], says("Whether the server is healthy.")]
    checks: (
        Annotated[
            dict[str, Annotated[str, says("`ok`, or what is wrong.")]],
            says("The result of each check.", maxProperties=16),
        ]
        | UnsetType
    ) = UNSET


class EventObject(Struct, frozen=True):
    """The user, group, member of a group, API key, session, second factor, one-time token, webhook or rate limit: the
    fields it has, as the type of the event says. The text of a key, token or link is never contained. If the user was
    erased, only the ID of the object and `erased`."""

    count: Annotated[int, number("How many users were exported.")] | UnsetType = UNSET
    filters: (
        Annotated[
            dict[str, Annotated[str, says("The value, or `…`.")]],
            says("The filters of an export; of personal ones, only that they were given.", maxProperties=16),
        ]
        | UnsetType
    ) = UNSET
    with_hashes: Annotated[bool, says("Whether the export has password hashes.")] | UnsetType = UNSET
    erased: (
        Annotated[bool, says("`true`: the user was erased, so that nothing else is left of the object.")] | UnsetType
    ) = UNSET
    # Those that mean something else, or are null more often, than in a user, key or session. It has all of theirs.
    id: (
        Annotated[str, says("ID of the user, group, API key, session, token or webhook.", examples=[CHARLIE_ID])]
        | UnsetType
    ) = UNSET
    name: Annotated[str, says("The name of the user, group or API key.", examples=["Charlie Chaplin"])] | UnsetType = (
        UNSET
    )
    email: (
        Annotated[
            str,
            says("The email of the user, or that the token is about.", format="email", examples=["bob@example.com"]),
        ]
        | None
        | UnsetType
    ) = UNSET
    user_id: (
        Annotated[
            str, identifier("The user the API key, session, token, webhook or membership belongs to.", CHARLIE_ID)
        ]
        | UnsetType
    ) = UNSET
    role: (
        Annotated[str, says("The role of the user or, of a member, in the group.", examples=["member"])] | UnsetType
    ) = UNSET
    group_id: Annotated[str, identifier("The group of a member.", examples.GROUP_ID)] | UnsetType = UNSET
    group_name: Annotated[str, says("The name of that group.", examples=["Engineering"])] | UnsetType = UNSET
    created_at: (
        Annotated[str, moment("When the user, group, API key, session, token or webhook was created.")] | UnsetType
    ) = UNSET
    url: (
        Annotated[
            str,
            says(
                "The host that the webhook sends to. The rest of the URL, which may be a secret, is never contained.",
                examples=["https://app.example.com/…"],
            ),
        ]
        | UnsetType
    ) = UNSET
    send: Annotated[bool, says("Whether Rollbook mails the token.")] | UnsetType = UNSET
    key_id: Annotated[str, identifier("The API key whose request exceeded the limit.", examples.KEY_ID)] | UnsetType = (
        UNSET
    )
    window: (
        Annotated[
            str,
            says(
                "The window of the limit that was exceeded, such as `minute`; `key-minute` for the API key's own "
                "limit.",
                examples=["minute"],
            ),
        ]
        | UnsetType
    ) = UNSET
    limit: Annotated[int, number("Requests that the window allows.", minimum=1)] | UnsetType = UNSET
    resets_at: Annotated[str, moment("When the window ends.", "2023-10-27T11:01:00Z")] | UnsetType = UNSET
    recovery_codes_left: (
        Annotated[int, number("How many recovery codes the user has left.", maximum=10)] | UnsetType
    ) = UNSET
    message: Annotated[str, says("What a test delivery says.")] | UnsetType = UNSET
