"""Types that several nouns have: cursors and errors."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import UNSET, Struct, UnsetType

from rollbook.records import examples
from rollbook.records.examples import REQUEST_ID
from rollbook.schemas import Schema, array, reference, says, uri


class Cursor(str):
    """The start of a page, taken from a `Link` header. Opaque."""

    schema: ClassVar[Schema] = {"type": "string", "minLength": 1, "maxLength": 2048, "pattern": "^[A-Za-z0-9_-]+$"}


LISTS = frozenset(("ids", "sort", "fields", "type", "metadata"))
"""Parameters that may be repeated, also as `ids[]` or `ids[0]`, instead of separating values by commas: some clients
can write lists in no other way."""


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
