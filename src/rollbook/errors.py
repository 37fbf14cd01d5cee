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
    """Your request was not the cause. Report it, with the request ID."""

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
    """`error` says what to fix."""

    status = 400
    code = "bad_request"
    message = "The request was malformed or contained invalid parameters."


class InvalidJson(BadRequest):
    """The body must be one JSON object in UTF-8, without duplicate keys, NaN, Infinity, NUL characters or lone
    surrogates (RFC 8259 and I-JSON, RFC 7493). Where it can, `error` names the line and column."""

    code = "invalid_json"
    message = "The body is not valid JSON."


class InvalidParameter(BadRequest):
    """A query parameter or a field of the body is unknown, repeated, missing or invalid. `param` names the first
    one; `errors` lists all, as far as they fit into 4 KiB."""

    code = "invalid_parameter"


class EmailTaken(BadRequest):
    """Emails ignore case, but plus tags and dots matter. To find the user who has it, call `GET /v1/users?email=`."""

    code = "email_taken"
    message = "Email address is already in use."
    param = "email"


class ExternalIdTaken(BadRequest):
    """To find who has it, call `GET /v1/users?external_id=` or `GET /v1/groups?external_id=`."""

    code = "external_id_taken"
    message = "External ID is already in use."
    param = "external_id"


class UserNameTaken(BadRequest):
    """In SCIM, another user has this `userName`, ignoring case, or has it as their email."""

    code = "user_name_taken"
    message = "userName is already in use."
    param = "userName"


class EmailUnproven(BadRequest):
    """SCIM and the report of an import have this code. If they are the same person, [adopt](users.md#adopt-a-user)
    the user."""

    code = "email_unproven"
    message = (
        "A user with this email has not verified it, and has a password, second factor or API key of their own. Have "
        "them verify it, or adopt them, which ends those."
    )
    param = "email"


class IdTaken(BadRequest):
    """The report of an import has this code, also if the user with this `id` was deleted. Imports recognize existing
    users by email or external ID."""

    code = "id_taken"
    message = "ID is already in use."
    param = "id"


class ChangedSince(BadRequest):
    """The results of a job that undoes another one have this code. It left the user unchanged."""

    code = "changed_since"
    message = "The user was changed in the same way since."


class LeftAlone(BadRequest):
    """The results of a rule's run have this code, also for a user who had come further already."""

    code = "left_alone"
    message = "The user no longer matches the rule."


class TokenInvalid(BadRequest):
    """The one-time token was used, replaced or ended, or has expired. The API doesn't tell which. Ask for a new one."""

    code = "token_invalid"
    message = "The token is unknown, was used already, or has expired."
    param = "token"


class InvalidChallenge(BadRequest):
    """The `challenge` is unknown, was used, or is older than five minutes, or the password or the factors were changed
    since. Verify the password again to get another one."""

    code = "challenge_invalid"
    message = "This sign-in has expired or is complete. Start again with the email and password."
    param = "challenge"


class BadMessage(BadRequest):
    """Its start line, a header, the length or the chunks are wrong (RFC 9112). HTTP libraries don't send such requests,
    but a proxy in between may."""

    code = "bad_message"
    message = "The HTTP request is malformed."


class OAuthRefused(BadRequest):
    """The answer of `/oauth2/token`, `/oauth2/userinfo` and `/oauth2/revoke`, in the form of OAuth 2.0:
    [`error`](connect.md#when-it-doesnt-work) is a name of RFC 6749, and `error_description` says more."""

    code = "oauth_refused"

    def __init__(self, error: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.error = error
        self.as_status = status


class Unauthorized(ApiError):
    """Send `Authorization: Bearer YOUR_API_KEY`."""

    status = 401
    code = "unauthorized"
    message = "Authentication credentials were missing or invalid."
    challenge: ClassVar[str] = 'Bearer realm="Rollbook"'

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, headers={"WWW-Authenticate": self.challenge})


class MissingKey(Unauthorized):
    """Keys in the query string are ignored."""

    code = "missing_key"
    message = "No API key provided. Send it in the header `Authorization: Bearer YOUR_API_KEY`."


class MalformedKey(Unauthorized):
    """The scheme of the Authorization header is not Bearer, or the key is incomplete or mistyped. `errors` says
    which."""

    code = "malformed_key"
    message = "Invalid API key provided."
    challenge = 'Bearer realm="Rollbook", error="invalid_token"'

    def __init__(self, message: str | None = None, reason: str = "") -> None:
        super().__init__(message)
        if reason:
            self.faults = [Fault("Authorization", reason)]


