"""Errors as SCIM tells them (RFC 7644 section 3.12)."""

from __future__ import annotations

from typing import Any

import msgspec

from rollbook.errors import (
    ApiError,
    EmailTaken,
    EmailUnproven,
    ExternalIdTaken,
    InvalidJson,
    InvalidParameter,
    UserNameTaken,
)
from rollbook.http.request import LOCKED, PRIVATE, Response, line

JSON = b"Content-Type: application/scim+json\r\n" + LOCKED + PRIVATE
TAKEN = (EmailTaken, EmailUnproven, ExternalIdTaken, UserNameTaken)


def refused(scim_type: str, message: str) -> InvalidParameter:
    """An error of one of the types of RFC 7644, table 9."""
    error = InvalidParameter(message)
    error.members["scimType"] = scim_type
    return error


def described(error: ApiError) -> dict[str, Any]:
    content: dict[str, Any] = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": str(status(error)),
        "detail": error.full_message,
    }
    if isinstance(error, TAKEN):
        content["scimType"] = "uniqueness"
    elif isinstance(error, InvalidJson):
        content["scimType"] = "invalidSyntax"
    elif isinstance(error, InvalidParameter):
        content["scimType"] = error.members.get("scimType", "invalidValue")
    return content


def status(error: ApiError) -> int:
    return 409 if isinstance(error, TAKEN) else error.status


def render(error: ApiError, head: bytes = b"") -> Response:
    """`head` holds header lines that every response to this request has."""
    own = b"".join([line(name, value) for name, value in error.headers.items()])
    return Response(status(error), JSON + own + head, msgspec.json.encode(described(error)))
