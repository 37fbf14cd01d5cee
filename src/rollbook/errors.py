"""All errors a client can get, as one tree. `http/boundary` turns each into `{"error": message, "code": code, ...}`.

The docstring of each class says when it happens and how to fix it. `docs/errors.md` shows it, and the server under
`/docs/errors/{code}`.
"""

from __future__ import annotations

import json
from typing import ClassVar, NamedTuple


class Fault(NamedTuple):
    """One problem with a request: the parameter and a message."""

    param: str
    message: str


class ApiError(Exception):
    """Something went wrong on the server. Your request was not the cause. Include the request ID when you report it."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    message = "An unexpected error occurred on the server."
    param: str | None = None

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        faults: list[Fault] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.message = _fitting(message or self.message)
        if param is not None:
            self.param = param
        self.faults = _first(faults) if faults else faults
        self.headers = headers or {}
        self.members: dict[str, str] = {}
        """Further members of the answer (RFC 9457 section 3.2). No log keeps them."""
        super().__init__(self.message)

    @property
    def full_message(self) -> str:
        """The messages of all faults, in one line."""
        return " ".join(fault.message for fault in self.faults) if self.faults else self.message


class BadRequest(ApiError):
    """The request could not be understood. The message in `error` says what is wrong. Fix it and try again."""

    status = 400
    code = "bad_request"
    message = "The request was malformed or contained invalid parameters."


class InvalidJson(BadRequest):
    """The body must be one JSON object in UTF-8, without duplicate keys, NaN, Infinity, NUL characters or lone
    surrogates (RFC 8259 and I-JSON, RFC 7493). Where it can, `error` names the line and column."""

    code = "invalid_json"
    message = "The body is not valid JSON."


class InvalidParameter(BadRequest):
    """A query parameter or a field of the body is unknown, repeated, missing or has an invalid value. `param` names the
    first one; `errors` lists all of them, as far as they fit into 4 KiB."""

    code = "invalid_parameter"


class EmailTaken(BadRequest):
    """Another user has this email. Emails ignore case, but plus tags and dots matter. To find the user, call `GET
    /v1/users?email=`."""

    code = "email_taken"
    message = "Email address is already in use."
    param = "email"


class ExternalIdTaken(BadRequest):
    """Another user has this `external_id`, or another group. To find it, call `GET /v1/users?external_id=` or `GET
    /v1/groups?external_id=`."""

    code = "external_id_taken"
    message = "External ID is already in use."
    param = "external_id"


class UserNameTaken(BadRequest):
    """In SCIM: another user has this `userName`, or has it as their email. Upper and lower case are the same."""

    code = "user_name_taken"
    message = "userName is already in use."
    param = "userName"


class EmailUnproven(BadRequest):
    """In SCIM and in the report of an import: the user with this email has not verified it, and has a password, a
    second factor or an API key of their own. They may have signed up with an email that isn't theirs. If they are who
    the email belongs to, they can verify it. Otherwise [adopt](users.md#adopt-a-user) them, or import with `adopt`,
    which ends their password, second factors, sessions, API keys and links."""

    code = "email_unproven"
    message = (
        "A user with this email has not verified it, and has a password, second factor or API key of their own. Have "
        "them verify it, or adopt them, which ends those."
    )
    param = "email"


class IdTaken(BadRequest):
    """In the report of an import: another user has this `id`, or had it until they were deleted. Users who exist are
    recognized by email or external ID, not by `id`."""

    code = "id_taken"
    message = "ID is already in use."
    param = "id"


class ChangedSince(BadRequest):
    """In the results of a bulk job that undoes another one: since that job, somebody has changed the user in the same
    way, so they were left as they are. Change them by hand if you want to."""

    code = "changed_since"
    message = "The user was changed in the same way since."


class TokenInvalid(BadRequest):
    """The one-time token is unknown, was used, replaced or ended, or has expired. Which of these, no one is told. Ask
    for a new one."""

    code = "token_invalid"
    message = "The token is unknown, was used already, or has expired."
    param = "token"


class InvalidChallenge(BadRequest):
    """The `challenge` of a sign-in with a second factor is unknown, was used, or is older than five minutes; or the
    password or the factors were changed since. Verify the password again to get another one."""

    code = "challenge_invalid"
    message = "This sign-in has expired or is complete. Start again with the email and password."
    param = "challenge"


class BadMessage(BadRequest):
    """The HTTP message itself is malformed (RFC 9112): its start line, a header, its length or its chunks. HTTP
    libraries don't send such messages, but a proxy in between may."""

    code = "bad_message"
    message = "The HTTP request is malformed."


class Unauthorized(ApiError):
    """The request has no valid credentials. Send `Authorization: Bearer YOUR_API_KEY`."""

    status = 401
    code = "unauthorized"
    message = "Authentication credentials were missing or invalid."
    challenge: ClassVar[str] = 'Bearer realm="Rollbook"'

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, headers={"WWW-Authenticate": self.challenge})