class InvalidKey(Unauthorized):
    """This API key doesn't exist, or its user was deleted. Create a new one with `rollbook keys create EMAIL` or `POST
    /v1/keys`."""

    code = "invalid_key"
    message = "Invalid API key provided."
    challenge = 'Bearer realm="Rollbook", error="invalid_token"'


class ExpiredKey(Unauthorized):
    """The key has expired, or was rotated and the overlap has ended. Create a new one."""

    code = "expired_key"
    message = "The API key has expired."
    challenge = 'Bearer realm="Rollbook", error="invalid_token", error_description="The API key has expired"'


class RevokedKey(Unauthorized):
    """Create a new one."""

    code = "revoked_key"
    message = "The API key has been revoked."
    challenge = 'Bearer realm="Rollbook", error="invalid_token", error_description="The API key has been revoked"'


class WrongPassword(Unauthorized):
    """The email or the password is wrong. The API doesn't tell which."""

    code = "wrong_password"
    message = "The email or password is incorrect."


class SessionEnded(Unauthorized):
    """The token has expired or was replaced by a refresh, or the [session has
    ended](sessions.md#when-sessions-end). If you sent the `token`, refresh the session once. If you sent the
    `refresh_token`, the user must sign in again."""

    code = "session_ended"
    message = "The session has ended, or the token is not valid for this audience."


class SecondFactorRequired(Unauthorized):
    """The password is right, and a [second factor](second-factor.md#sign-in-with-a-second-factor) is missing. Send
    a code with the `challenge` to `POST /v1/users/verify-challenge`."""

    code = "second_factor_required"
    message = "A code of the second factor is required."

    def __init__(self, token: str | None = None) -> None:
        """`token`: the challenge, where there is one."""
        super().__init__()
        if token is not None:
            self.members = {"challenge": token}


class WrongCode(Unauthorized):
    """Each code works once. Codes of authenticator apps depend on the time, so the device's clock must be right. Wrong
    codes count together with wrong passwords."""

    code = "wrong_code"
    message = "The code is incorrect, or was used before."


class Forbidden(ApiError):
    """The API key is valid, but lacks permission."""

    status = 403
    code = "forbidden"
    message = "You do not have permission to perform this action."


class InsufficientScope(Forbidden):
    """The API key lacks the [scope](authentication.md#roles-and-scopes) of this endpoint, or its user's role doesn't
    allow the action. Use a key with more scopes, or of another user."""

    code = "insufficient_scope"
    message = "This API key does not have permission to perform this action."

    def __init__(self, message: str | None = None, *, scope: str | None = None) -> None:
        challenge = 'Bearer realm="Rollbook", error="insufficient_scope"' + (f', scope="{scope}"' if scope else "")
        super().__init__(message, headers={"WWW-Authenticate": challenge})


class UserSuspended(Forbidden):
    """They can't sign in or use their API keys until an admin calls `POST /v1/users/{userId}/activate`."""

    code = "user_suspended"
    message = "This user is suspended."


class NewPasswordRequired(Forbidden):
    """The password is right, but a rule requires another one. Send the user a link to set it: `POST
    /v1/tokens/request` with the purpose `reset_password`."""

    code = "new_password_required"
    message = "You need to set a new password. Request a link for it by email."


class KeySuspended(Forbidden):
    """The key [goes back to](authentication.md#suspensions-and-deletions) that user, and works again once they are
    activated. To be independent of them, create another key."""

    code = "key_suspended"
    message = "This API key is suspended, because a user who created it is suspended."


class ProofRequired(Forbidden):
    """The dashboard asks for your [password](authentication.md#confirm-your-password) again before some actions.
    Requests with an API key don't need it."""

    code = "proof_required"
    message = "Confirm your password first. Open /account/confirm, then try again."


class AddressNotAllowed(Forbidden):
    """The key has a list of allowed IPs. Behind a proxy, set `trusted_proxy`, so that the server sees the client's
    own IP address."""

    code = "address_not_allowed"
    message = "This API key cannot be used from this IP address."


class WrongKeyKind(Forbidden):
    """A SCIM key is for identity providers. Create an ordinary API key with `rollbook keys create EMAIL` or `POST
    /v1/keys`."""

    code = "key_kind"
    message = "This is a SCIM key, which only works under /scim/v2. Use an ordinary API key here."


