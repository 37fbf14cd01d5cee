"""Errors by status and by code. Generated from openapi.json by `make sdk`."""

from __future__ import annotations

from ._errors import APIError, ConnectionFailed, Fault, ImportFailed, RollbookError, TimedOut, UnexpectedResponse
from .webhooks import WebhookVerificationError

__all__ = [
    "BY_CODE",
    "BY_STATUS",
    "APIError",
    "AddressNotAllowed",
    "BadMessage",
    "BadRequest",
    "BulkJobLimitReached",
    "BulkRefused",
    "ChallengeInvalid",
    "Conflict",
    "ConnectionFailed",
    "ContentTooLarge",
    "DatabaseTimeout",
    "EmailTaken",
    "ExpiredKey",
    "ExportRunning",
    "ExternalIdTaken",
    "FactorLimitReached",
    "Fault",
    "Forbidden",
    "Gone",
    "GroupLimitReached",
    "HeadersTooLarge",
    "IdempotencyKeyReused",
    "IdempotencyStillRunning",
    "ImportFailed",
    "ImportLimitReached",
    "InsufficientScope",
    "InternalError",
    "InternalServerError",
    "InvalidJson",
    "InvalidKey",
    "InvalidParameter",
    "KeyKind",
    "KeyLimitReached",
    "KeySuspended",
    "LastFactor",
    "LastOwner",
    "LimitsUnavailable",
    "MalformedKey",
    "MissingKey",
    "NotFound",
    "NotInLog",
    "NotReversible",
    "NotYourself",
    "OutcomeUnknown",
    "Overloaded",
    "PositionExpired",
    "PreconditionFailed",
    "RateLimitExceeded",
    "ReplayLimitReached",
    "RequestHeaderFieldsTooLarge",
    "RequestTimeout",
    "RevokedKey",
    "RollbookError",
    "SecondFactorRequired",
    "ServerError",
    "SessionEnded",
    "Stopping",
    "StorageUnavailable",
    "TimedOut",
    "TokenInvalid",
    "TooManyAttempts",
    "TooManyRequests",
    "TooManyStreams",
    "Unauthorized",
    "Unavailable",
    "UnexpectedResponse",
    "UnprocessableContent",
    "UnsupportedMediaType",
    "UriTooLong",
    "UserSuspended",
    "WebhookLimitReached",
    "WebhookVerificationError",
    "WrongCode",
    "WrongPassword",
]


class ServerError(APIError):
    """500 and above: the server failed. Retries did not help."""


class BadRequest(APIError):
    """400."""


class InvalidParameter(BadRequest):
    """`invalid_parameter`: A query parameter or a field of the body is unknown, repeated, missing or has an
    invalid value. `param` names the first one; `errors` lists all of them, as far as they fit into 4 KiB.
    """


class BadMessage(BadRequest):
    """`bad_message`: The HTTP message itself is malformed (RFC 9112): its start line, a header, its length or its
    chunks. HTTP libraries don't send such messages, but a proxy in between may.
    """


class InvalidJson(BadRequest):
    """`invalid_json`: The body must be one JSON object in UTF-8, without duplicate keys, NaN, Infinity, NUL
    characters or lone surrogates (RFC 8259 and I-JSON, RFC 7493). Where it can, `error` names the line and
    column.
    """


class EmailTaken(BadRequest):
    """`email_taken`: Another user has this email. Emails ignore case, but plus tags and dots matter. To find the
    user, call `GET /v1/users?email=`.
    """


class ExternalIdTaken(BadRequest):
    """`external_id_taken`: Another user has this `external_id`, or another group. To find it, call `GET
    /v1/users?external_id=` or `GET /v1/groups?external_id=`.
    """


class ChallengeInvalid(BadRequest):
    """`challenge_invalid`: The `challenge` of a sign-in with a second factor is unknown, was used, or is older
    than five minutes; or the password or the factors were changed since. Verify the password again to get
    another one.
    """


class TokenInvalid(BadRequest):
    """`token_invalid`: The one-time token is unknown, was used, replaced or ended, or has expired. Which of these,
    no one is told. Ask for a new one.
    """


class Unauthorized(APIError):
    """401."""


class MissingKey(Unauthorized):
    """`missing_key`: The request has no API key. Send it in the Authorization header: `Authorization: Bearer
    YOUR_API_KEY`. Keys in the query string are ignored.
    """


