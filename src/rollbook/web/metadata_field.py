"""The metadata of a user as the text of a form."""

from __future__ import annotations

from typing import Any

from rollbook.api.parsing import read_object
from rollbook.errors import InvalidJson


def read(text: str) -> dict[str, Any]:
    """The object; a blank text is an empty one. Raises InvalidJson, whose message says where."""
    if not text.strip():
        return {}
    try:
        return read_object(text.encode(), None, None)
    except InvalidJson as error:
        raise InvalidJson(error.message.replace("The body", "Metadata"), param="metadata") from None
