"""All data about a user, and users as files: NDJSON with a user on each line, CSV (RFC 4180) for spreadsheets. An
import reads both as they were."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Annotated, Any

from msgspec import Struct

from rollbook import clock, errors
from rollbook.actions import exports, users
from rollbook.actions.arguments.users import ExportFormat, ExportUsers
from rollbook.actions.exporting import Form
from rollbook.actions.exports import ExportedUser, UserListExport
from rollbook.actions.users import PersonalExport
from rollbook.api import files, show
from rollbook.api.call import Call
from rollbook.api.factors import SecondFactor
from rollbook.api.files import File
from rollbook.api.groups import GroupMembership
from rollbook.api.keys import Key
from rollbook.api.route import Route, get
from rollbook.api.sessions import Session
from rollbook.api.tokens import Token
from rollbook.api.users import User
from rollbook.http.request import Response, Stream
from rollbook.records import events, groups, keys, one_time_tokens, second_factors, sessions
from rollbook.records import users as user_records
from rollbook.records.event_parts import Event
from rollbook.schemas import array, says


class ScimRecord(Struct, frozen=True):
    """Data that identity providers keep about a user by SCIM, beside the fields of the user."""

    user_name: Annotated[str, says("The `userName`, if a provider has set it.", examples=["ada"])] | None
    attributes: Annotated[
        dict[str, Any],
        says(
            "Attributes by their names in SCIM.", additionalProperties=True, examples=[{"name": {"givenName": "Ada"}}]
        ),
    ]
    external_ids: Annotated[
        dict[str, Annotated[str, says("The `externalId`.")]],
        says("The `externalId` of each provider, by the ID of its first key.", maxProperties=1_000),
    ]


class Export(Struct, frozen=True):
    """All data about a user."""

    user: User
    language: (
        Annotated[str, says("The language in which they last used Rollbook's pages, and get mails.", examples=["de"])]
        | None
    )
    keys: Annotated[list[Key], array("The user's API keys, without the secrets.", 1_000_000)]
    tokens: Annotated[list[Token], array("The user's open one-time tokens, without the tokens themselves.", 16)]
    sessions: Annotated[list[Session], array("The browsers the user is signed in with.", 1_000_000)]
    second_factors: Annotated[list[SecondFactor], array("The user's second factors, without the secrets.", 20)]
    groups: Annotated[list[GroupMembership], array("The groups that the user is in.", 1_000)]
    scim: Annotated[list[ScimRecord], array("What identity providers keep about the user; empty if nothing.", 1)]
    events: Annotated[list[Event], array("The events about the user and their API keys.", 2_147_483_647)]


GROUPS = "groups"
COLUMNS = (*user_records.complete(user_records.User(0, "", "", "")), GROUPS)
HASH = "password_hash"
TIMES = ("ends_at", "last_active_at", "created_at", "updated_at", "last_sign_in_at")
_time = clock.format_time_exactly


def taken(call: Call) -> tuple[ExportUsers, Form]:
    query: ExportUsers = call.query
    return query, form_of(query.format)


def shown(call: Call, export: UserListExport) -> Response:
    return show.file(File(call.query.format, export.parts), show.event_position(export.position))


def form_of(format: ExportFormat, with_hashes: bool = False) -> Form:
    return files.table(format, (*COLUMNS, HASH) if with_hashes else COLUMNS, _fields, _cells)


def _fields(exported: ExportedUser) -> dict[str, Any]:
    """Times with microseconds, as they are kept."""
    user = exported.user
    fields = user_records.complete(user)
    fields |= {name: _time(at) for name in TIMES if (at := getattr(user, name)) is not None}
    if exported.groups:
        fields[GROUPS] = exported.groups
    if exported.hash is not None:
        fields[HASH] = exported.hash
    return fields


def _cells(exported: ExportedUser) -> dict[str, Any]:
    metadata = {name: getattr(exported.user, name) for name in user_records.METADATA}
    return _fields(exported) | metadata | {"email_verified": "true" if exported.user.email_verified else "false"}


def show_export(call: Call, export: PersonalExport) -> Response:
    return Response(200, show.JSON_HEAD + show.event_position(export.position), stream=Stream(export_document(export)))


async def export_document(export: PersonalExport, indented: bool = False) -> AsyncGenerator[bytes, None]:
    """An `Export` in JSON, piece by piece; `indented` for people."""
    write, colon, comma, close = (_indent, b": ", b",\n  ", b"\n  ]") if indented else (show.encode, b":", b",", b"]")
    lists: tuple[tuple[bytes, AsyncGenerator[list[Any], None], Callable[[Any], Any]], ...] = (
        (b'"keys"', export.keys, keys.public),
        (b'"tokens"', export.tokens, one_time_tokens.public),
        (b'"sessions"', export.sessions, sessions.public),
        (b'"second_factors"', export.second_factors, second_factors.public),
        (b'"groups"', export.groups, groups.public_membership),
        (b'"scim"', export.scim, lambda identity: identity._asdict()),
        (b'"events"', export.events, events.public),
    )
    try:
        yield (b"{\n  " if indented else b"{") + b'"user"' + colon + write(User(**export.user))
        yield comma + b'"language"' + colon + write(export.language)
        for name, parts, public in lists:
            start = comma + name + colon + b"["
            is_empty = True
            async with aclosing(parts):
                async for part in parts:
                    yield start + write([public(record) for record in part])[1:-1].rstrip()
                    start, is_empty = b",", False
            yield start + b"]" if is_empty else close
        yield b"\n}" if indented else b"}"
    finally:
        export.turn.end()


def _indent(content: Any) -> bytes:
    """Indent JSON as a value of an indented object."""
    return show.for_people(show.encode(content)).replace(b"\n", b"\n  ")


ROWS: dict[str, list[Route]] = {
    "/v1/users/{userId}/export": [
        get(users.export, "users:export", None, Export, show_export).but(
            self_access="user", errors=(errors.ExportRunning,)
        ),
    ],
    "/v1/exports": [
        get(exports.export_users, "users:export", ExportUsers, str, shown).but(
            errors=(errors.NotFound, errors.ExportRunning), takes=taken
        ),
    ],
}