class MalformedKey(Unauthorized):
    """`malformed_key`: The Authorization header doesn't contain a Rollbook API key: the scheme is not Bearer, or
    the key is incomplete or mistyped. Keys are `rbk_` followed by 38 letters and digits; the last six are a
    checksum.
    """


class InvalidKey(Unauthorized):
    """`invalid_key`: This API key doesn't exist, or its user was deleted. Create a new one with `rollbook keys
    create EMAIL` or `POST /v1/keys`.
    """


class ExpiredKey(Unauthorized):
    """`expired_key`: The API key has reached its expiry date, or was rotated and the overlap has ended. Create a
    new one.
    """


class RevokedKey(Unauthorized):
    """`revoked_key`: The API key was revoked. Create a new one."""


class WrongPassword(Unauthorized):
    """`wrong_password`: The email is unknown, or the password is wrong. For security reasons, the API doesn't tell
    the two apart.
    """


class SecondFactorRequired(Unauthorized):
    """`second_factor_required`: The password is right, but the user has a second factor, so they are not signed in
    yet. Ask them for a code of their authenticator app, or a recovery code, and send it with the `challenge` of
    this answer to `POST /v1/users/verify-challenge`, within five minutes.
    """


class WrongCode(Unauthorized):
    """`wrong_code`: The code of the second factor is wrong, or was used before: each works once. Codes of
    authenticator apps depend on the time, so the device's clock must be right. Wrong codes are counted as wrong
    passwords are.
    """


class SessionEnded(Unauthorized):
    """`session_ended`: The token is not that of a session for this `audience`: it has expired, was replaced by a
    refresh, or the session has ended, or goes back to a user who is suspended. If it was the `token`, refresh
    the session once. If it was the `refresh_token`, the user must sign in again. A refresh token works once:
    sent again, it ends its session, because someone may have stolen it.
    """


class Forbidden(APIError):
    """403."""


class InsufficientScope(Forbidden):
    """`insufficient_scope`: The API key lacks the scope of this endpoint, or the role of its user doesn't allow
    the action: members can only read and change themselves, viewers can read, and admins can do everything
    except change owners. Use a key with more scopes, or a key of another user. In the report of an import: a
    password hash needs `users:import`, a role above member `users:grant`.
    """


class UserSuspended(Forbidden):
    """`user_suspended`: The user is suspended. They can't sign in or use their API keys until an admin calls `POST
    /v1/users/{userId}/activate`.
    """


class KeySuspended(Forbidden):
    """`key_suspended`: A user whom this API key goes back to is suspended: who created it, gave it more, or
    created the key it was created with. It works again when they are activated. To keep it without them, create
    another key.
    """


class AddressNotAllowed(Forbidden):
    """`address_not_allowed`: The API key has a list of allowed IPs, and the request came from another one. If the
    server runs behind a proxy, set `trusted_proxy`, so that it sees the client's own IP address.
    """


class KeyKind(Forbidden):
    """`key_kind`: The key is a SCIM key, which only works under `/scim/v2`: it is for identity providers. Here,
    use an ordinary API key. Create one with `rollbook keys create EMAIL` or `POST /v1/keys`.
    """


class LastOwner(Forbidden):
    """`last_owner`: The last active owner can't be deleted, suspended or given a lower role, because no one could
    undo it. Create another owner first.
    """


class NotYourself(Forbidden):
    """`not_yourself`: You can't delete or suspend yourself, nor change your own email by SCIM. Use the API key of
    another admin or owner.
    """


class FactorLimitReached(Forbidden):
    """`factor_limit_reached`: The user has 20 second factors. Remove those that are no longer used."""


class LastFactor(Forbidden):
    """`last_factor`: Your role needs a second factor (setting `second_factor_roles`), so you can't remove your
    last one. Add another one first.
    """


class GroupLimitReached(Forbidden):
    """`group_limit_reached`: The user is in 1,000 groups, or the server has 100,000. Remove the user from others,
    or delete those that are no longer used.
    """


class KeyLimitReached(Forbidden):
    """`key_limit_reached`: The user has 1,000 active API keys. Revoke those that are no longer used."""


class WebhookLimitReached(Forbidden):
    """`webhook_limit_reached`: The user has 50 webhooks, or the server has 500. Delete those that are no longer
    used.
    """


class ReplayLimitReached(Forbidden):
    """`replay_limit_reached`: The webhook has 100 running replays, including resent deliveries. Wait until some
    are done, or cancel one.
    """


class BulkJobLimitReached(Forbidden):
    """`bulk_job_limit_reached`: You have 10 unfinished bulk jobs, or the server has 100. Wait until some are
    finished, or cancel one.
    """


