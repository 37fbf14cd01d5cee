"""Objects of the API, and the values that some fields have. Generated from openapi.json by `make sdk`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

from ._models import Model, each, one, time

BulkVerb = Literal["create", "update", "delete", "restore", "suspend", "activate", "create_token"] | str
"""What to do.

Later versions can add values.
"""

ErrorCode = (
    Literal[
        "internal_error",
        "bad_request",
        "invalid_json",
        "invalid_parameter",
        "email_taken",
        "external_id_taken",
        "user_name_taken",
        "email_unproven",
        "id_taken",
        "changed_since",
        "left_alone",
        "token_invalid",
        "challenge_invalid",
        "bad_message",
        "oauth_refused",
        "unauthorized",
        "missing_key",
        "malformed_key",
        "invalid_key",
        "expired_key",
        "revoked_key",
        "wrong_password",
        "session_ended",
        "second_factor_required",
        "wrong_code",
        "forbidden",
        "insufficient_scope",
        "user_suspended",
        "new_password_required",
        "key_suspended",
        "proof_required",
        "address_not_allowed",
        "key_kind",
        "foreign_form",
        "unknown_host",
        "last_owner",
        "key_limit_reached",
        "group_limit_reached",
        "factor_limit_reached",
        "last_factor",
        "webhook_limit_reached",
        "replay_limit_reached",
        "import_limit_reached",
        "bulk_job_limit_reached",
        "rule_limit_reached",
        "not_yourself",
        "not_found",
        "method_not_allowed",
        "request_timeout",
        "idempotency_still_running",
        "not_reversible",
        "position_expired",
        "not_in_log",
        "precondition_failed",
        "content_too_large",
        "uri_too_long",
        "unsupported_media_type",
        "idempotency_key_reused",
        "bulk_refused",
        "rate_limit_exceeded",
        "too_many_attempts",
        "export_running",
        "too_many_streams",
        "headers_too_large",
        "unavailable",
        "overloaded",
        "storage_unavailable",
        "database_timeout",
        "limits_unavailable",
        "outcome_unknown",
        "stopping",
    ]
    | str
)
"""What went wrong, for programs. Codes never change. Later versions can add some: treat those you don't know by
the status.

Later versions can add values.
"""

EventPattern = (
    Literal[
        "*",
        "user.*",
        "user.created",
        "user.updated",
        "user.promoted",
        "user.password_changed",
        "user.suspended",
        "user.activated",
        "user.signed_in",
        "user.sign_in_failed",
        "user.confirmation_failed",
        "user.locked_out",
        "user.guesses_exhausted",
        "user.access_ended",
        "user.deleted",
        "user.restored",
        "user.purged",
        "application.*",
        "application.updated",
        "group.*",
        "group.created",
        "group.updated",
        "group.deleted",
        "group.member_added",
        "group.member_changed",
        "group.member_removed",
        "key.*",
        "key.created",
        "key.updated",
        "key.revealed",
        "key.rotated",
        "key.expiring",
        "key.expired",
        "key.revoked",
        "key.refused",
        "session.*",
        "session.created",
        "session.impersonated",
        "session.revoked",
        "session.reuse_detected",
        "session.form_refused",
        "second_factor.*",
        "second_factor.activated",
        "second_factor.removed",
        "second_factor.lifted",
        "second_factor.codes_regenerated",
        "second_factor.used_recovery_code",
        "token.*",
        "token.created",
        "token.requested",
        "token.email_change_requested",
        "token.consumed",
        "token.revoked",
        "limit.*",
        "limit.exceeded",
        "webhook.*",
        "webhook.created",
        "webhook.updated",
        "webhook.revealed",
        "webhook.rotated",
        "webhook.deleted",
        "webhook.disabled",
        "webhook.events_missed",
        "users.*",
        "users.exported",
        "bulk_job.*",
        "bulk_job.finished",
        "rule.*",
        "rule.created",
        "rule.updated",
        "rule.deleted",
        "rule.waiting",
        "rule.stopped",
        "rule.mailed",
        "rule.called",
        "rule.reported",
        "import.*",
        "import.finished",
        "import.waiting",
        "settings.*",
        "settings.updated",
        "server.*",
        "server.test",
    ]
    | str
)
"""An event type, all of a group such as `user.*`, or `*` for all, including those of later versions.

Later versions can add values.
"""

EventType = (
    Literal[
        "user.created",
        "user.updated",
        "user.promoted",
        "user.password_changed",
        "user.suspended",
        "user.activated",
        "user.signed_in",
        "user.sign_in_failed",
        "user.confirmation_failed",
        "user.locked_out",
        "user.guesses_exhausted",
        "user.access_ended",
        "user.deleted",
        "user.restored",
        "user.purged",
        "application.updated",
        "group.created",
        "group.updated",
        "group.deleted",
        "group.member_added",
        "group.member_changed",
        "group.member_removed",
        "key.created",
        "key.updated",
        "key.revealed",
        "key.rotated",
        "key.expiring",
        "key.expired",
        "key.revoked",
        "key.refused",
        "session.created",
        "session.impersonated",
        "session.revoked",
        "session.reuse_detected",
        "session.form_refused",
        "second_factor.activated",
        "second_factor.removed",
        "second_factor.lifted",
        "second_factor.codes_regenerated",
        "second_factor.used_recovery_code",
        "token.created",
        "token.requested",
        "token.email_change_requested",
        "token.consumed",
        "token.revoked",
        "limit.exceeded",
        "webhook.created",
        "webhook.updated",
        "webhook.revealed",
        "webhook.rotated",
        "webhook.deleted",
        "webhook.disabled",
        "webhook.events_missed",
        "users.exported",
        "bulk_job.finished",
        "rule.created",
        "rule.updated",
        "rule.deleted",
        "rule.waiting",
        "rule.stopped",
        "rule.mailed",
        "rule.called",
        "rule.reported",
        "import.finished",
        "import.waiting",
        "settings.updated",
        "server.test",
    ]
    | str
)
"""What happened. Later versions can add types: ignore those you don't know.

Later versions can add values.
"""

KeyKind = Literal["api", "scim", "assistant", "client"] | str
"""Where the key works. `api`: For your applications and scripts, under `/v1`. `scim`: For an identity provider,
only under `/scim/v2`. Its user must be an admin or owner, it counts toward the setting `scim_limit`, and its
scopes are by default those of users and groups. `assistant`: For an assistant that signed in, only at `/mcp`.
`client`: The secret of an application that people sign in to, only at `/oauth2/token` and `/oauth2/revoke`. It
has no scopes.

Later versions can add values.
"""

ReplayOnly = Literal["failed", "undelivered"] | str
"""Which events of a replay are sent.

Later versions can add values.
"""

Role = Literal["member", "viewer", "admin", "owner"] | str
"""The user's role. `member`: Can read and change their own user, API keys and sessions, and read the log of their
requests. `viewer`: Can read all users, groups, events and rules, and have webhooks. Otherwise like a member.
`admin`: Full access, except to owners. `owner`: Full access.

Later versions can add values.
"""

Scope = (
    Literal[
        "users:read",
        "users:write",
        "users:grant",
        "users:import",
        "users:delete",
        "users:verify",
        "users:export",
        "users:impersonate",
        "groups:read",
        "groups:write",
        "tokens:create",
        "tokens:consume",
        "keys:read",
        "keys:write",
        "sessions:read",
        "sessions:write",
        "sessions:create",
        "sessions:verify",
        "events:read",
        "requests:read",
        "webhooks:read",
        "webhooks:write",
        "rules:read",
        "rules:write",
        "metrics:read",
    ]
    | str
)
"""What an API key can be used for.

Later versions can add values.
"""

Status = Literal["active", "invited", "suspended"] | str
"""`invited` users have no password yet, and become `active` when they set one. `suspended` users can't sign in or
use their API keys until they are activated.

Later versions can add values.
"""

UserKind = Literal["person", "application"] | str
"""What the user is. `person`: Someone who can sign in. `application`: A program, such as your shop: it has API
keys and webhooks, but no password, and can't sign in.

Later versions can add values.
"""

WebhookFormat = Literal["standard", "cloudevents", "ocsf", "slack", "discord", "teams"] | str
"""`standard`: the event as `GET /v1/events` shows it. `cloudevents`: CloudEvents 1.0. `ocsf`: OCSF 1.5, for a
SIEM. `slack`, `discord`, `teams`: a sentence for people, in the format of these chats' incoming webhooks.

Later versions can add values.
"""

WebhookPayload = Literal["full", "thin"] | str
"""`full`: the whole event. `thin`: only its ID, type, time and the IDs of the user and the object, for receivers
that should not get personal data.

Later versions can add values.
"""

WebhookSetStatus = Literal["enabled", "paused"] | str
"""`paused`: nothing is sent until the webhook is resumed.