class MissingKey(Unauthorized):
    """The request has no API key. Send it in the Authorization header: `Authorization: Bearer YOUR_API_KEY`. Keys in
    the query string are ignored."""

    code = "missing_key"
    message = "No API key provided. Send it in the header `Authorization: Bearer YOUR_API_KEY`."


class MalformedKey(Unauthorized):
    """The Authorization header doesn't contain a Rollbook API key: the scheme is not Bearer, or the key is incomplete
    or mistyped. Keys are `rbk_` followed by 38 letters and digits; the last six are a checksum."""

    code = "malformed_key"
    message = "Invalid API key provided."
    challenge = 'Bearer realm="Rollbook", error="invalid_token"'


class InvalidKey(Unauthorized):
    """This API key doesn't exist, or its user was deleted. Create a new one with `rollbook keys create EMAIL` or `POST
    /v1/keys`."""

    code = "invalid_key"
    message = "Invalid API key provided."
    challenge = 'Bearer realm="Rollbook", error="invalid_token"'


class ExpiredKey(Unauthorized):
    """The API key has reached its expiry date, or was rotated and the overlap has ended. Create a new one."""

    code = "expired_key"
    message = "The API key has expired."
    challenge = 'Bearer realm="Rollbook", error="invalid_token", error_description="The API key has expired"'


class RevokedKey(Unauthorized):
    """The API key was revoked. Create a new one."""

    code = "revoked_key"
    message = "The API key has been revoked."
    challenge = 'Bearer realm="Rollbook", error="invalid_token", error_description="The API key has been revoked"'


class WrongPassword(Unauthorized):
    """The email is unknown, or the password is wrong. For security reasons, the API doesn't tell the two apart."""

    code = "wrong_password"
    message = "The email or password is incorrect."


class SessionEnded(Unauthorized):
    """The token is not that of a session for this `audience`: it has expired, was replaced by a refresh, or the session
    has ended, or goes back to a user who is suspended. If it was the `token`, refresh the session once. If it was the
    `refresh_token`, the user must sign in again. A refresh token works once: sent again, it ends its session, because
    someone may have stolen it."""

    code = "session_ended"
    message = "The session has ended, or the token is not valid for this audience."


class SecondFactorRequired(Unauthorized):
    """The password is right, but the user has a second factor, so they are not signed in yet. Ask them for a code of
    their authenticator app, or a recovery code, and send it with the `challenge` of this answer to `POST
    /v1/users/verify-challenge`, within five minutes."""

    code = "second_factor_required"
    message = "A code of the second factor is required."

    def __init__(self, token: str | None = None) -> None:
        """`token`: the challenge, where there is one."""
        super().__init__()
        if token is not None:
            self.members = {"challenge": token}


class WrongCode(Unauthorized):
    """The code of the second factor is wrong, or was used before: each works once. Codes of authenticator apps depend
    on the time, so the device's clock must be right. Wrong codes are counted as wrong passwords are."""

    code = "wrong_code"
    message = "The code is incorrect, or was used before."


class Forbidden(ApiError):
    """The API key is valid, but lacks permission for this action."""

    status = 403
    code = "forbidden"
    message = "You do not have permission to perform this action."


class InsufficientScope(Forbidden):
    """The API key lacks the scope of this endpoint, or the role of its user doesn't allow the action: members can only
    read and change themselves, viewers can read, and admins can do everything except change owners. Use a key with more
    scopes, or a key of another user. In the report of an import: a password hash needs `users:import`, a role above
    member `users:grant`."""

    code = "insufficient_scope"
    message = "This API key does not have permission to perform this action."

    def __init__(self, message: str | None = None, *, scope: str | None = None) -> None:
        challenge = 'Bearer realm="Rollbook", error="insufficient_scope"' + (f', scope="{scope}"' if scope else "")
        super().__init__(message, headers={"WWW-Authenticate": challenge})


class UserSuspended(Forbidden):
    """The user is suspended. They can't sign in or use their API keys until an admin calls `POST
    /v1/users/{userId}/activate`."""

    code = "user_suspended"
    message = "This user is suspended."