class ForeignForm(Forbidden):
    """If this happens on your own pages, set `public_url` to the URL that browsers use."""

    code = "foreign_form"
    message = "This form was sent from another site. Open the page on this server and send the form again."


class UnknownHost(Forbidden):
    """Another site may have pointed its name here. If the name is correct, set `public_url` to the URL that people
    use."""

    code = "unknown_host"
    message = "The dashboard only accepts requests for known host names."


class LastOwner(Forbidden):
    """The last active owner can't be deleted, suspended or given a lower role. Create another owner first."""

    code = "last_owner"
    message = "The last owner cannot be removed."


class KeyLimitReached(Forbidden):
    """Revoke keys that are no longer used."""

    code = "key_limit_reached"
    message = "This user has 1,000 active API keys. Revoke one first."


class GroupLimitReached(Forbidden):
    """The user is in 1,000 groups, or the server has 100,000. Leave or delete some first."""

    code = "group_limit_reached"
    message = "The server has 100,000 groups. Delete one first."


class FactorLimitReached(Forbidden):
    """Remove second factors that are no longer used."""

    code = "factor_limit_reached"
    message = "This user has 20 second factors. Remove one first."


class LastFactor(Forbidden):
    """The setting `second_factor_roles` asks your role for a second factor."""

    code = "last_factor"
    message = "Your role needs a second factor. Add another one before you remove this one."


class WebhookLimitReached(Forbidden):
    """Delete webhooks that are no longer used."""

    code = "webhook_limit_reached"
    message = "This user has 50 webhooks, or the server has 500. Delete one first."


class ReplayLimitReached(Forbidden):
    """Resent deliveries count, too."""

    code = "replay_limit_reached"
    message = "This webhook has 100 running replays. Wait, or cancel one."


class ImportLimitReached(Forbidden):
    """Imports that wait for their turn count, too."""

    code = "import_limit_reached"
    message = "You have 10 unfinished imports, or the server has 100. Wait, or cancel one."


class BulkJobLimitReached(Forbidden):
    """Jobs that wait for their turn count, too."""

    code = "bulk_job_limit_reached"
    message = "You have 10 unfinished bulk jobs, or the server has 100. Wait, or cancel one."


class RuleLimitReached(Forbidden):
    """Delete rules that are not needed any more."""

    code = "rule_limit_reached"
    message = "The server has 100 rules. Delete some."


class NotYourself(Forbidden):
    """You can't delete or suspend yourself, nor change your own email by SCIM. Use the key of another admin or
    owner."""

    code = "not_yourself"
    message = "You cannot do this to yourself."


EMAIL_FOR_ID = "This is an email. Send the user's ID, which GET /v1/users?email=… returns."


class NotFound(ApiError):
    """The ID is unknown or malformed, the object was deleted, or the path doesn't exist."""

    status = 404
    code = "not_found"
    message = "The requested resource could not be found."


class MethodNotAllowed(ApiError):
    """The `Allow` header lists the methods that this path supports."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, method: str, allow: str) -> None:
        super().__init__(f"{method} is not allowed here. Allowed: {allow}.", headers={"Allow": allow})


class RequestTimeout(ApiError):
    """A request has 10 s for its headers and 30 s for its body."""

    status = 408
    code = "request_timeout"
    message = "The request took too long to arrive."


class StillRunning(ApiError):
    """Wait until the first request is answered, then try again."""

    status = 409
    code = "idempotency_still_running"
    message = "A request with this Idempotency-Key is still running."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class NotReversible(ApiError):
    """The event is of a type that can't be undone, or all of it has changed since. The message says why."""

    status = 409
    code = "not_reversible"
    message = "This event can't be undone."


class PositionExpired(ApiError):
    """The events are older than the setting `event_retention`. [Copy](follow.md#copy-the-directory) the current state
    again."""

    status = 410
    code = "position_expired"
    message = "The events after this position are no longer in the log."


class NotInLog(ApiError):
    """The log [doesn't go back](users.md#as-of-a-time) that far."""

    status = 410
    code = "not_in_log"
    message = "The event log doesn't go back to this time."


class PreconditionFailed(ApiError):
    """Read the object again, apply your change, and send it with the new `ETag`."""

    status = 412
    code = "precondition_failed"
    message = "It has changed since you read it: If-Match does not match the current ETag."


