"""Operations on many users: reads the operations one by one, so that others don't wait for a large body, and shows the
results."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from rollbook import errors
from rollbook.actions import bulk
from rollbook.actions.arguments import ABOUT_STATUS, Body, MetadataPatch, NewPassword, PrivateMetadataPatch, RedirectUrl
from rollbook.actions.arguments.tokens import ABOUT_PURPOSES, TokenCreate, TokenData, TokenLanguage, TokenLifetime
from rollbook.actions.arguments.users import UserCreate, UserFields
from rollbook.actions.bulk import MAX_OPERATIONS, Count, Operation, OperationResult, Verb
from rollbook.actions.checking import check, fields_of, invalid, refuse
from rollbook.api import show, take
from rollbook.api.call import Call
from rollbook.api.parsing import READ_ONLY
from rollbook.api.route import Route, Special, post
from rollbook.api.tokens import Token, token_with_text
from rollbook.api.users import User, UserPatch, listed
from rollbook.errors import ContentTooLarge, Fault, InvalidJson, InvalidParameter, quoted, shortened
from rollbook.http.boundary import describe
from rollbook.http.request import Response
from rollbook.json_objects import BROKEN, check_kind, invalid_json, read_object
from rollbook.records.one_time_tokens import Purpose as TokenPurpose
from rollbook.roles import Status
from rollbook.schemas import array, number, says


class BulkOperation(UserFields, kw_only=True):
    """One operation. `create` takes the fields of a new user, `update` an `id` and the fields to change, `create_token`
    an `id` and the fields of a one-time token, the others only an `id`."""

    op: Verb
    id: (
        Annotated[str, Meta(min_length=1, max_length=40, description="ID of the user. Required, except with `create`.")]
        | UnsetType
    ) = UNSET
    password: NewPassword | UnsetType = UNSET
    status: Annotated[Status, says(ABOUT_STATUS)] | UnsetType = UNSET
    metadata: MetadataPatch | UnsetType = UNSET  # type: ignore[bad-override-mutable-attribute]  # frozen
    private_metadata: PrivateMetadataPatch | UnsetType = UNSET  # type: ignore[bad-override-mutable-attribute]
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
    purpose: Annotated[TokenPurpose, says("Required with `create_token`. " + ABOUT_PURPOSES)] | UnsetType = UNSET
    expires_in: TokenLifetime | UnsetType = UNSET
    redirect_url: RedirectUrl | UnsetType = UNSET
    data: TokenData | UnsetType = UNSET
    language: TokenLanguage | UnsetType = UNSET


class Bulk(Body):
    """Operations on users. They are done in this order."""

    operations: Annotated[
        tuple[BulkOperation, ...], Meta(min_length=1, max_length=MAX_OPERATIONS, description="Up to 1,000 operations.")
    ]
    atomic: Annotated[bool, Meta(description="Whether none is done if one fails.")] = False


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
    error: show.ErrorResponse | UnsetType = UNSET


class BulkResults(Struct, frozen=True):
    """A result for each operation, in their order."""

    results: Annotated[list[BulkResult], array("The results.", MAX_OPERATIONS)]


MAX_BODY = 33_554_432
AT_ONCE = 65_536
"""Bytes of operations that are read before others get their turn: milliseconds' worth."""
LEAST = 2_048
"""Least number of requests that an operation counts as."""
VERBS = get_args(Verb)


class _Body(Struct, forbid_unknown_fields=True):
    operations: msgspec.Raw = msgspec.Raw()
    atomic: msgspec.Raw = msgspec.Raw()


class _Target(Body, kw_only=True):
    id: str


class _Deletion(_Target, kw_only=True):
    purge: bool = False
    if_match: str | None = None


class _Update(UserPatch, kw_only=True):
    id: str
    if_match: str | None = None


class _TokenCreate(TokenCreate, kw_only=True):
    id: str


_KINDS: dict[str, type[Struct]] = {
    "create": UserCreate,
    "update": _Update,
    "delete": _Deletion,
    "create_token": _TokenCreate,
}
QUOTE, COMMA = b'",'
_decode = msgspec.json.Decoder(_Body).decode
_UNKNOWN = re.compile(r"unknown field `(.*)`", re.S).search
# What JSON's structure consists of, where a string counts as one. A quotation mark alone begins a string that ends
# beyond the part searched.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.S)


class BulkBody(NamedTuple):
    operations: list[Operation]
    atomic: bool


# ---- reading


async def read(call: Call) -> BulkBody:
    """The body. What is wrong with an operation is its result; what is wrong with the list is raised:
    UnsupportedMediaType, InvalidJson, InvalidParameter, ContentTooLarge for an operation larger than a request of its
    own can be."""
    request, settings = call.request, call.services.settings
    check_kind(request.body, request.headers.get(b"content-type"), request.headers.get(b"content-encoding"))
    body, atomic = _outermost(request.body)
    operations: list[Operation] = []
    at_once = 0
    for item in _items(body, settings.max_body):
        if len(operations) == MAX_OPERATIONS:
            refuse("operations", f"must have at most {MAX_OPERATIONS:,} items")
        operations.append(_operation(item, len(operations), settings.password_min_length))
        at_once += max(len(item), LEAST)
        if at_once >= AT_ONCE:
            at_once = 0
            await asyncio.sleep(0)
    if not operations:
        refuse("operations", "must have at least 1 item")
    return BulkBody(operations, atomic)


