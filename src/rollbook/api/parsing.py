"""Turns bodies and query strings into the types of the rows, strictly. `json_objects` reads the JSON,
`actions/checking` validates the fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin
from urllib.parse import unquote

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from rollbook.actions import arguments
from rollbook.actions.arguments import applications as application_arguments
from rollbook.actions.checking import (
    MAX_FAULTS,
    check,
    did_you_mean,
    fields_of,
    from_texts,
    invalid,
    names,
    text_hook,
)
from rollbook.api import show
from rollbook.api import users as user_calls
from rollbook.errors import Fault, quoted, shortened

S = TypeVar("S", bound=Struct)

# Ignored in bodies, so that a client can read a user, change a field and send it all back.
READ_ONLY = frozenset(("id", "created_at", "updated_at", "last_sign_in_at", "last_active_at"))

# An item of a list, as PHP, axios and others write them.
_ITEM = re.compile(r"(\w+)\[[0-9]*\]").fullmatch


class NoQuery(arguments.Query):
    """Query of endpoints without parameters."""


@cache
def with_dry_run(kind: type[arguments.Query]) -> type[Struct]:
    """The query of a call that can be previewed."""
    about = Annotated[bool, Meta(description="`true`: change nothing.")]
    return msgspec.defstruct(kind.__name__, [("dry_run", about, False)], bases=(kind,), frozen=True, kw_only=True)


class EmptyBody(arguments.Body):
    """Body of endpoints that need none: if any, an empty object."""


# ---- bodies


def reader_of_texts(kind: type[S]) -> Callable[[bytes, dict[bytes, bytes]], S | None] | None:
    """A quick reader for bodies of this type, if all of its fields are texts: it reads the usual bodies, which have all
    of them, and for others returns None, so that `read_object` and `parse_body` read them or say what is wrong.

    Without a backslash, each text has two quotation marks. If there are four for each field, and every field is there,
    no name is repeated.
    """
    fields = fields_of(kind)
    if not all(_is_text(field.type) for field in fields.values()):
        return None
    optional = [name for name, field in fields.items() if not field.required]
    decode = msgspec.json.Decoder(kind).decode
    marks = 4 * len(kind.__struct_fields__)

    def read(body: bytes, headers: dict[bytes, bytes]) -> S | None:
        if (
            headers.get(b"content-type") != b"application/json"
            or b"content-encoding" in headers
            or body.count(b'"') != marks
            or b"\\" in body
        ):
            return None
        try:
            value = decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return None if UNSET in [getattr(value, name) for name in optional] else value

    return read


def _is_text(hint: Any) -> bool:
    """Test whether it is a plain string, whatever bounds it has, and whether it has to be there."""
    if UnsetType in (some := get_args(hint)) and len(some) == 2:
        hint = next(kind for kind in some if kind is not UnsetType)
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return hint is str


def parse_body(kind: type[S], fields: dict[str, Any], password_min_length: int) -> S:
    """The object as this type. Raises InvalidParameter with everything that is wrong."""
    if kind in (
        user_calls.UserCreate,
        user_calls.UserUpdate,
        user_calls.UserPatch,
        application_arguments.ApplicationPatch,
    ):
        fields = {name: value for name, value in fields.items() if name not in READ_ONLY}
    return check(kind, fields, password_min_length)


# ---- queries


def parse_query(kind: type[S], query: str) -> S:
    """The query string as this type. Raises InvalidParameter with everything that is wrong."""
    texts: dict[str, str] = {}
    faults: list[Fault] = []
    fields = fields_of(kind)
    for part in query.split("&") if query else ():
        if not part:
            continue
        if len(faults) >= MAX_FAULTS:
            break
        raw_name, _, raw_value = part.partition("=")
        try:
            name, value = _decoded(raw_name), _decoded(raw_value)
        except UnicodeDecodeError:
            faults.append(Fault(shortened(raw_name), f"{quoted(raw_name)} is not percent-encoded UTF-8."))
            continue
        if (item := _ITEM(name)) and item[1] in show.LISTS:
            name = item[1]
        if name not in fields:
            allowed = f"Parameters: {', '.join(fields)}." if fields else "This endpoint has no parameters."
            message = f"{quoted(name)} is not a parameter of this endpoint. {did_you_mean(name, fields)}{allowed}"
            faults.append(Fault(shortened(name), message))
        elif name in texts and name not in show.LISTS:
            faults.append(Fault(name, f"{name} must not be repeated."))
        elif value == "":
            faults.append(Fault(name, f"{name} must not be empty."))
        elif "\0" in value:
            faults.append(Fault(name, f"{name} must not contain a NUL character."))
        else:
            texts[name] = f"{texts[name]},{value}" if name in texts else value
    values = from_texts(kind, texts, _hook, faults)
    if faults:
        raise invalid(faults)
    return kind(**values)


def _decoded(text: str) -> str:
    return unquote(text.replace("+", " "), errors="strict") if "%" in text or "+" in text else text


def _hook(kind: type, value: str) -> Any:
    """Also builds the types that only queries have."""
    if kind is show.Cursor:
        return show.Cursor(value)
    if kind is user_calls.Fields:
        return user_calls.Fields(_user_fields(value))
    return text_hook(kind, value)


def _user_fields(value: str) -> list[str]:
    fields = names(value)
    if len(fields) > user_calls.MAX_FIELDS:
        raise ValueError(f"must be at most {user_calls.MAX_FIELDS} names")
    if not set(fields) <= {"*", *user_calls.USER_FIELDS}:
        raise ValueError(f"must be * or names of these fields: {', '.join(user_calls.USER_FIELDS)}")
    return list(user_calls.USER_FIELDS) if "*" in fields else fields
