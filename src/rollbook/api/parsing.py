"""Reads JSON bodies and query strings, strictly. `actions/checking` validates their fields."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_args, get_origin
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from rollbook.actions import arguments
from rollbook.actions.checking import (
    MAX_FAULTS,
    check,
    fields_of,
    from_texts,
    gathered,
    invalid,
    is_metadata,
    names,
    text_hook,
)
from rollbook.api import types
from rollbook.errors import Fault, InvalidJson, UnsupportedMediaType, quoted, shortened
from rollbook.records.rules import MAX_DEPTH, too_deep

S = TypeVar("S", bound=Struct)

# Ignored in bodies, so that a client can read a user, change a field and send it all back.
READ_ONLY = frozenset(("id", "created_at", "updated_at", "last_sign_in_at"))

BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Errors of the decoder for text that is not JSON."""

LOCATED = 65_536
"""Bytes up to which it is said where a body is not JSON: to find that takes another decoder, a millisecond for as
many."""

# What Python's decoder says where it stops.
_SAYINGS = {
    "Expecting value": "a value is missing or misspelled",
    "Expecting property name enclosed in double quotes": "a name in double quotes is missing",
    "Expecting ':' delimiter": "a colon is missing",
    "Expecting ',' delimiter": "a comma or a closing bracket is missing",
    "Extra data": "nothing can follow the closing bracket",
    "Unterminated string starting at": "the closing quotation mark is missing",
    "Invalid control character at": "write line breaks and tabs in text as \\n and \\t",
    "Invalid \\escape": "write a backslash in text as \\\\",
    "Illegal trailing comma before end of object": "remove the comma before the closing bracket",
    "Illegal trailing comma before end of array": "remove the comma before the closing bracket",
}

_decode = msgspec.json.Decoder().decode
_TOO_DEEP = f"nested too deeply, more than {MAX_DEPTH} levels"
# `*+` doesn't backtrack: otherwise a long header with many spaces would take seconds.
_MEDIA_TYPE = re.compile(
    rb"\s*+application/(?:[\w.-]+\+)?json\s*+(?:;\s*+charset\s*+=\s*+\"?utf-?8\"?\s*+)?;?\s*+\Z", re.I
).match


class NoQuery(arguments.Query):
    """Query of endpoints without parameters."""


class EmptyBody(arguments.Body):
    """Body of endpoints that need none: if any, an empty object."""


# ---- bodies


def read_object(
    body: bytes, content_type: bytes | None, encoding: bytes | None, *, names: bool = True
) -> dict[str, Any]:
    """A JSON object (RFC 8259) that all parsers read the same way: UTF-8, no duplicate names, no NaN, no NUL, no lone
    surrogates.

    At most `MAX_DEPTH` levels. `names`: whether an error may repeat names of the object. Raises UnsupportedMediaType,
    InvalidJson.
    """
    check_kind(body, content_type, encoding)
    try:
        found = _decode(body)
    except BROKEN as problem:
        raise invalid_json(problem, body) from None
    if type(found) is not dict:
        raise InvalidJson("The body must be a JSON object.")
    if (path := too_deep(found, body)) is not None:
        if not names:
            raise InvalidJson(f"The body is {_TOO_DEEP}.")
        raise InvalidJson(
            f"The body is {_TOO_DEEP}: {path}.", param=shortened(path.partition(".")[0].partition("[")[0])
        )
    # msgspec keeps the last of two equal names. If there are as many colons as names, no name is repeated; otherwise
    # look closely.
    if len(found) != body.count(b":") or b"\\u0000" in body:
        look_closely(body, names)
    return found


def reader_of_texts(kind: type[S]) -> Callable[[bytes, dict[bytes, bytes]], S | None] | None:
    """A quick reader for bodies of this type, if all of its fields are required texts: it reads the usual bodies, and
    for others returns None, so that `read_object` and `parse_body` read them or say what is wrong.

    Without a backslash, each text has two quotation marks. If there are four for each field, and every field is there,
    no name is repeated.
    """
    if not all(field.required and _is_text(field.type) for field in fields_of(kind).values()):
        return None
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
            return decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    return read


