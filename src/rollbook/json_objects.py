"""Reads the JSON of bodies, strictly."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import msgspec

from rollbook.errors import InvalidJson, UnsupportedMediaType, quoted, shortened
from rollbook.records.rules import MAX_DEPTH, too_deep

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
        value = _decode(body)
    except BROKEN as problem:
        raise invalid_json(problem, body) from None
    if type(value) is not dict:
        raise InvalidJson("The body must be a JSON object.")
    if (path := too_deep(value, body)) is not None:
        if not names:
            raise InvalidJson(f"The body is {_TOO_DEEP}.")
        raise InvalidJson(
            f"The body is {_TOO_DEEP}: {path}.", param=shortened(path.partition(".")[0].partition("[")[0])
        )
    # msgspec keeps the last of two equal names. If there are as many colons as names, no name is repeated; otherwise
    # look closely.
    if len(value) != body.count(b":") or b"\\u0000" in body:
        look_closely(body, names)
    return value


def check_kind(body: bytes, content_type: bytes | None, encoding: bytes | None) -> None:
    """Check that the body is said to be JSON. Raises UnsupportedMediaType, InvalidJson."""
    if content_type is not None and not _MEDIA_TYPE(content_type):
        raise UnsupportedMediaType()
    if encoding is not None and encoding.strip().lower() != b"identity":
        raise UnsupportedMediaType("Send the body without Content-Encoding.", headers={"Accept-Encoding": "identity"})
    if not body:
        raise InvalidJson("The body is empty. A JSON object is required.")


def look_closely(body: bytes, names: bool) -> None:
    """Check that no object in JSON has two equal names, and that no text has a NUL. Raises InvalidJson."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) != len(pairs):
            counts = Counter([name for name, _ in pairs])
            twice = next(name for name, count in counts.items() if count > 1)
            raise InvalidJson(f"The body contains {quoted(twice) if names else 'a name'} more than once.")
        for name, value in pairs:
            if "\0" in name or (isinstance(value, str) and "\0" in value):
                raise InvalidJson("The body contains a NUL character.")
            if isinstance(value, list):
                _no_nul(value)
        return values

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
