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
    "NewPasswordRequired",
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
    "RuleLimitReached",
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
    """`invalid_parameter`: A query parameter or a field of the body is unknown, repeated, missing or invalid.
    `param` names the first one; `errors` lists all, as far as they fit into 4 KiB.
    """


class BadMessage(BadRequest):
    """`bad_message`: Its start line, a header, the length or the chunks are wrong (RFC 9112). HTTP libraries don't
    send such requests, but a proxy in between may.
    """


class InvalidJson(BadRequest):
    """`invalid_json`: The body must be one JSON object in UTF-8, without duplicate keys, NaN, Infinity, NUL
    characters or lone surrogates (RFC 8259 and I-JSON, RFC 7493). Where it can, `error` names the line and
    column.
    """


class EmailTaken(BadRequest):
    """`email_taken`: Emails ignore case, but plus tags and dots matter. To find the user who has it, call `GET
    /v1/users?email=`.
    """


class ExternalIdTaken(BadRequest):
    """`external_id_taken`: To find who has it, call `GET /v1/users?external_id=` or `GET /v1/groups?external_id=`."""


class ChallengeInvalid(BadRequest):
    """`challenge_invalid`: The `challenge` is unknown, was used, or is older than five minutes, or the password or
    the factors were changed since. Verify the password again to get another one.
    """


class TokenInvalid(BadRequest):
    """`token_invalid`: The one-time token was used, replaced or ended, or has expired. The API doesn't tell which.
    Ask for a new one.
    """


class Unauthorized(APIError):
    """401."""


class MissingKey(Unauthorized):
    """`missing_key`: Keys in the query string are ignored."""


class MalformedKey(Unauthorized):
    """`malformed_key`: The scheme of the Authorization header is not Bearer, or the key is incomplete or mistyped.
    `errors` says which.
    """


class InvalidKey(Unauthorized):
    """`invalid_key`: This API key doesn't exist, or its user was deleted. Create a new one with `rollbook keys
    create EMAIL` or `POST /v1/keys`.
    """


class ExpiredKey(Unauthorized):
    """`expired_key`: The key has expired, or was rotated and the overlap has ended. Create a new one."""


class RevokedKey(Unauthorized):
    """`revoked_key`: Create a new one."""


class WrongPassword(Unauthorized):
    """`wrong_password`: The email or the password is wrong. The API doesn't tell which."""


class SecondFactorRequired(Unauthorized):
    """`second_factor_required`: The password is right, and a second factor is missing. Send a code with the
    `challenge` to `POST /v1/users/verify-challenge`.
    """


class WrongCode(Unauthorized):
    """`wrong_code`: Each code works once. Codes of authenticator apps depend on the time, so the device's clock
    must be right. Wrong codes count together with wrong passwords.
    """


class SessionEnded(Unauthorized):
    """`session_ended`: The token has expired or was replaced by a refresh, or the session has ended. If you sent
    the `token`, refresh the session once. If you sent the `refresh_token`, the user must sign in again.
    """


class Forbidden(APIError):
    """403."""


class InsufficientScope(Forbidden):
    """`insufficient_scope`: The API key lacks the scope of this endpoint, or its user's role doesn't allow the
    action. Use a key with more scopes, or of another user.
    """


class UserSuspended(Forbidden):
    """`user_suspended`: They can't sign in or use their API keys until an admin calls `POST
    /v1/users/{userId}/activate`.
    """


class KeySuspended(Forbidden):
    """`key_suspended`: The key goes back to that user, and works again once they are activated. To be independent
    of them, create another key.
    """


class AddressNotAllowed(Forbidden):
    """`address_not_allowed`: The key has a list of allowed IPs. Behind a proxy, set `trusted_proxy`, so that the
    server sees the client's own IP address.
    """


class KeyKind(Forbidden):
    """`key_kind`: A SCIM key is for identity providers. Create an ordinary API key with `rollbook keys create
    EMAIL` or `POST /v1/keys`.
    """


class LastOwner(Forbidden):
    """`last_owner`: The last active owner can't be deleted, suspended or given a lower role. Create another owner
    first.
    """


class NotYourself(Forbidden):
    """`not_yourself`: You can't delete or suspend yourself, nor change your own email by SCIM. Use the key of
    another admin or owner.
    """


class NewPasswordRequired(Forbidden):
    """`new_password_required`: The password is right, but a rule requires another one. Send the user a link to set
    it: `POST /v1/tokens/request` with the purpose `reset_password`.
    """


class FactorLimitReached(Forbidden):
    """`factor_limit_reached`: Remove second factors that are no longer used."""


class LastFactor(Forbidden):
    """`last_factor`: The setting `second_factor_roles` asks your role for a second factor."""


class GroupLimitReached(Forbidden):
    """`group_limit_reached`: The user is in 1,000 groups, or the server has 100,000. Leave or delete some first."""


class KeyLimitReached(Forbidden):
    """`key_limit_reached`: Revoke keys that are no longer used."""


