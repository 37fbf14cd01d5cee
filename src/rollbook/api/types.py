"""The types of request bodies, query strings and responses.

Constraints are checked when a request arrives and shown in `/openapi.json`; both read them here.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from rollbook.actions import arguments
from rollbook.actions.arguments import Body, Limit, Names, NewPassword, Offset, Query, Schema, UserSelection
from rollbook.actions.bulk import MAX_OPERATIONS, Verb
from rollbook.records.public_events import Event
from rollbook.roles import Status


class Fields(Names):
    """Fields to return besides `id`, `name` and `email`, which every user has. `*`: all."""


class Cursor(str):
    """The start of a page, taken from a `Link` header. Opaque."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 1, "maxLength": 2048}


# ---- what arrives, where it is more than the arguments of an action


class UserCreate(arguments.UserCreate, kw_only=True):
    """A user to create."""

    password: NewPassword  # type: ignore[bad-override-mutable-attribute]  # frozen


class UserUpdate(arguments.UserUpdate):
    """The fields of a user to change. Missing fields are left unchanged."""

    refused: ClassVar[dict[str, str]] = {"password": "password cannot be changed here. Use PUT /v1/users/{userId}/password."}


class UserPatch(arguments.UserPatch):
    """The fields of a user to change. Missing fields are left unchanged, and metadata is merged."""

    refused: ClassVar[dict[str, str]] = UserUpdate.refused


class BulkOperation(arguments.UserFields, kw_only=True):
    """One operation. `create` takes the fields of a new user, `update` an `id` and the fields to change, the others only an `id`."""

    op: Verb
    id: Annotated[str, Meta(min_length=1, max_length=40, description="ID of the user. Required, except with `create`.")] | UnsetType = UNSET  # fmt: skip
    password: NewPassword | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    metadata: arguments.MetadataPatch | UnsetType = UNSET  # type: ignore[bad-override-mutable-attribute]  # frozen
    purge: Annotated[bool, Meta(description="With `delete`: erase the user permanently.")] | UnsetType = UNSET
    if_match: Annotated[str, Meta(max_length=1024, description="With `update` and `delete`: only proceed if the user still has this `ETag`.", examples=['"3"'])] | UnsetType = UNSET  # fmt: skip


class Bulk(Body):
    """Operations on users. They are done in this order."""

    operations: Annotated[
        tuple[BulkOperation, ...], Meta(min_length=1, max_length=MAX_OPERATIONS, description="Up to 1,000 operations.")
    ]
    atomic: Annotated[bool, Meta(description="Whether none is done if one fails.")] = False


class UserFields(Query):
    fields: Fields | None = None


class ListUsers(UserSelection):
    limit: Limit = 50
    offset: Offset = 0
    cursor: Cursor | None = None
    fields: Fields | None = None
    count: Annotated[Literal["exact"], Meta(description="`exact`: return `X-Total-Count` for filtered lists as well.")] | None = (
        None
    )
    consistency: (
        Annotated[
            Literal["strong", "eventual"],
            Meta(description="`eventual`: a database standby may answer, and its data may lag. By default, lists include every acknowledged change."),
        ]
        | None
    ) = None  # fmt: skip


MAX_FIELDS = 50
"""Names in `fields`, counting those that are repeated."""
LISTS = frozenset(("ids", "sort", "fields", "type"))
"""Parameters that may be repeated instead of separating names by commas: some generated clients can write lists in no other way."""


class DeleteUser(Query):
    purge: Annotated[bool, Meta(description="`true`: erase the user permanently, so that they can't be restored.")] = False


# ---- what goes out


class User(Struct, frozen=True):
    """A user. Lists and create return `id`, `name`, `email` and `created_at`; update returns `updated_at` instead of `created_at`; reading a user returns all fields. Use `fields` to choose."""

    id: str
    name: str
    email: str
    role: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    external_id: Annotated[str, Meta(max_length=255, description="Your own identifier for the user.", examples=["crm-1042"])] | None | UnsetType = UNSET  # fmt: skip
    metadata: msgspec.Raw | UnsetType = UNSET
    email_verified: bool | UnsetType = UNSET
    rate_limit: str | None | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    last_sign_in_at: str | None | UnsetType = UNSET
    deleted_at: str | UnsetType = UNSET


USER_FIELDS = tuple(field.name for field in msgspec.structs.fields(User))
ALWAYS = tuple(field.name for field in msgspec.structs.fields(User) if field.required)
"""The fields that every answer with a user has: generated clients can rely on them."""


class Count(Struct, frozen=True):
    """The number of users."""

    count: int


class BulkResult(Struct, frozen=True, omit_defaults=True):
    """What became of an operation: the `status` that a request of its own would have had, and the user, or the error."""

    index: int
    status: int
    user: User | UnsetType = UNSET
    etag: str | UnsetType = UNSET
    error: ErrorResponse | UnsetType = UNSET


class BulkResults(Struct, frozen=True):
    """A result for each operation, in their order."""

    results: list[BulkResult]