class ContentTooLarge(ApiError):
    """A body has a [maximum size](conventions.md#maximum-sizes)."""

    status = 413
    code = "content_too_large"
    message = "The request body is too large."


class UriTooLong(ApiError):
    """Path and query have a [maximum size](conventions.md#maximum-sizes)."""

    status = 414
    code = "uri_too_long"
    message = "The request target is too long."


class UnsupportedMediaType(ApiError):
    """The `Content-Type` is not JSON in UTF-8, or the body is compressed. The header can be omitted."""

    status = 415
    code = "unsupported_media_type"
    message = "The body must be JSON: send Content-Type: application/json."


class KeyReused(ApiError):
    """Use a new Idempotency-Key for each new request. See [Safe retries](conventions.md#safe-retries)."""

    status = 422
    code = "idempotency_key_reused"
    message = "This Idempotency-Key was already used with a different request."


class BulkRefused(ApiError):
    """`errors` names those that failed, as far as they fit into 4 KiB. Fix them, and send all operations again."""

    status = 422
    code = "bulk_refused"
    message = "At least one operation failed. Nothing was changed."


class TooManyRequests(ApiError):
    """A [limit](limits.md#which-limit-applies) of the user, the key or the IP address was reached. Wait for
    `Retry-After` seconds."""

    status = 429
    code = "rate_limit_exceeded"
    message = "Rate limit exceeded."

    def __init__(self, retry_after: int, message: str | None = None) -> None:
        super().__init__(message, headers={"Retry-After": str(max(1, retry_after))})


class TooManyAttempts(TooManyRequests):
    """There were too many [wrong passwords](authentication.md#wrong-passwords) or codes for this account or from this
    client. Wait for `Retry-After` seconds."""

    code = "too_many_attempts"
    message = "Too many failed attempts."

    def __init__(self, retry_after: int, *, of_account: bool = True) -> None:
        """`of_account`: for this account, and not only from this network."""
        super().__init__(retry_after)
        self.of_account = of_account


class ExportRunning(TooManyRequests):
    """Read the first one to its end, or close its connection."""

    code = "export_running"
    message = "You already have an export running. Wait until it is complete."


class TooManyStreams(TooManyRequests):
    """At most 100 requests can follow the event log, and 10 the request log. Close one first."""

    code = "too_many_streams"
    message = "You already have 100 open requests that follow the event log."


class HeadersTooLarge(ApiError):
    """Headers have a [maximum size](conventions.md#maximum-sizes)."""

    status = 431
    code = "headers_too_large"
    message = "The request headers are too large."


class Unavailable(ApiError):
    """Try again after `Retry-After` seconds."""

    status = 503
    code = "unavailable"
    message = "The service is temporarily unavailable."

    def __init__(self, message: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)})


class Overloaded(Unavailable):
    """Too many requests wait for a password to be hashed, a write, a search, events or a token, or for memory. Nothing
    was done. Try again after `Retry-After` seconds."""

    code = "overloaded"
    message = "The server is busy. Try again shortly."


class StorageUnavailable(Unavailable):
    """The disk is full, read-only or failing. See the server's log, or run `rollbook doctor`."""

    code = "storage_unavailable"
    message = "The database cannot accept writes at the moment. Nothing was changed."


class DatabaseTimeout(Unavailable):
    """PostgreSQL took longer than the setting `database_timeout`, perhaps waiting for other changes or its disk. Try
    again after `Retry-After` seconds."""

    code = "database_timeout"
    message = (
        "The database took too long, and nothing was changed. Try again, or ask for less: a cursor instead "
        "of a large offset, more filters, no exact count."
    )

    def __init__(self) -> None:
        super().__init__(retry_after=5)


class LimitsUnavailable(Unavailable):
    """Rate limits are counted in Valkey, which is unavailable, and the setting `limits_when_away` is `closed`. Try
    again after `Retry-After` seconds."""

    code = "limits_unavailable"
    message = "Requests cannot be counted at the moment. Nothing was done."


class OutcomeUnknown(Unavailable):
    """The connection broke, or the standby didn't answer in time. With the same `Idempotency-Key`, you can try
    again."""

    code = "outcome_unknown"
    message = (
        "The database didn't confirm that the change was saved. It may or may not have been. Check before "
        "you try again."
    )


class Stopping(Unavailable):
    """Try again: another node or the restarted server will answer."""

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