class ImportLimitReached(Forbidden):
    """`import_limit_reached`: You have 10 unfinished imports, or the server has 100. Wait until some are finished,
    or cancel one.
    """


class NotFound(APIError):
    """404. Nothing was found: the ID is unknown or malformed, the object was deleted, or the path doesn't exist."""


class RequestTimeout(APIError):
    """408. The request didn't arrive in time: 10 s for its headers, 30 s for its body (settings `header_timeout`,
    `body_timeout`).
    """


class Conflict(APIError):
    """409."""


class IdempotencyStillRunning(Conflict):
    """`idempotency_still_running`: The first request with this Idempotency-Key is still running. Wait, then try
    again.
    """


class NotReversible(Conflict):
    """`not_reversible`: Nothing that this event changed can be put back: it is of a type that can't be undone, or
    all of it has changed since. The message says why.
    """


class Gone(APIError):
    """410."""


class NotInLog(Gone):
    """`not_in_log`: The event log doesn't tell how the user was at this time: the time is older than the setting
    `event_retention`, or an import with `events=summary` changed the user without an event.
    """


class PositionExpired(Gone):
    """`position_expired`: Events after this position were deleted because they are older than the setting
    `event_retention`, so you would miss some. Read the current state again, for example all users with `GET
    /v1/users`, and follow the log from the `Event-Position` of the first page.
    """


class PreconditionFailed(APIError):
    """412. The user or webhook has changed since you read it: `If-Match` names an outdated version. Read it again,
    apply your change, and send it with the new `ETag`.
    """


class ContentTooLarge(APIError):
    """413. The body is larger than 64 KiB (setting `max_body`), that of a bulk call larger than 32 MiB, or a file
    to import larger than 4 GiB (setting `import_max_size`).
    """


class UriTooLong(APIError):
    """414. Path and query together are longer than 8 KiB (setting `max_target`)."""


class UnsupportedMediaType(APIError):
    """415. The `Content-Type` is not JSON in UTF-8, or the body is compressed. Send `Content-Type:
    application/json`, or omit the header.
    """


class UnprocessableContent(APIError):
    """422."""


class IdempotencyKeyReused(UnprocessableContent):
    """`idempotency_key_reused`: This Idempotency-Key was used before with a different request: another path,
    another body, or another API key; or the key was rotated or changed since. Or the stored response can't be
    decrypted because the server's secret has changed: check whether the request was completed. Use a new
    Idempotency-Key for each new request, and reuse it only to retry the same one.
    """


class BulkRefused(UnprocessableContent):
    """`bulk_refused`: At least one operation of a bulk call with `atomic` failed, so nothing was changed. `errors`
    names the operations that failed, as far as they fit into 4 KiB: fix them, and send all operations again.
    """


class TooManyRequests(APIError):
    """429."""


class RateLimitExceeded(TooManyRequests):
    """`rate_limit_exceeded`: You have exceeded a rate limit: that of the user (all of their API keys together), of
    the API key or, without a valid key, of the client's IP address. Wait for the number of seconds in
    `Retry-After`.
    """


class TooManyAttempts(TooManyRequests):
    """`too_many_attempts`: Too many wrong passwords or codes for this account or from this client (settings
    `attempts_limit`, `account_attempts_limit` and `address_attempts_limit`). Wait for the number of seconds in
    `Retry-After`. A session, a browser that has signed in before and a password reset link are not affected by
    the attempts of others.
    """


class ExportRunning(TooManyRequests):
    """`export_running`: You already have an export running. Read it to its end, or close its connection, before
    you start another.
    """


class TooManyStreams(TooManyRequests):
    """`too_many_streams`: You already have 100 open requests that wait for events, with `GET /v1/events/stream` or
    `wait`, or 10 that wait for the request log. Close one before you start another.
    """


class RequestHeaderFieldsTooLarge(APIError):
    """431."""


class HeadersTooLarge(RequestHeaderFieldsTooLarge):
    """`headers_too_large`: The request has more than 100 headers, or more than 32 KiB of them."""


class InternalServerError(ServerError):
    """500."""


class InternalError(InternalServerError):
    """`internal_error`: Something went wrong on the server. Your request was not the cause. Include the request ID
    when you report it.
    """


class Unavailable(ServerError):
    """503. The server is temporarily unavailable. Try again after the number of seconds in `Retry-After`."""


