"""Every error a caller can see, as one tree. `http/boundary` turns each into `{"error": message, "code": code, ...}`.

ApiError 500
  x BadRequest 400                 the request is malformed, or a parameter is
    - InvalidJson                  the body is not the JSON we take
    - InvalidParameter             a query parameter or a field of the body is at fault (`param`, `errors`)
    - EmailTaken                   the address belongs to a user
    - ExternalIdTaken              the external id belongs to a user
    - BadMessage                   the HTTP message itself is broken
  x Unauthorized 401               no key that we know
    - MissingKey                   none was sent
    - MalformedKey                 what was sent is not a Bearer key of ours
    - InvalidKey                   a key that nobody has
    - ExpiredKey  - RevokedKey
    - WrongPassword                e-mail and password do not belong together
  x Forbidden 403                  a known key that may not do this
    - InsufficientScope            the key, or the role of its user, does not reach that far
    - UserSuspended  - AddressNotAllowed  - LastOwner  - NotYourself
  x NotFound 404
  x MethodNotAllowed 405           carries `Allow`
  x RequestTimeout 408
  x StillRunning 409               the first request with this Idempotency-Key has not ended
  x PreconditionFailed 412         If-Match names an older version
  x ContentTooLarge 413
  x UriTooLong 414
  x UnsupportedMediaType 415
  x KeyReused 422                  the Idempotency-Key came with another request before
  x TooManyRequests 429            carries `Retry-After`
    - TooManyAttempts              too many wrong passwords for this account or from this address
  x HeadersTooLarge 431
  x Unavailable 503                carries `Retry-After`
    - Overloaded                   a queue is full: of passwords to hash, of writes, of searches
    - StorageUnavailable           the database cannot take writes now (a full disk, a failing one)
    - LimitsUnavailable            requests cannot be counted, and uncounted ones are not let in
    - OutcomeUnknown               the connection to the database broke at the moment of saving
    - Stopping                     the server is going down

Each class has a docstring that says when it happens and how to mend it: `docs/errors.md` shows it, and the server under `/docs/errors/{code}`.
"""

from __future__ import annotations

import json
from typing import ClassVar, NamedTuple


class Fault(NamedTuple):
    """One thing that is wrong with a request: which parameter, and a sentence about it."""

    param: str
    message: str