class KeySuspended(Forbidden):
    """A user whom this API key goes back to is suspended: who created it, gave it more, or created the key it was
    created with. It works again when they are activated. To keep it without them, create another key."""

    code = "key_suspended"
    message = "This API key is suspended, because a user who created it is suspended."


class ProofRequired(Forbidden):
    """The dashboard asks for your password before a change that would outlive your session or ends what others rely on,
    unless you gave it within the last ten minutes. Confirm it on the page and the change is made. API keys are never
    asked."""

    code = "proof_required"
    message = "Confirm your password first. Open /account/confirm, then try again."


class AddressNotAllowed(Forbidden):
    """The API key has a list of allowed IPs, and the request came from another one. If the server runs behind a proxy,
    set `trusted_proxy`, so that it sees the client's own IP address."""

    code = "address_not_allowed"
    message = "This API key cannot be used from this IP address."


class WrongKeyKind(Forbidden):
    """The key is a SCIM key, which only works under `/scim/v2`: it is for identity providers. Here, use an ordinary API
    key. Create one with `rollbook keys create EMAIL` or `POST /v1/keys`."""

    code = "key_kind"
    message = "This is a SCIM key, which only works under /scim/v2. Use an ordinary API key here."


class ForeignForm(Forbidden):
    """A form of the dashboard was sent from a page of another site, so it may not be what the person wanted. Open the
    page on this server and send the form again. If this happens on your own pages, set `public_url` to the URL that
    browsers use."""

    code = "foreign_form"
    message = "This form was sent from another site. Open the page on this server and send the form again."


class UnknownHost(Forbidden):
    """The dashboard was called by a public host name that is not the server's: another site may have pointed its name
    here. If the name is correct, set `public_url` to the URL that people use."""

    code = "unknown_host"
    message = "The dashboard only accepts requests for known host names."


class LastOwner(Forbidden):
    """The last active owner can't be deleted, suspended or given a lower role, because no one could undo it. Create
    another owner first."""

    code = "last_owner"
    message = "The last owner cannot be removed."


class KeyLimitReached(Forbidden):
    """The user has 1,000 active API keys. Revoke those that are no longer used."""

    code = "key_limit_reached"
    message = "This user has 1,000 active API keys. Revoke one first."


class GroupLimitReached(Forbidden):
    """The user is in 1,000 groups, or the server has 100,000. Remove the user from others, or delete those that are no
    longer used."""

    code = "group_limit_reached"
    message = "The server has 100,000 groups. Delete one first."


class FactorLimitReached(Forbidden):
    """The user has 20 second factors. Remove those that are no longer used."""

    code = "factor_limit_reached"
    message = "This user has 20 second factors. Remove one first."


class LastFactor(Forbidden):
    """Your role needs a second factor (setting `second_factor_roles`), so you can't remove your last one. Add another
    one first."""

    code = "last_factor"
    message = "Your role needs a second factor. Add another one before you remove this one."


class WebhookLimitReached(Forbidden):
    """The user has 50 webhooks, or the server has 500. Delete those that are no longer used."""

    code = "webhook_limit_reached"
    message = "This user has 50 webhooks, or the server has 500. Delete one first."


class ReplayLimitReached(Forbidden):
    """The webhook has 100 running replays, including resent deliveries. Wait until some are done, or cancel one."""

    code = "replay_limit_reached"
    message = "This webhook has 100 running replays. Wait, or cancel one."


class ImportLimitReached(Forbidden):
    """You have 10 unfinished imports, or the server has 100. Wait until some are finished, or cancel one."""

    code = "import_limit_reached"
    message = "You have 10 unfinished imports, or the server has 100. Wait, or cancel one."


class BulkJobLimitReached(Forbidden):
    """You have 10 unfinished bulk jobs, or the server has 100. Wait until some are finished, or cancel one."""

    code = "bulk_job_limit_reached"
    message = "You have 10 unfinished bulk jobs, or the server has 100. Wait, or cancel one."


class NotYourself(Forbidden):
    """You can't delete or suspend yourself, nor change your own email by SCIM. Use the API key of another admin or
    owner."""

    code = "not_yourself"
    message = "You cannot do this to yourself."


class NotFound(ApiError):
    """Nothing was found: the ID is unknown or malformed, the object was deleted, or the path doesn't exist."""

    status = 404
    code = "not_found"
    message = "The requested resource could not be found."


