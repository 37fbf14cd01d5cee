"""Users as files: NDJSON with a user on each line, CSV (RFC 4180) for spreadsheets. An import reads both as they
were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rollbook import clock
from rollbook.actions.arguments import ExportFormat, ExportUsers
from rollbook.actions.exports import Form, Held, UserListExport
from rollbook.api import files
from rollbook.api.call import Call
from rollbook.api.show import event_position
from rollbook.http.request import LOCKED, PRIVATE, Response, Stream, line
from rollbook.records import users
from rollbook.records.users import User

GROUPS = "groups"
COLUMNS = (*users.complete(User(0, "", "", "")), GROUPS)
HASH = "password_hash"

_encode_lines = msgspec.json.Encoder().encode_lines
_time = clock.format_time_exactly


def taken(call: Call) -> tuple[ExportUsers, Form]:
    asked: ExportUsers = call.query
    return asked, form_of(asked.format)


def shown(call: Call, export: UserListExport) -> Response:
    head = line("Content-Type", CONTENT_TYPES[call.query.format]) + LOCKED + PRIVATE + event_position(export.position)
    return Response(200, head, stream=Stream(export.parts))


def form_of(format: ExportFormat, with_hashes: bool = False) -> Form:
    if format == "ndjson":
        return Form(b"", _ndjson)
    return Form(
        files.write_rows([(*COLUMNS, HASH) if with_hashes else COLUMNS]), _csv_with_hashes if with_hashes else _csv
    )


CONTENT_TYPES: dict[ExportFormat, str] = {"ndjson": "application/x-ndjson", "csv": files.CONTENT_TYPE}


def _ndjson(part: Sequence[Held]) -> bytes:
    return _encode_lines([_fields(each) for each in part])


def _fields(held: Held) -> dict[str, Any]:
    """Times with microseconds, as they are kept."""
    user = held.user
    found = users.complete(user)
    found["created_at"], found["updated_at"] = _time(user.created_at), _time(user.updated_at)
    if user.last_sign_in_at is not None:
        found["last_sign_in_at"] = _time(user.last_sign_in_at)
    if held.groups:
        found[GROUPS] = held.groups
    if held.hash is not None:
        found[HASH] = held.hash
    return found


def _csv(part: Sequence[Held]) -> bytes:
    return files.write_rows([_cells(each) for each in part])


def _csv_with_hashes(part: Sequence[Held]) -> bytes:
    return files.write_rows([[*_cells(each), each.hash or ""] for each in part])


def _cells(held: Held) -> list[str]:
    found = _fields(held._replace(hash=None))
    found |= {name: getattr(held.user, name) for name in users.METADATA}
    found["email_verified"] = "true" if held.user.email_verified else "false"
    found[GROUPS] = held.groups or ""
    return [value or "" for value in found.values()]