Later versions can add values.
"""


class BulkOperation(TypedDict):
    """One operation. `create` takes the fields of a new user, `update` an `id` and the fields to change,
    `create_token` an `id` and the fields of a one-time token, the others only an `id`.
    """

    op: BulkVerb
    """What to do. One of `create`, `update`, `delete`, `restore`, `suspend`, `activate`, `create_token`."""
    name: NotRequired[str]
    """The user's name, 1 to 255 characters. Surrounding whitespace is removed. No control characters, and no
    invisible ones. At most 255 characters.
    """
    email: NotRequired[str]
    """The user's email, at most 254 bytes. International addresses are allowed. Must be unique, ignoring case.
    Stored as sent. 3 to 254 characters.
    """
    role: NotRequired[Role]
    """The user's role. `member`: Can read and change their own user, API keys and sessions, and read the log of
    their requests. `viewer`: Can read all users, groups, events and rules, and have webhooks. Otherwise like a
    member. `admin`: Full access, except to owners. `owner`: Full access. Default for a new user: `member`.
    """
    external_id: NotRequired[str | None]
    """Your own identifier for the user. Unique. Null removes it. At most 255 characters."""
    metadata: NotRequired[Mapping[str, Any] | None]
    """Changes of the metadata (RFC 7396): keys you send are set, those with null are removed, objects are merged,
    and others stay. The result has at most 16 KiB. Null: as if it were missing.
    """
    private_metadata: NotRequired[Mapping[str, Any] | None]
    """Like `metadata`, for data that the user doesn't see, such as what another system kept from them. Null: as if
    it were missing.
    """
    email_verified: NotRequired[bool]
    """Whether the email is verified."""
    rate_limit: NotRequired[str | None]
    """Rate limit, such as `100/minute,5000/hour`, or `none`. Null: the default applies. 4 to 100 characters."""
    ends_at: NotRequired[datetime | str | None]
    """The RFC 3339 time at which Rollbook suspends the user. Null: never."""
    id: NotRequired[str]
    """ID of the user. Required, except with `create`. At most 40 characters."""
    password: NotRequired[str]
    """A password of 8 to 256 characters. Passwords that are easy to guess are rejected: common ones, and those
    made of a common word or the user's name or email, with digits or signs. Nothing is truncated.
    """
    status: NotRequired[Status]
    """`invited` users have no password yet, and become `active` when they set one. `suspended` users can't sign in
    or use their API keys until they are activated.
    """
    purge: NotRequired[bool]
    """With `delete`: erase the user permanently."""
    if_match: NotRequired[str]
    """With `update` and `delete`: only proceed if the user still has this `ETag`. At most 1,024 characters."""
    purpose: NotRequired[str]
    """Required with `create_token`. `invite`: An invited user sets their first password. `reset_password`: Sets a
    password, for users who have forgotten theirs or have none yet. `verify_email`: Confirms the user's email.
    `change_email`: Changes the user's email to `email`, and confirms it. `sign_in`: Signs the user in without a
    password. `impersonate`: Lets whoever created it act as the user, for support.
    """
    expires_in: NotRequired[int]
    """Seconds until it expires, at most 30 days. Default: by its purpose. 1 to 2,592,000."""
    redirect_url: NotRequired[str]
    """The page that the person continues to, instead of the dashboard: a URL at an origin of the server's setting
    `redirect_origins`, or on `localhost` or `127.0.0.1` with any port. 9 to 1,024 characters.
    """
    data: NotRequired[Mapping[str, Any] | None]
    """A JSON object with your own data, at most 4 KiB. It is returned when the token is consumed, and in events:
    no place for secrets. Null: as if it were missing.
    """
    language: NotRequired[str]
    """Language of the page. Default: the one that the browser prefers. One of `de`, `en`, `es`, `fr`, `ja`, `pt`."""


class BulkFilter(TypedDict):
    """All users who match these filters of `GET /v1/users`, as they are now; `{}` is all users. Without `kind`,
    only people.
    """

    email: NotRequired[str]
    """Only the user with this email, ignoring case. At most 254 characters."""
    external_id: NotRequired[str]
    """Only the user with this external ID. At most 255 characters."""
    ids: NotRequired[Sequence[str] | None]
    """Up to 200 IDs, separated by commas. Null: as if it were missing."""
    role: NotRequired[Role]
    """Only users with this role. One of `member`, `viewer`, `admin`, `owner`."""
    status: NotRequired[Status]
    """Only users with this status. One of `active`, `invited`, `suspended`."""
    kind: NotRequired[UserKind]
    """Only users of this kind. One of `person`, `application`."""
    created_after: NotRequired[datetime | str]
    """Only users created after this RFC 3339 time."""
    created_before: NotRequired[datetime | str]
    """Only users created before this RFC 3339 time."""
    q: NotRequired[str]
    """Search: part of a name or email, ignoring case and accents, or the first characters of an ID or external ID.
    One or two characters find words that begin with them and, in Chinese, Japanese, Korean and other scripts
    written without spaces, any place. At most 255 characters.
    """
    metadata: NotRequired[Sequence[str] | None]
    """Only users with these values in their metadata: `plan:pro`, up to 10, separated by commas. Compares texts,
    numbers, booleans and null at the top level as text, such as `pro`, `1`, `0.5`, `true` or `null`. Keys and
    values have at most 255 characters. Write a comma, a backslash, and a colon in a key with a backslash before
    it. Null: as if it were missing.
    """
    group: NotRequired[str]
    """Only members of the group with this ID. Requires the scope `groups:read` as well. At most 40 characters."""
    active_after: NotRequired[str]
    """Only users last active after this RFC 3339 time. `never`: all who ever were. At most 40 characters."""
    active_before: NotRequired[str]
    """Only users last active before this RFC 3339 time. `never`: only those who never were. At most 40 characters."""
    ends_after: NotRequired[datetime | str]
    """Only users whose `ends_at` is after this RFC 3339 time."""
    ends_before: NotRequired[datetime | str]
    """Only users whose `ends_at` is before this RFC 3339 time."""
    email_verified: NotRequired[bool]
    """Whether the email of the users is verified."""
    second_factor: NotRequired[bool]
    """Whether the users have a second factor."""
    status_since_before: NotRequired[datetime | str]
    """Only users who got their present `status` before this RFC 3339 time."""


class ImportOptions(TypedDict, total=False):
    """How `imports.run` reads a file."""

    source: str | None
    """The system that the file was exported from. One of `appwrite`, `aspnet-identity`, `auth0`, `better-auth`,
    `clerk`, `cognito`, `devise`, `django`, `drupal`, `entra`, `fastapi-users`, `firebase`, `fusionauth`,
    `keycloak`, `kratos`, `laravel`, `logto`, `nextauth`, `okta`, `pocketbase`, `rollbook`, `spring-security`,
    `supabase`, `supertokens`, `wordpress`, `zitadel`. Default: rollbook.
    """
    format: str | None
    """The file's format. `auto`: detected, as is compression with gzip or zstd. One of `auto`, `csv`, `json`,
    `ndjson`. Default: auto.
    """
    match: str | None
    """How users who exist are recognized. One of `email`, `external_id`. Default: email."""
    on_conflict: str | None
    """What happens to users who exist already. `skip`: nothing. `update`: their fields are set to those of the
    file. `fail`: the report names them. Default: skip.
    """
    unknown_hashes: str | None
    """What happens to users whose password hash is in no format that Rollbook knows. `refuse`: they are refused.
    `skip`: they are imported without a password, and the report names them, so that you can send them a link to
    set one. Default: refuse.
    """
    dry_run: bool | None
    """`true`: do the same work and report on it, but change nothing. Default: False."""
    events: str | None
    """`each`: record `user.created` and `user.updated` for each user. `summary`: record `import.finished`, and
    changes of users who exist to anything but their name, metadata and external ID. Default: each.
    """
    adopt: bool | None
    """`true`: with `on_conflict` `update`, take over users who have not verified their email and have a password,
    second factor or API key of their own. Ends those, with their sessions and links. `false`: such users are
    refused, since they may be someone else. Default: False.
    """
    absent: str | None
    """What happens to people of `absent_group`, or with `absent_metadata`, who are not in the file. `report`: the
    report names them. `suspend`: a bulk job suspends them as well, unless they are too many. One of `ignore`,
    `report`, `suspend`. Default: ignore.
    """
    absent_group: str | None
    """For `absent`: ID of the group that the file has all of. At most 40 characters."""
    absent_metadata: str | None
    """For `absent`: a key and value in the metadata of everyone whom the file has. At most 511 characters."""
    mapping: str | None
    """A JSON object from the columns of a CSV file to fields, such as `{"Mail": "email", "Plan": "metadata.plan",
    "Notes": null}`. `metadata.plan` puts a column into the metadata, null ignores it. Default: columns that are
    named like fields. 2 to 8,192 characters.
    """
    delimiter: str | None
    """The character between the columns of a CSV file. Default: detected. At most 1 characters."""


class User(Model):
    """A user."""

    __slots__ = ()
    id: str
    """ID of the user. Never reused."""
    name: str
    """The user's name."""
    email: str
    """The user's email."""
    kind: str
    """What the user is. `person`: Someone who can sign in. `application`: A program, such as your shop: it has API
    keys and webhooks, but no password, and can't sign in.
    """
    role: str
    """The user's role. `member`: Can read and change their own user, API keys and sessions, and read the log of
    their requests. `viewer`: Can read all users, groups, events and rules, and have webhooks. Otherwise like a
    member. `admin`: Full access, except to owners. `owner`: Full access.
    """
    status: str
    """`invited` users have no password yet, and become `active` when they set one. `suspended` users can't sign in
    or use their API keys until they are activated.
    """
    external_id: str | None
    """Your own identifier for the user."""
    metadata: dict[str, Any]
    """A JSON object with your own data, which the user can read."""
    private_metadata: dict[str, Any]
    """A JSON object with your own data, which the user doesn't see: only in responses to callers who can read all
    users.
    """
    email_verified: bool
    """Whether the email is verified."""
    rate_limit: str | None
    """Rate limit, or `none`. Null: the default applies."""
    ends_at: datetime | None
    """When Rollbook suspends the user. Null: never."""
    last_active_at: datetime | None
    """When the user last signed in, used a session or called with an API key, to the minute. Lags by up to a
    minute. Null: never.
    """
    created_at: datetime
    """When the user signed up: when they were created or, if they were imported, the date in the file."""
    updated_at: datetime
    """When it was last updated."""
    last_sign_in_at: datetime | None
    """When the user last signed in, or their password was last verified."""
    deleted_at: datetime | None
    """When the user was deleted. Only in lists with `status=deleted`."""
    unknown_fields: list[str]
    """The fields that the event log doesn't tell. Only with `at`."""
    etag: str | None
    """The version, for `if_match`: of an object that a call of its own returned, and not a list or a part of a
    response.
    """
    _has_version = True
    _kinds = {
        "ends_at": time,
        "last_active_at": time,
        "created_at": time,
        "updated_at": time,
        "last_sign_in_at": time,
        "deleted_at": time,
    }
    _optional = frozenset(["deleted_at"])
    _known = (
        "id",
        "name",
        "email",
        "kind",
        "role",
        "status",
        "external_id",
        "metadata",
        "private_metadata",
        "email_verified",
        "rate_limit",
        "ends_at",
        "last_active_at",
        "created_at",
        "updated_at",
        "last_sign_in_at",
        "deleted_at",
        "unknown_fields",
    )


class Count(Model):
    """The number of users."""

    __slots__ = ()
    count: int
    """The number of users."""
    _known = ("count",)


class Token(Model):
    """A one-time token. `token` and `url` are returned once, when it is created, unless Rollbook mails it."""

    __slots__ = ()
    id: str
    """ID of the token, which is not the token itself."""
    user_id: str
    """ID of the user it is for."""
    purpose: str
    """`invite`: An invited user sets their first password. `reset_password`: Sets a password, for users who have
    forgotten theirs or have none yet. `verify_email`: Confirms the user's email. `change_email`: Changes the
    user's email to `email`, and confirms it. `sign_in`: Signs the user in without a password. `impersonate`:
    Lets whoever created it act as the user, for support.
    """
    email: str | None
    """The new email of `change_email`, or the one that `verify_email` confirms."""
    redirect_url: str | None
    """Where the user continues afterwards. Null: in the dashboard."""
    data: dict[str, Any] | None
    """Your own data."""
    created_at: datetime
    """When it was created."""
    expires_at: datetime
    """When it expires."""
    reason: str | None
    """Why somebody acts as the user, of `impersonate`."""
    token: str | None
    """The token, for a link to your own application."""
    url: str | None
    """A link to the page of Rollbook on which the user uses it."""
    _kinds = {"created_at": time, "expires_at": time}
    _optional = frozenset(["token", "url"])
    _secret = frozenset(["token", "url"])
    _known = (
        "id",
        "user_id",
        "purpose",
        "email",
        "redirect_url",
        "data",
        "created_at",
        "expires_at",
        "reason",
        "token",
        "url",
    )