def _outermost(body: bytes) -> tuple[bytes, bool]:
    try:
        parts = _decode(body)
    except msgspec.ValidationError as problem:
        if (name := _UNKNOWN(str(problem))) is None:
            raise InvalidJson("The body must be a JSON object.") from None
        message = f"{quoted(name[1])} is not a field of this request. Fields: operations, atomic."
        raise invalid([Fault(shortened(name[1]), message)]) from None
    except BROKEN as problem:
        raise invalid_json(problem, body) from None
    operations, atomic = bytes(parts.operations), bytes(parts.atomic)
    if not operations:
        raise invalid([Fault("operations", "operations is required.")])
    if operations[:1] != b"[":
        refuse("operations", "must be a list")
    if atomic not in (b"", b"true", b"false"):
        refuse("atomic", "must be true or false")
    # Of two fields with the same name, the decoder keeps the last.
    if body.count(b":") - operations.count(b":") != 1 + bool(atomic):
        raise InvalidJson("The body contains a field more than once.")
    return operations, atomic == b"true"


def _items(array: bytes, max_size: int) -> Iterator[bytes]:
    """The items of a JSON array that is known to be well-formed. Raises ContentTooLarge for one of more bytes: to look
    for its end could take seconds."""
    start = 1
    for count in itertools.count(1):
        depth, is_whole = 0, False
        for token in _TOKEN.finditer(array, start, start + max_size + 1):
            at = token.start()
            mark = array[at]
            if mark in b"[{":
                depth += 1
            elif mark in b"]}":
                depth -= 1
            if (mark == COMMA and depth == 0) or depth < 0:
                is_whole = True
                break
            if mark == QUOTE and token.end() == at + 1:
                break
        if not is_whole:
            raise ContentTooLarge(f"Operation {count:,} is larger than {max_size:,} bytes. Nothing was changed.")
        if depth == 0 or array[start:at].strip():
            yield array[start:at]
        if depth < 0:
            return
        start = at + 1


def _operation(item: bytes, at: int, password_min_length: int) -> Operation:
    if not item.lstrip().startswith(b"{"):
        refuse("operations", f"must be a list of objects (item {at + 1})")
    fields = read_object(item, None, None)
    op = fields.pop("op", None)
    if op not in VERBS:
        wrong = "is required" if op is None else f"must be one of {', '.join(VERBS)}"
        return Operation("", refused=invalid([Fault("op", f"op {wrong}.")]))
    try:
        return _built(op, fields, password_min_length)
    except InvalidParameter as problem:
        return Operation(op, refused=problem)


def _built(op: Verb, values: dict[str, Any], password_min_length: int) -> Operation:
    """Raises InvalidParameter."""
    kind = _KINDS.get(op, _Target)
    if op in ("create", "update"):  # as in requests of their own
        ignored = READ_ONLY - fields_of(kind).keys()
        values = {name: value for name, value in values.items() if name not in ignored}
    fields: Any = check(kind, values, password_min_length)
    if op == "create":
        return Operation(op, fields=fields)
    tag = getattr(fields, "if_match", None)
    versions = None if tag is None else take.versions_in(tag, "if_match")
    changes = fields if op in ("update", "create_token") else None
    return Operation(op, fields.id, changes, versions, getattr(fields, "purge", False))


def taken(call: Call) -> tuple[Sequence[Operation], bool, Count | None]:
    """The arguments of the action."""
    body: BulkBody = call.body
    gate = call.gate
    if gate is None:
        return body.operations, body.atomic, None

    async def count(requests: int) -> None:
        """One of them is counted already. Raises InvalidParameter where there will never be room for so many,
        TooManyRequests."""
        caller = call.by.caller
        most = min((window.calls for window in (*caller.limit, *caller.key_limit)), default=requests)
        if requests > most:
            refuse(
                "operations",
                f"must have at most {most:,} items, as each counts as a request and your rate limit allows no more",
            )
        if requests > 1:
            await gate.count_further(call.request, caller, requests - 1)

    return body.operations, body.atomic, count


# ---- showing


def shown(call: Call, results: list[OperationResult]) -> Response:
    return show.answer(207, BulkResults([_result(call, at, result) for at, result in enumerate(results)]))


def _result(call: Call, at: int, result: OperationResult) -> BulkResult:
    if result.error is not None:
        error = describe(result.error, call.request.id, call.services.url)
        return BulkResult(at, result.error.status, error=show.ErrorResponse(**error))
    if result.token is not None:
        return BulkResult(at, 201, token=Token(**token_with_text(call, result.token)))
    user = result.user
    if user is None:
        return BulkResult(at, 204)
    shown = listed(user, is_new=result.op in ("create", "restore"))
    return BulkResult(at, 201 if result.op == "create" else 200, shown, f'"{user.version}"')


ROWS: dict[str, list[Route]] = {
    "/v1/users/bulk": [
        post(bulk.bulk_users, "users:write", Bulk, BulkResults, shown).but(
            success=207,
            errors=(errors.BulkRefused, errors.Overloaded),
            takes=taken,
            special=Special(reads=read, max_body=MAX_BODY),
        ),
    ],
}