class Key(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An API key. `key`, the key itself, is only returned when you create, rotate or reveal it."""

    id: str
    user_id: str
    name: str
    masked: str
    scopes: tuple[str, ...] | None
    ip_allow: tuple[str, ...] | None
    rate_limit: str | None
    revealable: bool
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None
    key: str | UnsetType = UNSET


class WebhookHealth(Struct, frozen=True):
    """How deliveries of a webhook are going."""

    delivered: int
    failed: int
    last_outcome: str | None
    waiting: int
    next_attempt_at: str | None


class Webhook(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An endpoint that events are sent to. `secret` is only returned when you create the webhook, or rotate or reveal its secret."""

    id: str
    user_id: str
    url: str
    description: str
    types: tuple[str, ...]
    format: str
    payload: str
    ordering: str
    skip_imports: bool
    headers: tuple[str, ...]
    status: str
    status_reason: str | None
    health: WebhookHealth
    created_at: str
    updated_at: str
    secret: str | UnsetType = UNSET


class DeliveryRequest(Struct, frozen=True):
    """What was sent, made again from the event log."""

    url: str
    headers: dict[str, str]
    body: str


class DeliveryResponse(Struct, frozen=True):
    """What the receiver answered, as far as it is kept."""

    content_type: str | None
    body: str


class Delivery(Struct, frozen=True, kw_only=True):
    """An attempt to send an event to a webhook. `request` and `response` are only returned for a single delivery."""

    id: str
    webhook_id: str
    event_id: str
    type: str
    user_id: str | None
    trigger: str
    attempt: int
    created_at: str
    duration_ms: int
    outcome: str
    detail: str | None
    http_status: int | None
    address: str | None
    retry_at: str | None
    request: DeliveryRequest | None | UnsetType = UNSET
    response: DeliveryResponse | None | UnsetType = UNSET


class Replay(Struct, frozen=True, kw_only=True):
    """A part of the event log that is sent to a webhook again."""

    id: str
    webhook_id: str
    trigger: str
    status: str
    progress: float
    delivered: int
    failed: int
    types: tuple[str, ...] | None
    user_id: str | None
    only: str | None
    created_by: str | None
    created_at: str
    finished_at: str | None


class Import(Struct, frozen=True, kw_only=True):
    """An import of users: how its file is read, how far it has come, and what became of the records read so far."""

    id: str
    user_id: str | None
    key_id: str | None
    status: str
    error: str | None
    source: str
    format: str
    match: str
    on_conflict: str
    dry_run: bool
    events: str
    mapping: str | None
    delimiter: str | None
    bytes: int
    bytes_read: int
    records: int
    added: int
    updated: int
    unchanged: int
    skipped: int
    refused: int
    created_at: str
    started_at: str | None
    finished_at: str | None
    report_url: str


class Session(Struct, frozen=True):
    """A browser a user is signed in to the dashboard with."""

    id: str
    user_id: str
    created_at: str
    last_seen_at: str
    address: str
    user_agent: str


class ErrorDetail(Struct, frozen=True):
    """One problem with a request."""

    param: str
    message: str


class ErrorResponse(Struct, frozen=True, omit_defaults=True):
    """An error. `error` is for people, `code` for programs. Use `request_id` to find the request in the server's log."""

    error: str
    code: str
    request_id: str
    doc_url: str
    param: str | UnsetType = UNSET
    errors: tuple[ErrorDetail, ...] | UnsetType = UNSET


class LoggedRequest(Struct, frozen=True, kw_only=True):
    """A call that was made with an API key. Credentials, bodies that were sent and values of queries are never stored."""

    id: str
    created_at: str
    user_id: str
    key_id: str
    method: str
    path: str
    status: int
    duration_ms: float
    address: str
    headers: dict[str, str]
    query: list[str]
    error: ErrorResponse | None
    limited_by: str | None
    more: int


class UsageCounts(Struct, frozen=True, kw_only=True):
    """Requests: all of them, and those that failed."""

    requests: int
    client_errors: int
    rate_limited: int
    server_errors: int


class UsageInterval(UsageCounts, frozen=True, kw_only=True):
    """Requests in an hour or a day."""

    at: str


class KeyUsage(UsageCounts, frozen=True, kw_only=True):
    """Requests with an API key."""

    key_id: str


class RouteUsage(UsageCounts, frozen=True, kw_only=True):
    """Requests to an endpoint."""

    route: str
    p50_ms: float
    p95_ms: float


class WindowUsage(Struct, frozen=True, kw_only=True):
    """Requests that a window of a rate limit refused."""

    window: str
    refused: int


class UsageReport(Struct, frozen=True, kw_only=True):
    """Requests that a user made with API keys."""

    user_id: str
    period: str
    since: str
    until: str
    interval: str
    total: UsageCounts
    intervals: list[UsageInterval]
    keys: list[KeyUsage]
    routes: list[RouteUsage]
    rate_limits: list[WindowUsage]


class PasswordLink(Struct, frozen=True):
    """A setup or password reset link. It works once."""

    url: str
    expires_at: str


class Export(Struct, frozen=True):
    """All data about a user."""

    user: User
    keys: list[Any]
    sessions: list[Session]
    events: list[Event]


class Health(Struct, frozen=True, omit_defaults=True):
    """Whether the server is alive or ready for requests."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, str] | UnsetType = UNSET