class ErrorDetail(Model):
    """One problem with a request."""

    __slots__ = ()
    param: str
    """The query parameter, header or field of the body that is invalid."""
    message: str
    """What is wrong with it."""
    _known = ("param", "message")


class ErrorResponse(Model):
    """An error. `error` is for people, `code` for programs. Use `request_id` to find the request in the server's
    log.
    """

    __slots__ = ()
    error: str
    """What went wrong, for people."""
    code: ErrorCode
    """What went wrong, for programs. Codes never change. Later versions can add some: treat those you don't know
    by the status.
    """
    request_id: str
    """ID of the request, also in `X-Request-Id` and in the server's log."""
    doc_url: str
    """The documentation of this error."""
    param: str | None
    """The query parameter, header or field of the body that is invalid."""
    errors: list[ErrorDetail] | None
    """Everything that is wrong with the request, as far as it fits into 4 KiB."""
    challenge: str | None
    """With `second_factor_required`: what to send to `verify-challenge` together with a code."""
    _kinds = {"errors": each(ErrorDetail)}
    _optional = frozenset(["challenge", "errors", "param"])
    _known = ("error", "code", "request_id", "doc_url", "param", "errors", "challenge")


class BulkResult(Model):
    """Result of an operation: the `status` that a request of its own would have had, and the user, the token, or
    the error.
    """

    __slots__ = ()
    index: int
    """The index of the operation, from 0."""
    status: int
    """The HTTP status of this operation."""
    user: User | None
    """A user. Lists and create return `id`, `name`, `email` and `created_at`; update returns `updated_at` instead
    of `created_at`; reading a user returns all fields. Use `fields` to choose.
    """
    etag: str | None
    """The version of the user, for `if_match` and `If-Match`."""
    token: Token | None
    """A one-time token. `token` and `url` are returned once, when it is created, unless Rollbook mails it."""
    error: ErrorResponse | None
    """An error. `error` is for people, `code` for programs. Use `request_id` to find the request in the server's
    log.
    """
    _kinds = {"user": one(User), "token": one(Token), "error": one(ErrorResponse)}
    _optional = frozenset(["error", "etag", "token", "user"])
    _known = ("index", "status", "user", "etag", "token", "error")


class BulkResults(Model):
    """A result for each operation, in their order."""

    __slots__ = ()
    results: list[BulkResult]
    """The results."""
    _kinds = {"results": each(BulkResult)}
    _known = ("results",)


class UsedToken(Model):
    """The token that was used."""

    __slots__ = ()
    id: str
    """ID of the token."""
    purpose: str
    """What it was for."""
    redirect_url: str | None
    """Where the user continues."""
    data: dict[str, Any] | None
    """Your own data."""
    _known = ("id", "purpose", "redirect_url", "data")


class ConsumedToken(Model):
    """The user after a one-time token was used, with all fields, and the token."""

    __slots__ = ()
    id: str
    """ID of the user. Never reused."""
    name: str
    """The user's name."""
    email: str
    """The user's email."""
    kind: str | None
    """What the user is. `person`: Someone who can sign in. `application`: A program, such as your shop: it has API
    keys and webhooks, but no password, and can't sign in.
    """
    role: str | None
    """The user's role. `member`: Can read and change their own user, API keys and sessions, and read the log of
    their requests. `viewer`: Can read all users, groups, events and rules, and have webhooks. Otherwise like a
    member. `admin`: Full access, except to owners. `owner`: Full access.
    """
    status: str | None
    """`invited` users have no password yet, and become `active` when they set one. `suspended` users can't sign in
    or use their API keys until they are activated.
    """
    external_id: str | None
    """Your own identifier for the user."""
    metadata: dict[str, Any] | None
    """A JSON object with your own data, which the user can read."""
    private_metadata: dict[str, Any] | None
    """A JSON object with your own data, which the user doesn't see: only in responses to callers who can read all
    users.
    """
    email_verified: bool | None
    """Whether the email is verified."""
    rate_limit: str | None
    """Rate limit, or `none`. Null: the default applies."""
    ends_at: datetime | None
    """When Rollbook suspends the user. Null: never."""
    last_active_at: datetime | None
    """When the user last signed in, used a session or called with an API key, to the minute. Lags by up to a
    minute. Null: never.
    """
    created_at: datetime | None
    """When the user signed up: when they were created or, if they were imported, the date in the file."""
    updated_at: datetime | None
    """When it was last updated."""
    last_sign_in_at: datetime | None
    """When the user last signed in, or their password was last verified."""
    deleted_at: datetime | None
    """When the user was deleted. Only in lists with `status=deleted`."""
    unknown_fields: list[str] | None
    """The fields that the event log doesn't tell. Only with `at`."""
    token: UsedToken
    """The token that was used."""
    _kinds = {
        "ends_at": time,
        "last_active_at": time,
        "created_at": time,
        "updated_at": time,
        "last_sign_in_at": time,
        "deleted_at": time,
        "token": one(UsedToken),
    }
    _optional = frozenset(
        [
            "created_at",
            "deleted_at",
            "email_verified",
            "ends_at",
            "external_id",
            "kind",
            "last_active_at",
            "last_sign_in_at",
            "metadata",
            "private_metadata",
            "rate_limit",
            "role",
            "status",
            "unknown_fields",
            "updated_at",
        ]
    )
    _known = (
        "id",
        "name",
        "email",
        "kind",
        "role",
        "status",
        "external_id",
        "metadata",
        "private_metadata",
        "email_verified",
        "rate_limit",
        "ends_at",
        "last_active_at",
        "created_at",
        "updated_at",
        "last_sign_in_at",
        "deleted_at",
        "unknown_fields",
        "token",
    )


class SecondFactor(Model):
    """A second factor of a user: an authenticator app or a passkey. `secret`, `otpauth_url` and `recovery_codes`
    are only returned once.
    """

    __slots__ = ()
    id: str
    """ID of the second factor."""
    user_id: str
    """ID of the user it belongs to."""
    kind: str
    """`totp`: an authenticator app. `passkey`: a passkey."""
    name: str
    """What the user calls it."""
    created_at: datetime
    """When it was created."""
    confirmed_at: datetime | None
    """When it was activated. Null: it is not active yet."""
    last_used_at: datetime | None
    """When it was last used. Null: never."""
    secret: str | None
    """The secret of an authenticator app, in base32. Only when you create it."""
    otpauth_url: str | None
    """The secret as a URL for a QR code. Only when you create it."""
    recovery_codes: list[str] | None
    """The recovery codes. Only when you activate the user's first factor."""
    _kinds = {"created_at": time, "confirmed_at": time, "last_used_at": time}
    _optional = frozenset(["otpauth_url", "recovery_codes", "secret"])
    _secret = frozenset(["otpauth_url", "recovery_codes", "secret"])
    _known = (
        "id",
        "user_id",
        "kind",
        "name",
        "created_at",
        "confirmed_at",
        "last_used_at",
        "secret",
        "otpauth_url",
        "recovery_codes",
    )


class SecondFactors(Model):
    """The second factors of a user."""

    __slots__ = ()
    second_factors: list[SecondFactor]
    """The factors, oldest first."""
    recovery_codes_left: int
    """How many recovery codes the user has left."""
    _kinds = {"second_factors": each(SecondFactor)}
    _known = ("second_factors", "recovery_codes_left")


class VerifiedCode(Model):
    """A code that was right."""

    __slots__ = ()
    factor_id: str | None
    """ID of the authenticator app. Null: it was a recovery code."""
    recovery_codes_left: int
    """How many recovery codes the user has left."""
    _known = ("factor_id", "recovery_codes_left")


class RecoveryCodes(Model):
    """Recovery codes. Each works once."""

    __slots__ = ()
    recovery_codes: list[str]
    """The codes. Only returned once."""
    _secret = frozenset(["recovery_codes"])
    _known = ("recovery_codes",)


class Key(Model):
    """An API key. `key`, the key itself, is only returned when you create, rotate or reveal it."""

    __slots__ = ()
    id: str
    """ID of the API key."""
    user_id: str
    """ID of the user it belongs to."""
    name: str
    """What the key is used for."""
    kind: str
    """Where the key works."""
    status: str
    """Whether the key works."""
    masked: str
    """The beginning and end of the key, to tell keys apart."""
    scopes: list[str] | None
    """The scopes of the key. Null: everything its user can do."""
    ip_allow: list[str] | None
    """IP addresses and networks that can use the key. Null: any."""
    rate_limit: str | None
    """Rate limit, or `none`. Null: the default applies."""
    audiences: list[str] | None
    """The audiences for which the key creates, verifies, lists and ends sessions. Null: any."""
    revealable: bool
    """Whether the key can be revealed again."""
    created_at: datetime
    """When it was created."""
    expires_at: datetime | None
    """When the key expires. Null: never."""
    last_used_at: datetime | None
    """When the key was last used, accurate to a few seconds. Null: never."""
    revoked_at: datetime | None
    """When the key was revoked. Null: it was not revoked."""
    created_by: str | None
    """ID of the user it goes back to: who created it or, if it was created with a key, who created that. Null: the
    command line, or not known. Not in events and the export of a user's data.
    """
    created_with: str | None
    """ID of the API key it was created with. Null: none, or not known."""
    key: str | None
    """The API key itself."""
    user_name: str | None
    """Name of its user. Only with `user=all`. Null: deleted."""
    user_email: str | None
    """Email of its user. Only with `user=all`. Null: deleted."""
    user_kind: str | None
    """Kind of its user. Only with `user=all`. Null: deleted."""
    _kinds = {"created_at": time, "expires_at": time, "last_used_at": time, "revoked_at": time}
    _optional = frozenset(["created_by", "created_with", "key", "user_email", "user_kind", "user_name"])
    _secret = frozenset(["key"])
    _known = (
        "id",
        "user_id",
        "name",
        "kind",
        "status",
        "masked",
        "scopes",
        "ip_allow",
        "rate_limit",
        "audiences",
        "revealable",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
        "created_by",
        "created_with",
        "key",
        "user_name",
        "user_email",
        "user_kind",
    )