class Overloaded(Unavailable):
    """`overloaded`: Too many requests are waiting: for a password to be hashed (setting `password_queue`), a
    write, a search, events or a token that was asked for. Or there was not enough memory to hash a password, or
    for the requests that have not arrived whole (setting `request_memory`). Nothing was done. Try again after
    the number of seconds in `Retry-After`.
    """


class StorageUnavailable(Unavailable):
    """`storage_unavailable`: The database can't accept writes: the disk is full, read-only or failing. Nothing was
    changed. For details, see the server's log or run `rollbook doctor`.
    """


class DatabaseTimeout(Unavailable):
    """`database_timeout`: PostgreSQL took longer than the setting `database_timeout`, 5 seconds by default, and
    was told to stop. Nothing was changed. It may have had to wait for other changes, or for its disk: try again
    after the number of seconds in `Retry-After`. If it happens again, ask for less: follow the `Link` header or
    `cursor` instead of using a large `offset` with `sort` or filters, add filters, or leave out `count=exact`.
    """


class LimitsUnavailable(Unavailable):
    """`limits_unavailable`: Rate limits are counted in Valkey, which is unavailable, and the setting
    `limits_when_away` is `closed`. Nothing was done. Try again after the number of seconds in `Retry-After`.
    """


class OutcomeUnknown(Unavailable):
    """`outcome_unknown`: The database didn't confirm that the change was saved: the connection broke, or its
    standby didn't answer in time. It may or may not have been saved. Check before you try again, or try again
    with the same `Idempotency-Key`.
    """


class Stopping(Unavailable):
    """`stopping`: The server is shutting down and accepts no new requests. Try again: another node or the
    restarted server will answer.
    """


BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    408: RequestTimeout,
    409: Conflict,
    410: Gone,
    412: PreconditionFailed,
    413: ContentTooLarge,
    414: UriTooLong,
    415: UnsupportedMediaType,
    422: UnprocessableContent,
    429: TooManyRequests,
    431: RequestHeaderFieldsTooLarge,
    500: InternalServerError,
    503: Unavailable,
}
BY_CODE: dict[str, type[APIError]] = {
    "invalid_parameter": InvalidParameter,
    "bad_message": BadMessage,
    "invalid_json": InvalidJson,
    "email_taken": EmailTaken,
    "external_id_taken": ExternalIdTaken,
    "challenge_invalid": ChallengeInvalid,
    "token_invalid": TokenInvalid,
    "missing_key": MissingKey,
    "malformed_key": MalformedKey,
    "invalid_key": InvalidKey,
    "expired_key": ExpiredKey,
    "revoked_key": RevokedKey,
    "wrong_password": WrongPassword,
    "second_factor_required": SecondFactorRequired,
    "wrong_code": WrongCode,
    "session_ended": SessionEnded,
    "insufficient_scope": InsufficientScope,
    "user_suspended": UserSuspended,
    "key_suspended": KeySuspended,
    "address_not_allowed": AddressNotAllowed,
    "key_kind": KeyKind,
    "last_owner": LastOwner,
    "not_yourself": NotYourself,
    "factor_limit_reached": FactorLimitReached,
    "last_factor": LastFactor,
    "group_limit_reached": GroupLimitReached,
    "key_limit_reached": KeyLimitReached,
    "webhook_limit_reached": WebhookLimitReached,
    "replay_limit_reached": ReplayLimitReached,
    "bulk_job_limit_reached": BulkJobLimitReached,
    "import_limit_reached": ImportLimitReached,
    "not_found": NotFound,
    "request_timeout": RequestTimeout,
    "idempotency_still_running": IdempotencyStillRunning,
    "not_reversible": NotReversible,
    "not_in_log": NotInLog,
    "position_expired": PositionExpired,
    "precondition_failed": PreconditionFailed,
    "content_too_large": ContentTooLarge,
    "uri_too_long": UriTooLong,
    "unsupported_media_type": UnsupportedMediaType,
    "idempotency_key_reused": IdempotencyKeyReused,
    "bulk_refused": BulkRefused,
    "rate_limit_exceeded": RateLimitExceeded,
    "too_many_attempts": TooManyAttempts,
    "export_running": ExportRunning,
    "too_many_streams": TooManyStreams,
    "headers_too_large": HeadersTooLarge,
    "internal_error": InternalError,
    "overloaded": Overloaded,
    "storage_unavailable": StorageUnavailable,
    "database_timeout": DatabaseTimeout,
    "limits_unavailable": LimitsUnavailable,
    "outcome_unknown": OutcomeUnknown,
    "stopping": Stopping,
    "unavailable": Unavailable,
}