class ApiError(Exception):
    """Something went wrong on our side; the request was not at fault. Quote the request id when you report it."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    message = "An unexpected error occurred on the server."

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        faults: list[Fault] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.message = message or self.message
        self.param = param
        self.faults = faults
        self.headers = headers or {}
        super().__init__(self.message)


class BadRequest(ApiError):
    """The request could not be understood. The sentence in `error` says what is wrong with it; mend that and send it again."""

    status = 400
    code = "bad_request"
    message = "The request was malformed or contained invalid parameters."


class InvalidJson(BadRequest):
    """The body is not JSON we take: one object in UTF-8, without duplicate keys, NaN or Infinity, NUL characters or lone surrogates (RFC 8259, I-JSON of RFC 7493)."""

    code = "invalid_json"
    message = "The body is not valid JSON."


class InvalidParameter(BadRequest):
    """A query parameter or a field of the body is unknown, repeated, missing or has a value we do not take. `param` names the first, `errors` lists them all, or the first 100."""

    code = "invalid_parameter"


class EmailTaken(BadRequest):
    """Another user has this e-mail address. Upper and lower case are the same address; plus-tags and dots make different ones. Look the user up with `GET /v1/users?email=`."""

    code = "email_taken"
    message = "Email address is already in use."

    def __init__(self) -> None:
        super().__init__(param="email")


class ExternalIdTaken(BadRequest):
    """Another user has this `external_id`. Look the user up with `GET /v1/users?external_id=`."""

    code = "external_id_taken"
    message = "External id is already in use."

    def __init__(self) -> None:
        super().__init__(param="external_id")


class BadMessage(BadRequest):
    """The HTTP message itself is broken (RFC 9112): its start line, a header field, its length or its chunks. An HTTP library does not send such a message; a proxy between may."""

    code = "bad_message"
    message = "The HTTP request is malformed."


class Unauthorized(ApiError):
    """The request carries no valid credentials. Send `Authorization: Bearer YOUR_API_KEY`."""

    status = 401
    code = "unauthorized"
    message = "Authentication credentials were missing or invalid."
    challenge: ClassVar[str] = 'Bearer realm="Rollbook"'

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, headers={"WWW-Authenticate": self.challenge})


class MissingKey(Unauthorized):
    """No API key was sent. Put it into the Authorization header: `Authorization: Bearer YOUR_API_KEY`. A key in the query string is never read."""

    code = "missing_key"
    message = "No API key provided."


class MalformedKey(Unauthorized):
    """The Authorization header holds no key of ours: the scheme is not Bearer, or the text is not a whole key. Keys are `rbk_` and 38 letters and digits; the last six are a checksum, so a mistyped key ends here too."""

    code = "malformed_key"
    message = "Invalid API key provided."
    challenge = 'Bearer realm="Rollbook", error="invalid_token"'


class InvalidKey(Unauthorized):
    """Nobody has this API key: it never existed, or its user was deleted. Make a new one with `rollbook keys create EMAIL` or `POST /v1/keys`."""

    code = "invalid_key"
    message = "Invalid API key provided."
    challenge = 'Bearer realm="Rollbook", error="invalid_token"'


class ExpiredKey(Unauthorized):
    """The API key was made with an expiry date (or was rotated), and that date has passed. Make a new one."""

    code = "expired_key"
    message = "The API key has expired."
    challenge = 'Bearer realm="Rollbook", error="invalid_token", error_description="The API key has expired"'


class RevokedKey(Unauthorized):
    """The API key was revoked. Make a new one."""

    code = "revoked_key"
    message = "The API key has been revoked."
    challenge = 'Bearer realm="Rollbook", error="invalid_token", error_description="The API key has been revoked"'


class WrongPassword(Unauthorized):
    """The e-mail address and the password do not belong together, or nobody has this address: the two are not told apart."""

    code = "wrong_password"
    message = "The email address or the password is wrong."


class Forbidden(ApiError):
    """The key is valid but may not do this."""

    status = 403
    code = "forbidden"
    message = "You do not have permission to perform this action."


class InsufficientScope(Forbidden):
    """The key lacks the scope of this call, or the role of its user does not reach that far: a member reads and changes only itself, a viewer reads, an admin does all but touch owners. Use a key of another user, or one with more scopes."""

    code = "insufficient_scope"
    message = "This API key does not have permission to perform this action."

    def __init__(self, message: str | None = None, *, scope: str | None = None) -> None:
        challenge = 'Bearer realm="Rollbook", error="insufficient_scope"' + (f', scope="{scope}"' if scope else "")
        super().__init__(message, headers={"WWW-Authenticate": challenge})


class UserSuspended(Forbidden):
    """The user is suspended: its keys and its password do nothing until an admin calls `POST /v1/users/{userId}/activate`."""

    code = "user_suspended"
    message = "This user is suspended."


class AddressNotAllowed(Forbidden):
    """The key has a list of addresses it may be used from, and the request came from another one. Behind a proxy, set `trusted_proxy` so that the caller's own address is seen."""

    code = "address_not_allowed"
    message = "This API key may not be used from this address."


class LastOwner(Forbidden):
    """The last active owner can be neither deleted, suspended nor given a lower role: nobody could undo it. Make another owner first."""

    code = "last_owner"
    message = "The last owner cannot be removed."


class NotYourself(Forbidden):
    """A user can neither delete nor suspend itself. Use the key of another admin or owner."""

    code = "not_yourself"
    message = "You cannot do this to yourself."


class NotFound(ApiError):
    """There is nothing under this address: the id is unknown, malformed or deleted, or the path does not exist."""

    status = 404
    code = "not_found"
    message = "The requested resource could not be found."