class Session(Model):
    """A browser a user is signed in to the dashboard with, or an application's session of a user."""

    __slots__ = ()
    id: str
    """ID of the session."""
    user_id: str
    """ID of the user who is signed in."""
    audience: str | None
    """The application it is for. Null: the dashboard."""
    created_at: datetime
    """When the user signed in."""
    last_seen_at: datetime
    """When the browser was last seen, accurate to about a minute; an application's: when it was refreshed."""
    expires_at: datetime | None
    """When the `token` expires, unless the session is refreshed. Null: it is the dashboard's."""
    refresh_expires_at: datetime | None
    """When the session ends, unless it is refreshed before. Null: it is the dashboard's."""
    address: str
    """The IP address the user signed in from. Empty if the application didn't send it."""
    user_agent: str
    """The browser's User-Agent header. Empty if the application didn't send it."""
    acted_by: str | None
    """ID of the person who acts as the user, for support."""
    reason: str | None
    """Why they act as the user."""
    _kinds = {"created_at": time, "last_seen_at": time, "expires_at": time, "refresh_expires_at": time}
    _known = (
        "id",
        "user_id",
        "audience",
        "created_at",
        "last_seen_at",
        "expires_at",
        "refresh_expires_at",
        "address",
        "user_agent",
        "acted_by",
        "reason",
    )


class GroupMembership(Model):
    """A group of a user."""

    __slots__ = ()
    group_id: str
    """ID of the group."""
    group_name: str
    """The group's name."""
    role: str
    """The user's role in the group. Empty: none."""
    added_at: datetime
    """When the user was added to the group."""
    _kinds = {"added_at": time}
    _known = ("group_id", "group_name", "role", "added_at")


class ScimRecord(Model):
    """Data that identity providers keep about a user by SCIM, beside the fields of the user."""

    __slots__ = ()
    user_name: str | None
    """The `userName`, if a provider has set it."""
    attributes: dict[str, Any]
    """Attributes by their names in SCIM."""
    external_ids: dict[str, Any]
    """The `externalId` of each provider, by the ID of its first key."""
    _known = ("user_name", "attributes", "external_ids")


class EventActor(Model):
    """Actor of the change: the user, API key, ID and trace of the request, the client's IP address (`cli` for the
    command line), and the assistant that made it.
    """

    __slots__ = ()
    user_id: str | None
    """ID of the user who made the request."""
    key_id: str | None
    """ID of the API key that made the request."""
    address: str | None
    """Where the request came from: an IP address, `cli` for the command line, `system` for the server itself."""
    request_id: str | None
    """ID of the request, also in `X-Request-Id` and in the server's log, or of the import that did it."""
    trace_id: str | None
    """ID of the distributed trace that the request belongs to, from its `traceparent` header. Null: it had none."""
    client: str | None
    """Name and version of the assistant that made the request over MCP, as it says itself. Null: the request was
    not made over MCP.
    """
    key_created_by: str | None
    """ID of the user whom the API key goes back to, because they created it or the key it was created with.
    Without a key, the user who created the link that the session began with, or acts in it. Null: it is the
    user's own, or none.
    """
    _known = ("user_id", "key_id", "address", "request_id", "trace_id", "client", "key_created_by")


class ImportColumn(Model):
    """A column of an imported file, or a name of its JSON objects, and what becomes of it."""

    __slots__ = ()
    name: str
    """Its name in the file."""
    outcome: str
    """`kept`: under its name. `mapped`: elsewhere, as `target` says. `ignored`: not at all, for the `reason`."""
    target: str | None
    """The fields that come from it."""
    reason: str | None
    """Why it is ignored, or only for new users."""
    _known = ("name", "outcome", "target", "reason")


class EventObject(Model):
    """The object that the event is about, such as a user or an API key, with its fields. Never the text of a key,
    token or link. If the user was erased, only the ID and `erased`.
    """

    __slots__ = ()
    id: str | None
    """ID of the user, group, API key, session, token or webhook."""
    name: str | None
    """The name of the user, group or API key."""
    email: str | None
    """The email of the user, or that the token is about."""
    kind: str | None
    """What the user is. `person`: Someone who can sign in. `application`: A program, such as your shop: it has API
    keys and webhooks, but no password, and can't sign in.
    """
    role: str | None
    """The role of the user or, of a member, in the group."""
    status: str | None
    """`invited` users have no password yet, and become `active` when they set one. `suspended` users can't sign in
    or use their API keys until they are activated.
    """
    external_id: str | None
    """Your own identifier for the user."""
    metadata: dict[str, Any] | None
    """A JSON object with your own data, which the user can read."""
    private_metadata: dict[str, Any] | None
    """A JSON object with your own data, which the user doesn't see: only in responses to callers who can read all
    users.
    """
    email_verified: bool | None
    """Whether the email is verified."""
    rate_limit: str | None
    """Rate limit, or `none`. Null: the default applies."""
    ends_at: datetime | None
    """When Rollbook suspends the user. Null: never."""
    last_active_at: datetime | None
    """When the user last signed in, used a session or called with an API key, to the minute. Lags by up to a
    minute. Null: never.
    """
    created_at: datetime | None
    """When the user, group, API key, session, token or webhook was created."""
    updated_at: datetime | None
    """When it was last updated."""
    last_sign_in_at: datetime | None
    """When the user last signed in, or their password was last verified."""
    redirect_urls: list[str] | None
    """Where people may return to after they signed in. Empty: no one signs in to it."""
    post_logout_redirect_urls: list[str] | None
    """Where people may return to after they signed out."""
    public_client: bool | None
    """Whether the application can keep no secret, and proves a code by PKCE alone."""
    sign_in_groups: list[str] | None
    """IDs of the groups whose members may sign in. Empty: everyone."""
    group_claims: str | None
    """What the scope `groups` tells of each group."""
    role_claim: bool | None
    """Whether the application learns the role of whoever signs in."""
    backchannel_logout_url: str | None
    """Where the application hears of sessions that ended."""
    members: int | None
    """The number of members."""
    user_id: str | None
    """The user the API key, session, token, webhook or membership belongs to."""
    masked: str | None
    """The beginning and end of the key, to tell keys apart."""
    scopes: list[str] | None
    """The scopes of the key. Null: everything its user can do."""
    ip_allow: list[str] | None
    """IP addresses and networks that can use the key. Null: any."""
    audiences: list[str] | None
    """The audiences for which the key creates, verifies, lists and ends sessions. Null: any."""
    revealable: bool | None
    """Whether the key can be revealed again."""
    expires_at: datetime | None
    """When the key expires. Null: never."""
    last_used_at: datetime | None
    """When the key was last used, accurate to a few seconds. Null: never."""
    revoked_at: datetime | None
    """When the key was revoked. Null: it was not revoked."""
    created_by: str | None
    """ID of the user it goes back to: who created it or, if it was created with a key, who created that. Null: the
    command line, or not known. Not in events and the export of a user's data.
    """
    created_with: str | None
    """ID of the API key it was created with. Null: none, or not known."""
    user_name: str | None
    """Name of its user. Only with `user=all`. Null: deleted."""
    user_email: str | None
    """Email of its user. Only with `user=all`. Null: deleted."""
    user_kind: str | None
    """Kind of its user. Only with `user=all`. Null: deleted."""
    audience: str | None
    """The application it is for. Null: the dashboard."""
    last_seen_at: datetime | None
    """When the browser was last seen, accurate to about a minute; an application's: when it was refreshed."""
    refresh_expires_at: datetime | None
    """When the session ends, unless it is refreshed before. Null: it is the dashboard's."""
    address: str | None
    """The IP address the user signed in from. Empty if the application didn't send it."""
    user_agent: str | None
    """The browser's User-Agent header. Empty if the application didn't send it."""
    acted_by: str | None
    """ID of the person who acts as the user, for support."""
    reason: str | None
    """Why they act as the user."""
    purpose: str | None
    """`invite`: An invited user sets their first password. `reset_password`: Sets a password, for users who have
    forgotten theirs or have none yet. `verify_email`: Confirms the user's email. `change_email`: Changes the
    user's email to `email`, and confirms it. `sign_in`: Signs the user in without a password. `impersonate`:
    Lets whoever created it act as the user, for support.
    """
    redirect_url: str | None
    """Where the user continues afterwards. Null: in the dashboard."""
    data: dict[str, Any] | None
    """Your own data."""
    url: str | None
    """The host that the webhook sends to. The rest of the URL, which may be a secret, is never contained."""
    description: str | None
    """What the webhook is used for."""
    types: list[str] | None
    """The events that are sent."""
    format: str | None
    """`standard`: the event as `GET /v1/events` shows it. `cloudevents`: CloudEvents 1.0. `ocsf`: OCSF 1.5, for a
    SIEM. `slack`, `discord`, `teams`: a sentence for people, in the format of these chats' incoming webhooks.
    """
    payload: str | None
    """`full`: the whole event. `thin`: only its ID, type, time and the IDs of the user and the object, for
    receivers that should not get personal data.
    """
    ordering: str | None
    """`user`: a user's events arrive in order, so while one fails, that user's later events wait. `none`: events
    arrive in any order, and none waits for another.
    """
    skip_imports: bool | None
    """Whether events of imports are left out, except `import.finished`."""
    headers: list[str] | None
    """The names of the headers that are sent with each event. The values are never returned."""
    status_reason: str | None
    """Why it is disabled. `owner_suspended`: The user it belongs to was suspended. `owner_deleted`: The user it
    belongs to was deleted. `owner_demoted`: The user it belongs to has a role that can't have webhooks.
    `creator_suspended`: A user it goes back to was suspended: who created it for its owner, or chose where it
    sends. `creator_lost_rights`: A user it goes back to was deleted, or lost the right to create it.
    `access_ended`: A user it belongs or goes back to got a new password or was adopted, and what acts without
    the password ended. `gone`: The endpoint returned 410. `failing`: No delivery succeeded for five days.
    """
    key_id: str | None
    """The API key whose request exceeded the limit."""
    error: str | None
    """Why it failed. In events always null: `error_code` says it there."""
    error_code: str | None
    """Why it failed, for programs: the code of an error, or `file_lost`."""
    source: str | None
    """The system that the file was exported from."""
    match: str | None
    """How users who exist are recognized."""
    on_conflict: str | None
    """What happens to users who exist already."""
    unknown_hashes: str | None
    """What happens to users whose password hash is not known."""
    dry_run: bool | None
    """Whether nothing is changed."""
    events: str | None
    """Which events are recorded."""
    adopt: bool | None
    """Whether users were taken over who had not verified their email and had a password of their own."""
    mapping: str | None
    """From the columns of a CSV file to fields: a JSON object. Null once the import has ended, and in events."""
    delimiter: str | None
    """The character between the columns of a CSV file. Null: what was detected."""
    bytes: int | None
    """Size of the file."""
    bytes_read: int | None
    """Bytes of the file whose records are done."""
    records: int | None
    """Records of the file that are done."""
    records_expected: int | None
    """Records of the file: an estimate until the import has ended. Null: not known yet."""
    added: int | None
    """Users who were added."""
    updated: int | None
    """Users who existed and were changed."""
    unchanged: int | None
    """Users who existed and were the same."""
    skipped: int | None
    """Users who existed and were left alone."""
    refused: int | None
    """Records that were refused. The report says why."""
    without_password: int | None
    """Users who have no password since their hash is not known. The report names them."""
    weak_hashes: int | None
    """Users whose password hash is easy to guess at, such as bcrypt below cost 10 or PBKDF2 with few iterations."""
    started_at: datetime | None
    """When it started. Null: it waits."""
    finished_at: datetime | None
    """When it ended. Null: it waits or runs."""
    absent: str | None
    """What happens to people who are absent from the file."""
    absent_group: str | None
    """ID of the group that the file has all of."""
    absent_metadata: str | None
    """Key and value in the metadata of everyone the file has."""
    absent_users: int | None
    """People who are absent. Null: not known, or not asked for."""
    absent_job_id: str | None
    """ID of the bulk job that suspends them. Null: none, or the import waits until someone approves."""
    encoding: str | None
    """The encoding as which the file is read. Only where `columns` are."""
    columns: list[ImportColumn] | None
    """What becomes of each column. Only when you get the import, with the key that it was requested with."""
    action: str | None
    """What is done to each user."""
    send: bool | None
    """Whether Rollbook mails the token."""
    group_id: str | None
    """The group of a member."""
    filter: dict[str, Any] | None
    """Which users. Of filters by email, external ID, ID or search, only the name is kept. Null: by ID."""
    undoes: str | None
    """ID of the job or import that this one undoes. Null: none."""
    rule_id: str | None
    """ID of the rule whose run it is. Null: none."""
    total: int | None
    """Users of the job."""
    done: int | None
    """Users who are done."""
    changed: int | None
    """Users who were changed."""
    count: int | None
    """How many users were exported."""
    filters: dict[str, Any] | None
    """The filters of an export; of personal ones, only that they were given."""
    with_hashes: bool | None
    """Whether the export has password hashes."""
    erased: bool | None
    """`true`: the user was erased, so that nothing else is left of the object."""
    group_name: str | None
    """The name of that group."""
    window: str | None
    """The window of the limit that was exceeded, such as `minute`; `key-minute` for the API key's own limit."""
    limit: int | None
    """Requests that the window allows."""
    resets_at: datetime | None
    """When the window ends."""
    recovery_codes_left: int | None
    """How many recovery codes the user has left."""
    message: str | None
    """What a test delivery says."""
    _kinds = {
        "ends_at": time,
        "last_active_at": time,
        "created_at": time,
        "updated_at": time,
        "last_sign_in_at": time,
        "expires_at": time,
        "last_used_at": time,
        "revoked_at": time,
        "last_seen_at": time,
        "refresh_expires_at": time,
        "started_at": time,
        "finished_at": time,
        "columns": each(ImportColumn),
        "resets_at": time,
    }
    _optional = frozenset(
        [
            "absent",
            "absent_group",
            "absent_job_id",
            "absent_metadata",
            "absent_users",
            "acted_by",
            "action",
            "added",
            "address",
            "adopt",
            "audience",
            "audiences",
            "backchannel_logout_url",
            "bytes",
            "bytes_read",
            "changed",
            "columns",
            "count",
            "created_at",
            "created_by",
            "created_with",
            "data",
            "delimiter",
            "description",
            "done",
            "dry_run",
            "email",
            "email_verified",
            "encoding",
            "ends_at",
            "erased",
            "error",
            "error_code",
            "events",
            "expires_at",
            "external_id",
            "filter",
            "filters",
            "finished_at",
            "format",
            "group_claims",
            "group_id",
            "group_name",
            "headers",
            "id",
            "ip_allow",
            "key_id",
            "kind",
            "last_active_at",
            "last_seen_at",
            "last_sign_in_at",
            "last_used_at",
            "limit",
            "mapping",
            "masked",
            "match",
            "members",
            "message",
            "metadata",
            "name",
            "on_conflict",
            "ordering",
            "payload",
            "post_logout_redirect_urls",
            "private_metadata",
            "public_client",
            "purpose",
            "rate_limit",
            "reason",
            "records",
            "records_expected",
            "recovery_codes_left",
            "redirect_url",
            "redirect_urls",
            "refresh_expires_at",
            "refused",
            "resets_at",
            "revealable",
            "revoked_at",
            "role",
            "role_claim",
            "rule_id",
            "scopes",
            "send",
            "sign_in_groups",
            "skip_imports",
            "skipped",
            "source",
            "started_at",
            "status",
            "status_reason",
            "total",
            "types",
            "unchanged",
            "undoes",
            "unknown_hashes",
            "updated",
            "updated_at",
            "url",
            "user_agent",
            "user_email",
            "user_id",
            "user_kind",
            "user_name",
            "weak_hashes",
            "window",
            "with_hashes",
            "without_password",
        ]
    )
    _known = (
        "id",
        "name",
        "email",
        "kind",
        "role",
        "status",
        "external_id",
        "metadata",
        "private_metadata",
        "email_verified",
        "rate_limit",
        "ends_at",
        "last_active_at",
        "created_at",
        "updated_at",
        "last_sign_in_at",
        "redirect_urls",
        "post_logout_redirect_urls",
        "public_client",
        "sign_in_groups",
        "group_claims",
        "role_claim",
        "backchannel_logout_url",
        "members",
        "user_id",
        "masked",
        "scopes",
        "ip_allow",
        "audiences",
        "revealable",
        "expires_at",
        "last_used_at",
        "revoked_at",
        "created_by",
        "created_with",
        "user_name",
        "user_email",
        "user_kind",
        "audience",
        "last_seen_at",
        "refresh_expires_at",
        "address",
        "user_agent",
        "acted_by",
        "reason",
        "purpose",
        "redirect_url",
        "data",
        "url",
        "description",
        "types",
        "format",
        "payload",
        "ordering",
        "skip_imports",
        "headers",
        "status_reason",
        "key_id",
        "error",
        "error_code",
        "source",
        "match",
        "on_conflict",
        "unknown_hashes",
        "dry_run",
        "events",
        "adopt",
        "mapping",
        "delimiter",
        "bytes",
        "bytes_read",
        "records",
        "records_expected",
        "added",
        "updated",
        "unchanged",
        "skipped",
        "refused",
        "without_password",
        "weak_hashes",
        "started_at",
        "finished_at",
        "absent",
        "absent_group",
        "absent_metadata",
        "absent_users",
        "absent_job_id",
        "encoding",
        "columns",
        "action",
        "send",
        "group_id",
        "filter",
        "undoes",
        "rule_id",
        "total",
        "done",
        "changed",
        "count",
        "filters",
        "with_hashes",
        "erased",
        "group_name",
        "window",
        "limit",
        "resets_at",
        "recovery_codes_left",
        "message",
    )


