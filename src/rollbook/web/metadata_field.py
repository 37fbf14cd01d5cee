"""The metadata of a user as the text of a form, and where a text that is not JSON goes wrong."""

from __future__ import annotations

import json
from typing import Any

from rollbook.api.parsing import read_object
from rollbook.errors import InvalidJson

# What Python's decoder says, at whose place it says it.
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


def read(text: str) -> dict[str, Any]:
    """The object; a blank text is an empty one. Raises InvalidJson, whose message says where."""
    if not text.strip():
        return {}
    try:
        return read_object(text.encode(), None, None)
    except InvalidJson as error:
        raise InvalidJson(_place(text) or error.message.replace("The body", "Metadata"), param="metadata") from None


def _place(text: str) -> str | None:
    """`Metadata: line 3, column 5: a colon is missing.` None where it is JSON, but not an object that can be stored."""
    try:
        json.loads(text)
    except json.JSONDecodeError as problem:
        saying = _SAYINGS.get(problem.msg.partition(": ")[0], "this is not JSON")
        return f"Metadata: line {problem.lineno}, column {problem.colno}: {saying}."
    except (ValueError, RecursionError):
        pass  # a number of thousands of digits, or too many levels
    return None