class MethodNotAllowed(ApiError):
    """The path exists, but doesn't support this method. The `Allow` header lists the methods it supports."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, method: str, allow: str) -> None:
        super().__init__(f"{method} is not allowed here. Allowed: {allow}.", headers={"Allow": allow})


class RequestTimeout(ApiError):
    """The request didn't arrive in time: 10 s for its headers, 30 s for its body (settings `header_timeout`,
    `body_timeout`)."""

    status = 408
    code = "request_timeout"
    message = "The request took too long to arrive."


class StillRunning(ApiError):
    """The first request with this Idempotency-Key is still running. Wait, then try again."""

    status = 409
    code = "idempotency_still_running"
    message = "A request with this Idempotency-Key is still running."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class NotReversible(ApiError):
    """Nothing that this event changed can be put back: it is of a type that can't be undone, or all of it has changed
    since. The message says why."""

    status = 409
    code = "not_reversible"
    message = "This event can't be undone."


class PositionExpired(ApiError):
    """Events after this position were deleted because they are older than the setting `event_retention`, so you would
    miss some. Read the current state again, for example all users with `GET /v1/users`, and follow the log from the
    `Event-Position` of the first page."""

    status = 410
    code = "position_expired"
    message = "The events after this position are no longer in the log."


class NotInLog(ApiError):
    """The event log doesn't tell how the user was at this time: the time is older than the setting `event_retention`,
    or an import with `events=summary` changed the user without an event."""

    status = 410
    code = "not_in_log"
    message = "The event log doesn't go back to this time."


class PreconditionFailed(ApiError):
    """The user or webhook has changed since you read it: `If-Match` names an outdated version. Read it again, apply
    your change, and send it with the new `ETag`."""

    status = 412
    code = "precondition_failed"
    message = "It has changed since you read it: If-Match does not match the current ETag."


class ContentTooLarge(ApiError):
    """The body is larger than 64 KiB (setting `max_body`), that of a bulk call larger than 32 MiB, or a file to import
    larger than 4 GiB (setting `import_max_size`)."""

    status = 413
    code = "content_too_large"
    message = "The request body is too large."


class UriTooLong(ApiError):
    """Path and query together are longer than 8 KiB (setting `max_target`)."""

    status = 414
    code = "uri_too_long"
    message = "The request target is too long."


class UnsupportedMediaType(ApiError):
    """The `Content-Type` is not JSON in UTF-8, or the body is compressed. Send `Content-Type: application/json`, or
    omit the header."""

    status = 415
    code = "unsupported_media_type"
    message = "The body must be JSON: send Content-Type: application/json."


class KeyReused(ApiError):
    """This Idempotency-Key was used before with a different request: another path, another body, or another API key; or
    the key was rotated or changed since. Or the stored response can't be decrypted because the server's secret has
    changed: check whether the request was completed. Use a new Idempotency-Key for each new request, and reuse it only
    to retry the same one."""

    status = 422
    code = "idempotency_key_reused"
    message = "This Idempotency-Key was already used with a different request."


class BulkRefused(ApiError):
    """At least one operation of a bulk call with `atomic` failed, so nothing was changed. `errors` names the operations
    that failed, as far as they fit into 4 KiB: fix them, and send all operations again."""

    status = 422
    code = "bulk_refused"
    message = "At least one operation failed. Nothing was changed."


class TooManyRequests(ApiError):
    """You have exceeded a rate limit: that of the user (all of their API keys together), of the API key or, without a
    valid key, of the client's IP address. Wait for the number of seconds in `Retry-After`."""

    status = 429
    code = "rate_limit_exceeded"
    message = "Rate limit exceeded."

    def __init__(self, retry_after: int, message: str | None = None) -> None:
        super().__init__(message, headers={"Retry-After": str(max(1, retry_after))})


class TooManyAttempts(TooManyRequests):
    """Too many wrong passwords or codes for this account or from this client (settings `attempts_limit`,
    `account_attempts_limit` and `address_attempts_limit`). Wait for the number of seconds in `Retry-After`. A session,
    a browser that has signed in before and a password reset link are not affected by the attempts of others."""

    code = "too_many_attempts"
    message = "Too many failed attempts."

    def __init__(self, retry_after: int, *, of_account: bool = True) -> None:
        """`of_account`: for this account, and not only from this network."""
        super().__init__(retry_after)
        self.of_account = of_account


class ExportRunning(TooManyRequests):
    """You already have an export running. Read it to its end, or close its connection, before you start another."""

    code = "export_running"
    message = "You already have an export running. Wait until it is complete."