class Event(Model):
    """Change of a user, of one of their keys, sessions or one-time tokens, of a webhook, or of the server."""

    __slots__ = ()
    id: str
    """ID of the event. Pass it as `after` to get the events that follow."""
    type: EventType
    """What happened. Later versions can add types: ignore those you don't know."""
    created_at: datetime
    """When it was created."""
    user_id: str | None
    """ID of the user the event is about, or whose key, session, token or webhook it is about. Null: it is about no
    user.
    """
    actor: EventActor
    """Actor of the change: the user, API key, ID and trace of the request, the client's IP address (`cli` for the
    command line), and the assistant that made it.
    """
    object: EventObject
    """The object that the event is about, such as a user or an API key, with its fields. Never the text of a key,
    token or link. If the user was erased, only the ID and `erased`.
    """
    before: EventObject | None
    """The previous values of the fields that changed, or the API key that was rotated. Null if there is no
    previous state.
    """
    _kinds = {"created_at": time, "actor": one(EventActor), "object": one(EventObject), "before": one(EventObject)}
    _known = ("id", "type", "created_at", "user_id", "actor", "object", "before")


class Export(Model):
    """All data about a user."""

    __slots__ = ()
    user: User
    """A user. Lists and create return `id`, `name`, `email` and `created_at`; update returns `updated_at` instead
    of `created_at`; reading a user returns all fields. Use `fields` to choose.
    """
    language: str | None
    """The language in which they last used Rollbook's pages, and get mails."""
    keys: list[Key]
    """The user's API keys, without the secrets."""
    tokens: list[Token]
    """The user's open one-time tokens, without the tokens themselves."""
    sessions: list[Session]
    """The browsers the user is signed in with."""
    second_factors: list[SecondFactor]
    """The user's second factors, without the secrets."""
    groups: list[GroupMembership]
    """The groups that the user is in."""
    scim: list[ScimRecord]
    """What identity providers keep about the user; empty if nothing."""
    events: list[Event]
    """The events about the user and their API keys."""
    _kinds = {
        "user": one(User),
        "keys": each(Key),
        "tokens": each(Token),
        "sessions": each(Session),
        "second_factors": each(SecondFactor),
        "groups": each(GroupMembership),
        "scim": each(ScimRecord),
        "events": each(Event),
    }
    _known = ("user", "language", "keys", "tokens", "sessions", "second_factors", "groups", "scim", "events")