class WebhookLimitReached(Forbidden):
    """`webhook_limit_reached`: Delete webhooks that are no longer used."""


class ReplayLimitReached(Forbidden):
    """`replay_limit_reached`: Resent deliveries count, too."""


class BulkJobLimitReached(Forbidden):
    """`bulk_job_limit_reached`: Jobs that wait for their turn count, too."""


class RuleLimitReached(Forbidden):
    """`rule_limit_reached`: Delete rules that are not needed any more."""


class ImportLimitReached(Forbidden):
    """`import_limit_reached`: Imports that wait for their turn count, too."""


class NotFound(APIError):
    """404. The ID is unknown or malformed, the object was deleted, or the path doesn't exist."""


class RequestTimeout(APIError):
    """408. A request has 10 s for its headers and 30 s for its body."""


class Conflict(APIError):
    """409."""


class IdempotencyStillRunning(Conflict):
    """`idempotency_still_running`: Wait until the first request is answered, then try again."""


class NotReversible(Conflict):
    """`not_reversible`: The event is of a type that can't be undone, or all of it has changed since. The message
    says why.
    """


class Gone(APIError):
    """410."""


class NotInLog(Gone):
    """`not_in_log`: The log doesn't go back that far."""


class PositionExpired(Gone):
    """`position_expired`: The events are older than the setting `event_retention`. Copy the current state again."""


class PreconditionFailed(APIError):
    """412. Read the object again, apply your change, and send it with the new `ETag`."""


class ContentTooLarge(APIError):
    """413. A body has a maximum size."""


class UriTooLong(APIError):
    """414. Path and query have a maximum size."""


class UnsupportedMediaType(APIError):
    """415. The `Content-Type` is not JSON in UTF-8, or the body is compressed. The header can be omitted."""


class UnprocessableContent(APIError):
    """422."""


class IdempotencyKeyReused(UnprocessableContent):
    """`idempotency_key_reused`: Use a new Idempotency-Key for each new request. See Safe retries."""


class BulkRefused(UnprocessableContent):
    """`bulk_refused`: `errors` names those that failed, as far as they fit into 4 KiB. Fix them, and send all
    operations again.
    """


class TooManyRequests(APIError):
    """429."""


class RateLimitExceeded(TooManyRequests):
    """`rate_limit_exceeded`: A limit of the user, the key or the IP address was reached. Wait for `Retry-After`
    seconds.
    """


class TooManyAttempts(TooManyRequests):
    """`too_many_attempts`: There were too many wrong passwords or codes for this account or from this client. Wait
    for `Retry-After` seconds.
    """


class ExportRunning(TooManyRequests):
    """`export_running`: Read the first one to its end, or close its connection."""


class TooManyStreams(TooManyRequests):
    """`too_many_streams`: At most 100 requests can follow the event log, and 10 the request log. Close one first."""


class RequestHeaderFieldsTooLarge(APIError):
    """431."""


class HeadersTooLarge(RequestHeaderFieldsTooLarge):
    """`headers_too_large`: Headers have a maximum size."""


class InternalServerError(ServerError):
    """500."""


class InternalError(InternalServerError):
    """`internal_error`: Your request was not the cause. Report it, with the request ID."""


class Unavailable(ServerError):
    """503. Try again after `Retry-After` seconds."""


class Overloaded(Unavailable):
    """`overloaded`: Too many requests wait for a password to be hashed, a write, a search, events or a token, or
    for memory. Nothing was done. Try again after `Retry-After` seconds.
    """


class StorageUnavailable(Unavailable):
    """`storage_unavailable`: The disk is full, read-only or failing. See the server's log, or run `rollbook
    doctor`.
    """


class DatabaseTimeout(Unavailable):
    """`database_timeout`: PostgreSQL took longer than the setting `database_timeout`, perhaps waiting for other
    changes or its disk. Try again after `Retry-After` seconds.
    """


class LimitsUnavailable(Unavailable):
    """`limits_unavailable`: Rate limits are counted in Valkey, which is unavailable, and the setting
    `limits_when_away` is `closed`. Try again after `Retry-After` seconds.
    """


class OutcomeUnknown(Unavailable):
    """`outcome_unknown`: The connection broke, or the standby didn't answer in time. With the same
    `Idempotency-Key`, you can try again.
    """


class Stopping(Unavailable):
    """`stopping`: Try again: another node or the restarted server will answer."""


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
    "new_password_required": NewPasswordRequired,
    "factor_limit_reached": FactorLimitReached,
    "last_factor": LastFactor,
    "group_limit_reached": GroupLimitReached,
    "key_limit_reached": KeyLimitReached,
    "webhook_limit_reached": WebhookLimitReached,
    "replay_limit_reached": ReplayLimitReached,
    "bulk_job_limit_reached": BulkJobLimitReached,
    "rule_limit_reached": RuleLimitReached,
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
