"""IDs such as user_…: a prefix, an underscore, and a UUIDv7 (RFC 9562 section 5.7) as 26 base32 characters.

The alphabet is lower-case base32hex (RFC 4648 section 7), which keeps the order of the bytes, so IDs sort by age.
"""

from __future__ import annotations

import re

from uuid_utils import uuid7

_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_SHIFTS = range(120, -1, -10)
_FORM = re.compile(r"[0-9a-v]{26}\Z").match


def new(kind: str) -> str:
    """A new, unique ID such as `user_06ck3v8sn5p7p0m4q2h1t9d6bg`, greater than all IDs created in earlier milliseconds."""
    # Two characters at a time from a table: base64.b32hexencode takes six times as long. 130 bits, the last two of them zero.
    bits = uuid7().int << 2
    return f"{kind}_{''.join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])}"


def time(id: str) -> int:
    """When this ID was created, in microseconds, to the millisecond (RFC 9562 section 5.7: the first 48 bits)."""
    return (int(id[-26:-16], 32) >> 2) * 1000


def first(kind: str, at: int) -> str:
    """Less than all IDs created at this time or later, in microseconds, and greater than those created in earlier milliseconds."""
    bits = (at // 1000) << 82
    return f"{kind}_{''.join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])}"


def is_id(kind: str, text: str) -> bool:
    """Whether the text has the format of an ID of this kind."""
    start = len(kind) + 1
    return len(text) == start + 26 and text.startswith(f"{kind}_") and _FORM(text, start) is not None