class Application(Model):
    """An application: a user that is a program, and how people sign in to it."""

    __slots__ = ()
    id: str
    """ID of the user. Never reused."""
    name: str
    """The user's name."""
    email: str
    """The user's email."""
    kind: str | None
    """What the user is. `person`: Someone who can sign in. `application`: A program, such as your shop: it has API
    keys and webhooks, but no password, and can't sign in.
    """
    role: str | None
    """The user's role. `member`: Can read and change their own user, API keys and sessions, and read the log of
    their requests. `viewer`: Can read all users, groups, events and rules, and have webhooks. Otherwise like a
    member. `admin`: Full access, except to owners. `owner`: Full access.
    """
    status: str | None
    """`invited` users have no password yet, and become `active` when they set one. `suspended` users can't sign in
    or use their API keys until they are activated.
    """
    external_id: str | None
    """Your own identifier for the user."""
    metadata: dict[str, Any] | None
    """A JSON object with your own data, which the user can read."""
    private_metadata: dict[str, Any] | None
    """A JSON object with your own data, which the user doesn't see: only in responses to callers who can read all
    users.
    """
    email_verified: bool | None
    """Whether the email is verified."""
    rate_limit: str | None
    """Rate limit, or `none`. Null: the default applies."""
    ends_at: datetime | None
    """When Rollbook suspends the user. Null: never."""
    last_active_at: datetime | None
    """When the user last signed in, used a session or called with an API key, to the minute. Lags by up to a
    minute. Null: never.
    """
    created_at: datetime | None
    """When the user signed up: when they were created or, if they were imported, the date in the file."""
    updated_at: datetime | None
    """When it was last updated."""
    last_sign_in_at: datetime | None
    """When the user last signed in, or their password was last verified."""
    deleted_at: datetime | None
    """When the user was deleted. Only in lists with `status=deleted`."""
    unknown_fields: list[str] | None
    """The fields that the event log doesn't tell. Only with `at`."""
    redirect_urls: list[str] | None
    """Where people may return to after they signed in. Empty: no one signs in to it."""
    post_logout_redirect_urls: list[str] | None
    """Where people may return to after they signed out."""
    public_client: bool | None
    """Whether the application can keep no secret, and proves a code by PKCE alone."""
    sign_in_groups: list[str] | None
    """IDs of the groups whose members may sign in. Empty: everyone."""
    group_claims: str | None
    """What the scope `groups` tells of each group."""
    role_claim: bool | None
    """Whether the application learns the role of whoever signs in."""
    backchannel_logout_url: str | None
    """Where the application hears of sessions that ended."""
    _kinds = {
        "ends_at": time,
        "last_active_at": time,
        "created_at": time,
        "updated_at": time,
        "last_sign_in_at": time,
        "deleted_at": time,
    }
    _optional = frozenset(
        [
            "backchannel_logout_url",
            "created_at",
            "deleted_at",
            "email_verified",
            "ends_at",
            "external_id",
            "group_claims",
            "kind",
            "last_active_at",
            "last_sign_in_at",
            "metadata",
            "post_logout_redirect_urls",
            "private_metadata",
            "public_client",
            "rate_limit",
            "redirect_urls",
            "role",
            "role_claim",
            "sign_in_groups",
            "status",
            "unknown_fields",
            "updated_at",
        ]
    )
    _known = (
        "id",
        "name",
        "email",
        "kind",
        "role",
        "status",
        "external_id",
        "metadata",
        "private_metadata",
        "email_verified",
        "rate_limit",
        "ends_at",
        "last_active_at",
        "created_at",
        "updated_at",
        "last_sign_in_at",
        "deleted_at",
        "unknown_fields",
        "redirect_urls",
        "post_logout_redirect_urls",
        "public_client",
        "sign_in_groups",
        "group_claims",
        "role_claim",
        "backchannel_logout_url",
    )


class Group(Model):
    """A group of users."""

    __slots__ = ()
    id: str
    """ID of the group."""
    name: str
    """The group's name. Need not be unique."""
    external_id: str | None
    """Your own identifier for the group."""
    metadata: dict[str, Any]
    """A JSON object with your own data."""
    members: int
    """The number of members."""
    created_at: datetime
    """When it was created."""
    updated_at: datetime
    """When the group or its members were last changed."""
    role: str | None
    """The role of the `user` who was asked for. Only in lists of a user's groups."""
    etag: str | None
    """The version, for `if_match`: of an object that a call of its own returned, and not a list or a part of a
    response.
    """
    _has_version = True
    _kinds = {"created_at": time, "updated_at": time}
    _optional = frozenset(["role"])
    _known = ("id", "name", "external_id", "metadata", "members", "created_at", "updated_at", "role")


class Member(Model):
    """A member of a group."""

    __slots__ = ()
    user_id: str
    """ID of the user."""
    name: str
    """The user's name."""
    email: str
    """The user's email."""
    role: str
    """The user's role in the group. Empty: none."""
    added_at: datetime
    """When the user was added to the group."""
    _kinds = {"added_at": time}
    _known = ("user_id", "name", "email", "role", "added_at")


class AddedMembers(Model):
    """Outcome for the users you sent."""

    __slots__ = ()
    added: int
    """Users who were added."""
    changed: int
    """Members who got another role."""
    unchanged: int
    """Members who had the role already."""
    _known = ("added", "changed", "unchanged")


class Act(Model):
    """Person who acts as a user (RFC 8693, section 4.1)."""

    __slots__ = ()
    sub: str
    """ID of the person."""
    _known = ("sub",)


class SessionTokens(Model):
    """A session of your application, and its tokens. They are only returned here."""

    __slots__ = ()
    id: str
    """ID of the session."""
    user_id: str
    """ID of the user who is signed in."""
    audience: str
    """The application it is for."""
    token: str
    """Proves that the user is signed in: verify it."""
    refresh_token: str
    """Gets the next `token` and `refresh_token`, once."""
    expires_at: datetime
    """When the `token` expires."""
    refresh_expires_at: datetime
    """When the session ends, unless it is refreshed before."""
    user: User
    """A user. Lists and create return `id`, `name`, `email` and `created_at`; update returns `updated_at` instead
    of `created_at`; reading a user returns all fields. Use `fields` to choose.
    """
    access_token: str | None
    """A signed access token (JWT), if the setting `access_tokens` is on."""
    access_expires_at: datetime | None
    """When the `access_token` expires: 5 minutes after now."""
    act: Act | None
    """Person who acts as a user (RFC 8693, section 4.1)."""
    _kinds = {
        "expires_at": time,
        "refresh_expires_at": time,
        "user": one(User),
        "access_expires_at": time,
        "act": one(Act),
    }
    _optional = frozenset(["access_expires_at", "access_token", "act"])
    _known = (
        "id",
        "user_id",
        "audience",
        "token",
        "refresh_token",
        "expires_at",
        "refresh_expires_at",
        "user",
        "access_token",
        "access_expires_at",
        "act",
    )


class VerifiedSession(Model):
    """A session of your application that has not ended, and its user as they are now."""

    __slots__ = ()
    id: str
    """ID of the session."""
    user_id: str
    """ID of the user who is signed in."""
    audience: str
    """The application it is for."""
    expires_at: datetime
    """When the `token` expires."""
    user: User
    """A user. Lists and create return `id`, `name`, `email` and `created_at`; update returns `updated_at` instead
    of `created_at`; reading a user returns all fields. Use `fields` to choose.
    """
    act: Act | None
    """Person who acts as a user (RFC 8693, section 4.1)."""
    _kinds = {"expires_at": time, "user": one(User), "act": one(Act)}
    _optional = frozenset(["act"])
    _known = ("id", "user_id", "audience", "expires_at", "user", "act")


class WebhookHealth(Model):
    """Health of a webhook's deliveries."""

    __slots__ = ()
    delivered: int
    """Successful deliveries of the last 24 hours."""
    failed: int
    """Failed deliveries of the last 24 hours."""
    last_outcome: str | None
    """The outcome of the last delivery. Null: there was none."""
    waiting: int
    """Events that the webhook has not processed yet, including those of other types, and failed ones that will be
    retried.
    """
    next_attempt_at: datetime | None
    """When what has failed is tried again. Null: nothing waits for that."""
    failing_since: datetime | None
    """When the first event failed after the last one that was delivered. Null: none has."""
    summary: str
    """What the webhook is doing and why, in a sentence for people, whose wording can change. With the scope
    `events:read`, it quotes what the endpoint answered.
    """
    _kinds = {"next_attempt_at": time, "failing_since": time}
    _known = ("delivered", "failed", "last_outcome", "waiting", "next_attempt_at", "failing_since", "summary")


class Webhook(Model):
    """An endpoint that events are sent to. `secret` is only returned when you create the webhook, or rotate or
    reveal its secret.
    """

    __slots__ = ()
    id: str
    """ID of the webhook."""
    user_id: str
    """ID of the user it belongs to."""
    created_by: str | None
    """ID of the user it goes back to: who created it, or last changed its URL or owner, or created the key that
    did so. If that is not its owner, it is disabled when they lose the right to. Null: the command line, or not
    known.
    """
    url: str
    """Where events are sent, or `inbox`. Of the URL of a chat, only the host is shown."""
    description: str
    """What the webhook is used for."""
    types: list[str]
    """The events that are sent."""
    format: str
    """`standard`: the event as `GET /v1/events` shows it. `cloudevents`: CloudEvents 1.0. `ocsf`: OCSF 1.5, for a
    SIEM. `slack`, `discord`, `teams`: a sentence for people, in the format of these chats' incoming webhooks.
    """
    payload: str
    """`full`: the whole event. `thin`: only its ID, type, time and the IDs of the user and the object, for
    receivers that should not get personal data.
    """
    ordering: str
    """`user`: a user's events arrive in order, so while one fails, that user's later events wait. `none`: events
    arrive in any order, and none waits for another.
    """
    skip_imports: bool
    """Whether events of imports are left out, except `import.finished`."""
    headers: list[str]
    """The names of the headers that are sent with each event. The values are never returned."""
    status: str
    """`disabled`: by the server, for the reason in `status_reason`. Set `enabled` to send again."""
    status_reason: str | None
    """Why it is disabled. `owner_suspended`: The user it belongs to was suspended. `owner_deleted`: The user it
    belongs to was deleted. `owner_demoted`: The user it belongs to has a role that can't have webhooks.
    `creator_suspended`: A user it goes back to was suspended: who created it for its owner, or chose where it
    sends. `creator_lost_rights`: A user it goes back to was deleted, or lost the right to create it.
    `access_ended`: A user it belongs or goes back to got a new password or was adopted, and what acts without
    the password ended. `gone`: The endpoint returned 410. `failing`: No delivery succeeded for five days.
    """
    health: WebhookHealth
    """Health of a webhook's deliveries."""
    created_with: str | None
    """ID of the API key it was created with, or last changed its URL or owner. Null: none, or not known."""
    created_at: datetime
    """When it was created."""
    updated_at: datetime
    """When it was last updated."""
    secret: str | None
    """The secret that signs the events (Standard Webhooks)."""
    etag: str | None
    """The version, for `if_match`: of an object that a call of its own returned, and not a list or a part of a
    response.
    """
    _has_version = True
    _kinds = {"health": one(WebhookHealth), "created_at": time, "updated_at": time}
    _optional = frozenset(["secret"])
    _secret = frozenset(["secret"])
    _known = (
        "id",
        "user_id",
        "created_by",
        "url",
        "description",
        "types",
        "format",
        "payload",
        "ordering",
        "skip_imports",
        "headers",
        "status",
        "status_reason",
        "health",
        "created_with",
        "created_at",
        "updated_at",
        "secret",
    )


class DeliveryRequest(Model):
    """The request that was sent, made again from the event log."""

    __slots__ = ()
    url: str
    """The current URL of the webhook."""
    headers: dict[str, Any]
    """The headers, without the values of signatures and of the webhook's own headers."""
    body: str
    """The body."""
    _known = ("url", "headers", "body")


class DeliveryResponse(Model):
    """The receiver's response, as far as it is kept."""

    __slots__ = ()
    content_type: str | None
    """The `Content-Type`. Null: there was none."""
    body: str
    """The first 4 KiB of the body."""
    _known = ("content_type", "body")