def _is_text(hint: Any) -> bool:
    """Test whether it is a plain string, whatever bounds it has."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return hint is str


def check_kind(body: bytes, content_type: bytes | None, encoding: bytes | None) -> None:
    """Check that the body is said to be JSON. Raises UnsupportedMediaType, InvalidJson."""
    if content_type is not None and not _MEDIA_TYPE(content_type):
        raise UnsupportedMediaType()
    if encoding is not None and encoding.strip().lower() != b"identity":
        raise UnsupportedMediaType("Send the body without Content-Encoding.", headers={"Accept-Encoding": "identity"})
    if not body:
        raise InvalidJson("The body is empty. A JSON object is required.")


def parse_body(kind: type[S], found: dict[str, Any], password_min_length: int) -> S:
    """The object as this type. Raises InvalidParameter with everything that is wrong."""
    if kind in (types.UserCreate, types.UserUpdate, types.UserPatch):
        found = {name: value for name, value in found.items() if name not in READ_ONLY}
    return check(kind, found, password_min_length)


def look_closely(body: bytes, names: bool) -> None:
    """Check that no object in JSON has two equal names, and that no text has a NUL. Raises InvalidJson."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            counts = Counter([name for name, _ in pairs])
            twice = next(name for name, count in counts.items() if count > 1)
            raise InvalidJson(f"The body contains {quoted(twice) if names else 'a name'} more than once.")
        for name, value in pairs:
            if "\0" in name or (isinstance(value, str) and "\0" in value):
                raise InvalidJson("The body contains a NUL character.")
            if isinstance(value, list):
                _no_nul(value)
        return found

    try:
        json.loads(body, object_pairs_hook=once)
    except RecursionError:
        raise InvalidJson(f"The body is {_TOO_DEEP}.") from None


def _no_nul(items: list[Any]) -> None:
    for item in items:
        if isinstance(item, str) and "\0" in item:
            raise InvalidJson("The body contains a NUL character.")
        if isinstance(item, list):
            _no_nul(item)


def invalid_json(problem: Exception, body: bytes) -> InvalidJson:
    """The error for what the JSON decoder found: one of BROKEN. The message says where, as far as LOCATED goes."""
    if isinstance(problem, RecursionError):
        return InvalidJson(f"The body is {_TOO_DEEP}.")
    if isinstance(problem, UnicodeDecodeError) or "utf-8" in str(problem).lower():
        return InvalidJson("The body is not valid UTF-8.")
    try:
        if len(body) <= LOCATED:
            json.loads(body)
    except json.JSONDecodeError as at:
        saying = _SAYINGS.get(at.msg.partition(": ")[0], "this is not JSON")
        return InvalidJson(f"The body is not valid JSON (line {at.lineno}, column {at.colno}): {saying}.")
    except (ValueError, RecursionError):
        pass  # not UTF-8, a number of thousands of digits, or too many levels
    return InvalidJson("The body is not valid JSON.")


# ---- queries


def parse_query(kind: type[S], query: str) -> S:
    """The query string as this type. Raises InvalidParameter with everything that is wrong."""
    found: dict[str, str] = {}
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
        if name not in fields and not is_metadata(kind, name):
            allowed = f"Parameters: {', '.join(fields)}." if fields else "This endpoint has no parameters."
            faults.append(Fault(shortened(name), f"{quoted(name)} is not a parameter of this endpoint. {allowed}"))
        elif name in found and name not in types.LISTS:
            faults.append(Fault(name, f"{name} must not be repeated."))
        elif value == "":
            faults.append(Fault(name, f"{name} must not be empty."))
        elif "\0" in value:
            faults.append(Fault(name, f"{name} must not contain a NUL character."))
        else:
            found[name] = f"{found[name]},{value}" if name in found else value
    values = from_texts(kind, gathered(kind, found), _hook, faults)
    if faults:
        raise invalid(faults)
    return kind(**values)


def _decoded(text: str) -> str:
    return unquote(text.replace("+", " "), errors="strict") if "%" in text or "+" in text else text


def _hook(kind: type, value: str) -> Any:
    """Also builds the types that only queries have."""
    if kind is types.Cursor:
        return types.Cursor(value)
    if kind is types.Fields:
        return types.Fields(_user_fields(value))
    return text_hook(kind, value)


def _user_fields(value: str) -> list[str]:
    found = names(value)
    if len(found) > types.MAX_FIELDS:
        raise ValueError(f"must be at most {types.MAX_FIELDS} names")
    if not set(found) <= {"*", *types.USER_FIELDS}:
        raise ValueError(f"must be * or names of these fields: {', '.join(types.USER_FIELDS)}")
    return list(types.USER_FIELDS) if "*" in found else found