class MethodNotAllowed(ApiError):
    """The path exists but does not take this method. The `Allow` header lists those it takes."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, method: str, allow: str) -> None:
        super().__init__(f"{method} is not allowed here. Allowed: {allow}.", headers={"Allow": allow})


class RequestTimeout(ApiError):
    """The request did not arrive in time: 10 s for its header fields, 30 s for its body (settings `header_timeout`, `body_timeout`)."""

    status = 408
    code = "request_timeout"
    message = "The request took too long to arrive."


class StillRunning(ApiError):
    """The first request with this Idempotency-Key has not ended yet. Wait and send it again."""

    status = 409
    code = "idempotency_still_running"
    message = "A request with this Idempotency-Key is still running."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class PreconditionFailed(ApiError):
    """The user changed since you read it: `If-Match` names an older version. Read it again, apply your change to what you get, and send that."""

    status = 412
    code = "precondition_failed"
    message = "The user has changed since it was read: If-Match does not match its ETag."


class ContentTooLarge(ApiError):
    """The body is larger than 64 KiB (setting `max_body`)."""

    status = 413
    code = "content_too_large"
    message = "The request body is too large."


class UriTooLong(ApiError):
    """Path and query together are longer than 8 KiB (setting `max_target`)."""

    status = 414
    code = "uri_too_long"
    message = "The request target is too long."


class UnsupportedMediaType(ApiError):
    """The body is declared as something else than JSON in UTF-8, or is compressed. Send `Content-Type: application/json`, or leave the header out."""

    status = 415
    code = "unsupported_media_type"
    message = "The body must be JSON: send Content-Type: application/json."


class KeyReused(ApiError):
    """This Idempotency-Key came with another request before (another path, another body, or from a key that may do more or less). Make a new key for each new request; reuse it only to repeat the same one."""

    status = 422
    code = "idempotency_key_reused"
    message = "This Idempotency-Key was already used with a different request."


class TooManyRequests(ApiError):
    """The user (all its keys together), the key or, without a valid key, the client's address has used up a window of its rate limit. Wait for the seconds in `Retry-After`."""

    status = 429
    code = "rate_limit_exceeded"
    message = "Rate limit exceeded."

    def __init__(self, retry_after: int, message: str | None = None) -> None:
        super().__init__(message, headers={"Retry-After": str(max(1, retry_after))})


class TooManyAttempts(TooManyRequests):
    """Too many wrong passwords for this account or from this client. Wait for the seconds in `Retry-After`; they grow with each further failure."""

    code = "too_many_attempts"
    message = "Too many failed attempts."


class HeadersTooLarge(ApiError):
    """The header fields are too many (100) or too large (32 KiB together): settings `max_header_fields`, `max_header_bytes`."""

    status = 431
    code = "headers_too_large"
    message = "The request header fields are too large."


class Unavailable(ApiError):
    """The server cannot do this now. Send the request again after the seconds in `Retry-After`."""

    status = 503
    code = "unavailable"
    message = "The service is temporarily unavailable."

    def __init__(self, message: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)})


class Overloaded(Unavailable):
    """Too much waits already: passwords to be hashed (setting `password_queue`), writes or searches. Nothing was done. Send the request again after the seconds in `Retry-After`."""

    code = "overloaded"
    message = "The server is busy. Try again shortly."


class StorageUnavailable(Unavailable):
    """The database cannot take the write: the disk is full, read-only or failing. Nothing was changed. The server's log and `rollbook doctor` say more."""

    code = "storage_unavailable"
    message = "The database cannot take writes at the moment. Nothing was changed."


class LimitsUnavailable(Unavailable):
    """Requests are counted in Valkey, it cannot be reached, and the setting `limits_when_away` is `closed`: nobody is let in uncounted. Nothing was done. Send the request again after the seconds in `Retry-After`."""

    code = "limits_unavailable"
    message = "Requests cannot be counted at the moment. Nothing was done."


class OutcomeUnknown(Unavailable):
    """The connection to the database broke at the moment of saving: the change may have been made, or not. Look before you repeat it, or repeat it with the same `Idempotency-Key`."""

    code = "outcome_unknown"
    message = "The connection to the database broke while this was being saved: it may have been saved, or not. Look before you repeat it."


class Stopping(Unavailable):
    """The server is shutting down and takes no new requests. Another node, or the restarted server, will."""

    code = "stopping"
    message = "The server is shutting down."


def tree(root: type[ApiError] = ApiError) -> list[type[ApiError]]:
    """All errors, parents first."""
    return [root, *(error for child in root.__subclasses__() for error in tree(child))]


def quoted(text: str) -> str:
    """As much of a text that a caller made up as an error repeats, in quotation marks."""
    return json.dumps(shortened(text), ensure_ascii=False)


def shortened(text: str) -> str:
    """The same without. A NUL, which we accept from no one, is sent to no one."""
    return text[:64].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