class Delivery(Model):
    """An attempt to send an event to a webhook. `request` and `response` are only returned for a single delivery."""

    __slots__ = ()
    id: str
    """ID of the delivery."""
    webhook_id: str
    """ID of the webhook."""
    event_id: str
    """ID of the event, also in the header `webhook-id`. The same in every attempt."""
    type: EventType
    """What happened. Later versions can add types: ignore those you don't know."""
    user_id: str | None
    """ID of the user the event is about. Null: about none, or a test."""
    trigger: str
    """Why it was sent."""
    attempt: int
    """1 for the first attempt to send this event for this reason."""
    created_at: datetime
    """When it was sent."""
    duration_ms: int
    """Milliseconds until the response was complete."""
    outcome: str
    """How it ended. `http_` and the status for those from 400 to 599. `delivered`: The receiver answered with a
    status from 200 to 299. `no_address`: The host of the URL has no address to which events are sent: none that
    the name server knows, or one of a private network (see `webhook_allow`). Nothing was sent.
    `connect_failed`: No connection could be opened. `tls_failed`: The TLS handshake failed: for example, the
    certificate has expired, is for another name, or is not signed by an authority that this server trusts.
    `timed_out`: The receiver did not answer within 15 seconds, counted from before the connection was opened.
    `disconnected`: The receiver closed the connection without an answer. `bad_response`: The answer is not
    valid HTTP/1.1. `too_large`: The status line and headers of the answer are larger than 32 KiB. `redirected`:
    The receiver answered with a redirect (300 to 399). Redirects are not followed: change the URL.
    `body_failed`: The event can't be written in the format of the webhook. It is not sent and not retried.
    `exhausted`: The last attempt failed. Rollbook has given up on the event, but you can resend it.
    """
    detail: str | None
    """What exactly failed, in English, where it is known: `Connection refused` or, with `tls_failed`, the fault of
    the certificate or handshake. Null otherwise.
    """
    http_status: int | None
    """The status of the response. Null: there was none."""
    address: str | None
    """The IP address that it was sent to. Null: no connection was opened."""
    retry_at: datetime | None
    """When the next attempt is. Null: there is none."""
    request: DeliveryRequest | None
    """What was sent. Null: the event was erased, or is past its retention."""
    response: DeliveryResponse | None
    """What the receiver responded. Null: nothing."""
    _kinds = {"created_at": time, "retry_at": time, "request": one(DeliveryRequest), "response": one(DeliveryResponse)}
    _optional = frozenset(["request", "response"])
    _known = (
        "id",
        "webhook_id",
        "event_id",
        "type",
        "user_id",
        "trigger",
        "attempt",
        "created_at",
        "duration_ms",
        "outcome",
        "detail",
        "http_status",
        "address",
        "retry_at",
        "request",
        "response",
    )


class Replay(Model):
    """A part of the event log that is sent to a webhook again."""

    __slots__ = ()
    id: str
    """ID of the replay."""
    webhook_id: str
    """ID of the webhook."""
    trigger: str
    """`resend`: of one delivery."""
    status: str
    """Whether it is under way. `waiting`: for others."""
    progress: float
    """How much of its part of the event log is done, from 0 to 1."""
    delivered: int
    """Events that were delivered."""
    failed: int
    """Events that failed. They are not retried."""
    types: list[str] | None
    """The events that are sent. Null: the types of the webhook."""
    user_id: str | None
    """Only events about this user. Null: about all."""
    only: str | None
    """Only events that failed, or were not delivered. Null: all."""
    created_by: str | None
    """ID of the user who asked for it. Null: from the command line."""
    created_at: datetime
    """When it was created."""
    finished_at: datetime | None
    """When it was done or canceled. Null: it is under way."""
    _kinds = {"created_at": time, "finished_at": time}
    _known = (
        "id",
        "webhook_id",
        "trigger",
        "status",
        "progress",
        "delivered",
        "failed",
        "types",
        "user_id",
        "only",
        "created_by",
        "created_at",
        "finished_at",
    )


class BulkJob(Model):
    """A change of many users: what it does, how far it has come, and what became of the users who are done."""

    __slots__ = ()
    id: str
    """ID of the job."""
    user_id: str | None
    """ID of the user who created it. Null: from the command line."""
    key_id: str | None
    """ID of the API key it was created with. Null: none."""
    action: str
    """What is done to each user."""
    role: str | None
    """For `role`: the new role or, if the job undoes another one, the role that is taken back."""
    metadata: dict[str, Any] | None
    """For `metadata`: keys that are set, or with null removed."""
    ends_at: datetime | None
    """For `ends_at`: when they are suspended. Null: never."""
    send: bool
    """For `setup_links`: whether each link is mailed to its user."""
    redirect_url: str | None
    """For `setup_links`: where users continue afterwards."""
    group_id: str | None
    """For `add_to_group` and `remove_from_group`: ID of the group."""
    filter: dict[str, Any] | None
    """Which users. Of filters by email, external ID, ID or search, only the name is kept. Null: by ID."""
    undoes: str | None
    """ID of the job or import that this one undoes. Null: none."""
    rule_id: str | None
    """ID of the rule whose run it is. Null: none."""
    status: str
    """`failed`: it ended early, for the reason in `error`. Users who were changed by then stay so."""
    error: str | None
    """Why it failed."""
    error_code: str | None
    """Why it failed, for programs: the code of an error."""
    total: int
    """Users of the job."""
    done: int
    """Users who are done."""
    changed: int
    """Users who were changed."""
    unchanged: int
    """Users who were so already."""
    refused: int
    """Users who could not be changed. The results say why."""
    created_at: datetime
    """When it was created."""
    started_at: datetime | None
    """When it started. Null: it waits."""
    finished_at: datetime | None
    """When it ended. Null: it waits or runs."""
    results_url: str
    """Where its results are: a line for each user who is done."""
    _kinds = {"ends_at": time, "created_at": time, "started_at": time, "finished_at": time}
    _known = (
        "id",
        "user_id",
        "key_id",
        "action",
        "role",
        "metadata",
        "ends_at",
        "send",
        "redirect_url",
        "group_id",
        "filter",
        "undoes",
        "rule_id",
        "status",
        "error",
        "error_code",
        "total",
        "done",
        "changed",
        "unchanged",
        "refused",
        "created_at",
        "started_at",
        "finished_at",
        "results_url",
    )


class Rule(Model):
    """A rule: when it begins for someone, for whom, and what is done. `when`, `who` and `steps` are as they were
    sent.
    """

    __slots__ = ()
    id: str
    """ID of the rule."""
    name: str
    """What the rule does, for people."""
    enabled: bool
    """Whether it runs."""
    user_id: str | None
    """ID of its author, whose rights it has and with which it ends. Null: the command line."""
    key_id: str | None
    """ID of the API key whose scopes it has. Null: none."""
    when: dict[str, Any]
    """When it begins for someone, as in `RuleWhen`."""
    who: dict[str, Any]
    """For whom: filters of users, as in `BulkFilter`."""
    steps: list[dict[str, Any]]
    """What is done, step by step."""
    max_users: int
    """People with whom it begins in a day at most, or 5 % of all users, if more."""
    waiting_count: int | None
    """People for whom it waits until someone confirms that there are so many. Null: it doesn't wait."""
    failures: int
    """Runs that failed in a row. It stops after three."""
    stopped_reason: str | None
    """Why it has stopped, for people. Null: it runs, or someone has turned it off."""
    next_run_at: datetime | None
    """For `daily`: when it runs next. Null: at any time, or it is off."""
    last_run_at: datetime | None
    """When its last run began. Null: it had none."""
    created_at: datetime
    """When it was created."""
    updated_at: datetime
    """When it was last changed."""
    etag: str | None
    """The version, for `if_match`: of an object that a call of its own returned, and not a list or a part of a
    response.
    """
    _has_version = True
    _kinds = {"next_run_at": time, "last_run_at": time, "created_at": time, "updated_at": time}
    _known = (
        "id",
        "name",
        "enabled",
        "user_id",
        "key_id",
        "when",
        "who",
        "steps",
        "max_users",
        "waiting_count",
        "failures",
        "stopped_reason",
        "next_run_at",
        "last_run_at",
        "created_at",
        "updated_at",
    )


class RulePerson(Model):
    """Someone with whom a rule would begin."""

    __slots__ = ()
    id: str
    """ID of the user."""
    name: str
    """The user's name."""
    email: str
    """The user's email."""
    _known = ("id", "name", "email")


class RuleStepPreview(Model):
    """A step of a rule, and the people who wait for it."""

    __slots__ = ()
    do: str
    """What is done."""
    waiting: int
    """People who wait for it."""
    next_at: datetime | None
    """When the first of them is due. Null: there is no one."""
    _kinds = {"next_at": time}
    _known = ("do", "waiting", "next_at")


class RulePreview(Model):
    """Effect of a rule, before it runs."""

    __slots__ = ()
    count: int
    """People with whom it would begin now or, for `daily`, at its next run. With an `event`: 0, since it is for
    people from now on.
    """
    users: list[RulePerson]
    """The first of them."""
    ceiling: int
    """People with whom it begins in a day at most, unless someone confirms more."""
    next_run_at: datetime | None
    """When it would begin with someone next. Null: unknown."""
    steps: list[RuleStepPreview]
    """Its steps."""
    _kinds = {"users": each(RulePerson), "next_run_at": time, "steps": each(RuleStepPreview)}
    _known = ("count", "users", "ceiling", "next_run_at", "steps")


class NotReverted(Model):
    """A field that was not put back."""

    __slots__ = ()
    field: str
    """The field, or `metadata.KEY` for a key of the metadata."""
    code: str
    """Why. `changed_since`: it has changed since. `not_reversible`: it can't be put back."""
    message: str
    """The reason as a sentence."""
    _known = ("field", "code", "message")


class RevertedEvent(Model):
    """Event that was reverted: what was put back, and what was not."""

    __slots__ = ()
    id: str
    """ID of the event."""
    type: EventType
    """What happened. Later versions can add types: ignore those you don't know."""
    user_id: str | None
    """ID of the user the event is about. Null: it is about no user."""
    reverted: EventObject
    """The object that the event is about, such as a user or an API key, with its fields. Never the text of a key,
    token or link. If the user was erased, only the ID and `erased`.
    """
    not_reverted: list[NotReverted]
    """The fields that stay as they are."""
    _kinds = {"reverted": one(EventObject), "not_reverted": each(NotReverted)}
    _known = ("id", "type", "user_id", "reverted", "not_reverted")