class TooManyStreams(TooManyRequests):
    """You already have 100 open requests that wait for events, with `GET /v1/events/stream` or `wait`, or 10 that wait
    for the request log. Close one before you start another."""

    code = "too_many_streams"
    message = "You already have 100 open requests that follow the event log."


class HeadersTooLarge(ApiError):
    """The request has more than 100 headers, or more than 32 KiB of them."""

    status = 431
    code = "headers_too_large"
    message = "The request headers are too large."


class Unavailable(ApiError):
    """The server is temporarily unavailable. Try again after the number of seconds in `Retry-After`."""

    status = 503
    code = "unavailable"
    message = "The service is temporarily unavailable."

    def __init__(self, message: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)})


class Overloaded(Unavailable):
    """Too many requests are waiting: for a password to be hashed (setting `password_queue`), a write, a search, events
    or a token that was asked for. Or there was not enough memory to hash a password, or for the requests that have not
    arrived whole (setting `request_memory`). Nothing was done. Try again after the number of seconds
    in `Retry-After`."""

    code = "overloaded"
    message = "The server is busy. Try again shortly."


class StorageUnavailable(Unavailable):
    """The database can't accept writes: the disk is full, read-only or failing. Nothing was changed. For details, see
    the server's log or run `rollbook doctor`."""

    code = "storage_unavailable"
    message = "The database cannot accept writes at the moment. Nothing was changed."


class DatabaseTimeout(Unavailable):
    """PostgreSQL took longer than the setting `database_timeout`, 5 seconds by default, and was told to stop. Nothing
    was changed. It may have had to wait for other changes, or for its disk: try again after the number of seconds in
    `Retry-After`. If it happens again, ask for less: follow the `Link` header or `cursor` instead of using a large
    `offset` with `sort` or filters, add filters, or leave out `count=exact`."""

    code = "database_timeout"
    message = (
        "The database took too long, and nothing was changed. Try again, or ask for less: a cursor instead "
        "of a large offset, more filters, no exact count."
    )

    def __init__(self) -> None:
        super().__init__(retry_after=5)


class LimitsUnavailable(Unavailable):
    """Rate limits are counted in Valkey, which is unavailable, and the setting `limits_when_away` is `closed`. Nothing
    was done. Try again after the number of seconds in `Retry-After`."""

    code = "limits_unavailable"
    message = "Requests cannot be counted at the moment. Nothing was done."


class OutcomeUnknown(Unavailable):
    """The database didn't confirm that the change was saved: the connection broke, or its standby didn't answer in
    time. It may or may not have been saved. Check before you try again, or try again with the same
    `Idempotency-Key`."""

    code = "outcome_unknown"
    message = (
        "The database didn't confirm that the change was saved. It may or may not have been. Check before "
        "you try again."
    )


class Stopping(Unavailable):
    """The server is shutting down and accepts no new requests. Try again: another node or the restarted server will
    answer."""

    code = "stopping"
    message = "The server is shutting down."


def tree(root: type[ApiError] = ApiError) -> list[type[ApiError]]:
    """All errors, parents first."""
    return [root, *(error for child in root.__subclasses__() for error in tree(child))]


# No body of an error is larger than 4 KiB, whatever a client sent: its message once more as `detail` (RFC 9457), the
# faults, and the rest.
MESSAGE_BYTES = 512
FAULTS_BYTES = 2048


def _fitting(text: str) -> str:
    """Return as much of a message as fits."""
    while (size := len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace"))) > MESSAGE_BYTES:
        text = text[: len(text) * MESSAGE_BYTES // size - 4] + "..."
    return text


def _first(faults: list[Fault]) -> list[Fault]:
    """Return as many of them as fit, at least the first."""
    shown: list[Fault] = []
    left = FAULTS_BYTES
    for param, message in faults:
        fault = Fault(param, _fitting(message))
        left -= len(
            json.dumps({"param": param, "message": fault.message}, ensure_ascii=False).encode("utf-8", "replace")
        )
        if shown and left < 0:
            break
        shown.append(fault)
    return shown


def quoted(text: str) -> str:
    """Return as much of a text that a caller made up as an error repeats, in quotation marks."""
    return json.dumps(shortened(text), ensure_ascii=False)


def shortened(text: str) -> str:
    """As much of a text that a caller made up as an error repeats. A NUL, which we accept from no one, is sent to no
    one."""
    return text[:64].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
