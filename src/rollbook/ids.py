"""Identifiers people read in URLs and logs: a kind, an underscore, 26 base32 characters of a UUIDv7 (RFC 9562 section 5.7).

The alphabet is base32hex in lower case (RFC 4648 section 7), the one whose order is that of the bytes, so ids sort by age.
"""

from __future__ import annotations

import re

from uuid_utils import uuid7

_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_SHIFTS = range(120, -1, -10)
_FORM = re.compile(r"[0-9a-v]{26}\Z").match


def new(kind: str) -> str:
    """A new identifier, such as `user_06ck3v8sn5p7p0m4q2h1t9d6bg`: never used before, greater than those made in earlier milliseconds."""
    # Two characters at a time, out of a table: base64.b32hexencode takes six times as long. 130 bits, the last two of them zero.
    bits = uuid7().int << 2
    return f"{kind}_{''.join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])}"


def is_id(kind: str, text: str) -> bool:
    """Whether the text has the form of an identifier of this kind."""
    start = len(kind) + 1
    return len(text) == start + 26 and text.startswith(f"{kind}_") and _FORM(text, start) is not None