class Import(Model):
    """An import of users: how its file is read, how far it has come, and what became of the records read so far."""

    __slots__ = ()
    id: str
    """ID of the import."""
    user_id: str | None
    """ID of the user who requested it. Null: from the command line."""
    key_id: str | None
    """ID of the API key it was requested with. Null: none."""
    status: str
    """`failed`: it stopped, for the reason in `error`. What was imported by then stays."""
    error: str | None
    """Why it failed. In events always null: `error_code` says it there."""
    error_code: str | None
    """Why it failed, for programs: the code of an error, or `file_lost`."""
    source: str
    """The system that the file was exported from."""
    format: str
    """The file's format, as requested."""
    match: str
    """How users who exist are recognized."""
    on_conflict: str
    """What happens to users who exist already."""
    unknown_hashes: str
    """What happens to users whose password hash is not known."""
    dry_run: bool
    """Whether nothing is changed."""
    events: str
    """Which events are recorded."""
    adopt: bool
    """Whether users were taken over who had not verified their email and had a password of their own."""
    mapping: str | None
    """From the columns of a CSV file to fields: a JSON object. Null once the import has ended, and in events."""
    delimiter: str | None
    """The character between the columns of a CSV file. Null: what was detected."""
    bytes: int
    """Size of the file."""
    bytes_read: int
    """Bytes of the file whose records are done."""
    records: int
    """Records of the file that are done."""
    records_expected: int | None
    """Records of the file: an estimate until the import has ended. Null: not known yet."""
    added: int
    """Users who were added."""
    updated: int
    """Users who existed and were changed."""
    unchanged: int
    """Users who existed and were the same."""
    skipped: int
    """Users who existed and were left alone."""
    refused: int
    """Records that were refused. The report says why."""
    without_password: int
    """Users who have no password since their hash is not known. The report names them."""
    weak_hashes: int
    """Users whose password hash is easy to guess at, such as bcrypt below cost 10 or PBKDF2 with few iterations."""
    created_at: datetime
    """When it was requested."""
    started_at: datetime | None
    """When it started. Null: it waits."""
    finished_at: datetime | None
    """When it ended. Null: it waits or runs."""
    absent: str
    """What happens to people who are absent from the file."""
    absent_group: str | None
    """ID of the group that the file has all of."""
    absent_metadata: str | None
    """Key and value in the metadata of everyone the file has."""
    absent_users: int | None
    """People who are absent. Null: not known, or not asked for."""
    absent_job_id: str | None
    """ID of the bulk job that suspends them. Null: none, or the import waits until someone approves."""
    report_url: str
    """Where the report is: the records that were refused, and the users who have no password."""
    encoding: str | None
    """The encoding as which the file is read. Only where `columns` are."""
    columns: list[ImportColumn] | None
    """What becomes of each column. Only when you get the import, with the key that it was requested with."""
    _kinds = {"created_at": time, "started_at": time, "finished_at": time, "columns": each(ImportColumn)}
    _optional = frozenset(["columns", "encoding"])
    _known = (
        "id",
        "user_id",
        "key_id",
        "status",
        "error",
        "error_code",
        "source",
        "format",
        "match",
        "on_conflict",
        "unknown_hashes",
        "dry_run",
        "events",
        "adopt",
        "mapping",
        "delimiter",
        "bytes",
        "bytes_read",
        "records",
        "records_expected",
        "added",
        "updated",
        "unchanged",
        "skipped",
        "refused",
        "without_password",
        "weak_hashes",
        "created_at",
        "started_at",
        "finished_at",
        "absent",
        "absent_group",
        "absent_metadata",
        "absent_users",
        "absent_job_id",
        "report_url",
        "encoding",
        "columns",
    )


class LoggedRequest(Model):
    """A call that was made with an API key. Credentials, bodies that were sent and values of queries are never
    stored.
    """

    __slots__ = ()
    id: str
    """ID of the request: the `X-Request-Id` of its response."""
    created_at: datetime
    """When it was answered, to the microsecond."""
    user_id: str
    """ID of the user whose API key was used."""
    key_id: str
    """ID of the API key."""
    method: str
    """The HTTP method."""
    path: str
    """The path, without the query, at most 200 characters before percent-encoding."""
    status: int
    """The HTTP status of the response."""
    duration_ms: float
    """Milliseconds from the last byte of the request to the response."""
    address: str
    """The client's IP address."""
    headers: dict[str, Any]
    """Request headers that help with debugging. Keys and cookies are never stored."""
    query: list[str]
    """The names of the query's parameters. `…` stands for an unusual one."""
    error: ErrorResponse | None
    """What the request was answered with, if it failed. Null: it succeeded, or there was no room to keep it."""
    limited_by: str | None
    """The rate limit window that refused it, such as `minute`. Null: none did."""
    more: int
    """How many more requests with this key and status came at the same moment and were only counted."""
    _kinds = {"created_at": time, "error": one(ErrorResponse)}
    _known = (
        "id",
        "created_at",
        "user_id",
        "key_id",
        "method",
        "path",
        "status",
        "duration_ms",
        "address",
        "headers",
        "query",
        "error",
        "limited_by",
        "more",
    )


class UsageCounts(Model):
    """Requests: all of them, and those that failed."""

    __slots__ = ()
    requests: int
    """All requests."""
    client_errors: int
    """Requests answered with a 4xx status other than 429, or 501."""
    rate_limited: int
    """Requests answered with 429."""
    server_errors: int
    """Requests answered with a 5xx status other than 501."""
    _known = ("requests", "client_errors", "rate_limited", "server_errors")


class UsageInterval(Model):
    """Requests in an hour or a day."""

    __slots__ = ()
    requests: int
    """All requests."""
    client_errors: int
    """Requests answered with a 4xx status other than 429, or 501."""
    rate_limited: int
    """Requests answered with 429."""
    server_errors: int
    """Requests answered with a 5xx status other than 501."""
    at: datetime
    """The beginning of the hour or day."""
    _kinds = {"at": time}
    _known = ("requests", "client_errors", "rate_limited", "server_errors", "at")


class UserUsage(Model):
    """Requests with the API keys of a user."""

    __slots__ = ()
    requests: int
    """All requests."""
    client_errors: int
    """Requests answered with a 4xx status other than 429, or 501."""
    rate_limited: int
    """Requests answered with 429."""
    server_errors: int
    """Requests answered with a 5xx status other than 501."""
    user_id: str
    """ID of the user, who may be deleted."""
    name: str | None
    """Name of the user. Null: you can't read it, or the user was erased."""
    _known = ("requests", "client_errors", "rate_limited", "server_errors", "user_id", "name")


class KeyUsage(Model):
    """Requests with an API key."""

    __slots__ = ()
    requests: int
    """All requests."""
    client_errors: int
    """Requests answered with a 4xx status other than 429, or 501."""
    rate_limited: int
    """Requests answered with 429."""
    server_errors: int
    """Requests answered with a 5xx status other than 501."""
    key_id: str
    """ID of the API key, which may be revoked."""
    name: str | None
    """Name of the key. Null: you can't read it, or the key was erased."""
    user_id: str
    """ID of the key's user."""
    _known = ("requests", "client_errors", "rate_limited", "server_errors", "key_id", "name", "user_id")


class RouteUsage(Model):
    """Requests to an endpoint."""

    __slots__ = ()
    requests: int
    """All requests."""
    client_errors: int
    """Requests answered with a 4xx status other than 429, or 501."""
    rate_limited: int
    """Requests answered with 429."""
    server_errors: int
    """Requests answered with a 5xx status other than 501."""
    route: str
    """Method and path of the endpoint."""
    p50_ms: float
    """Median duration in milliseconds, estimated from counts by duration. 1000 means a second or more."""
    p95_ms: float
    """95th percentile of the duration in milliseconds, estimated the same way."""
    _known = ("requests", "client_errors", "rate_limited", "server_errors", "route", "p50_ms", "p95_ms")


class WindowUsage(Model):
    """Requests that a window of a rate limit refused."""

    __slots__ = ()
    window: str
    """The window, such as `minute`; `key-minute` for an API key's own limit, `attempts` for wrong passwords."""
    refused: int
    """Requests that it refused."""
    _known = ("window", "refused")


class UsageReport(Model):
    """Requests made with API keys, by a user or by all."""

    __slots__ = ()
    user_id: str | None
    """ID of the user. Null: all users."""
    period: str
    """How far it looks back."""
    since: datetime
    """The beginning of the first interval."""
    until: datetime
    """The end of the last interval, which is still running."""
    interval: str
    """`hour` or `day`."""
    total: UsageCounts
    """Requests: all of them, and those that failed."""
    intervals: list[UsageInterval]
    """The hours or days with requests, oldest first."""
    users: list[UserUsage]
    """Usage by user, those with the most requests first. Empty, unless it is the whole server's."""
    keys: list[KeyUsage]
    """Usage by API key, those with the most requests first."""
    routes: list[RouteUsage]
    """Usage by endpoint, those with the most requests first."""
    rate_limits: list[WindowUsage]
    """The windows of rate limits that refused requests."""
    _kinds = {
        "since": time,
        "until": time,
        "total": one(UsageCounts),
        "intervals": each(UsageInterval),
        "users": each(UserUsage),
        "keys": each(KeyUsage),
        "routes": each(RouteUsage),
        "rate_limits": each(WindowUsage),
    }
    _known = (
        "user_id",
        "period",
        "since",
        "until",
        "interval",
        "total",
        "intervals",
        "users",
        "keys",
        "routes",
        "rate_limits",
    )


class Health(Model):
    """Health of the server: alive, or ready for requests."""

    __slots__ = ()
    status: str
    """Whether the server is healthy."""
    checks: dict[str, Any] | None
    """The result of each check."""
    _optional = frozenset(["checks"])
    _known = ("status", "checks")


class PublicKey(Model):
    """A key that verifies tokens, as a JSON Web Key (RFC 7517): of sign-in to applications an RSA key (RFC 7518),
    of sessions an Ed25519 key (RFC 8037).
    """

    __slots__ = ()
    kty: str
    """The type of key: `RSA` or `OKP`."""
    alg: str
    """The algorithm: `RS256` or `EdDSA`."""
    use: str
    """What it is for: `sig`, signatures."""
    kid: str
    """ID of the key, which the header of a token names."""
    crv: str | None
    """The curve: `Ed25519`."""
    x: str | None
    """An Ed25519 key, in base64url."""
    n: str | None
    """The modulus of an RSA key, in base64url."""
    e: str | None
    """The exponent of an RSA key, in base64url."""
    _optional = frozenset(["crv", "e", "n", "x"])
    _known = ("kty", "alg", "use", "kid", "crv", "x", "n", "e")


class PublicKeys(Model):
    """The keys that verify tokens (JWK Set, RFC 7517)."""

    __slots__ = ()
    keys: list[PublicKey]
    """The keys. Empty if the server has never issued signed tokens."""
    _kinds = {"keys": each(PublicKey)}
    _known = ("keys",)
