"""IDs such as user_…: a prefix, an underscore, and a UUIDv7 (RFC 9562 section 5.7) as 26 base32 characters.

The alphabet is lower-case base32hex (RFC 4648 section 7), which keeps the order of the bytes, so IDs sort by age.
"""

from __future__ import annotations

import re

from uuid_utils import uuid7

_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_SHIFTS = range(120, -1, -10)
_LOW = (1 << 70) - 1
_FORM = re.compile(r"[0-9a-v]{26}\Z").match


def new(kind: str) -> str:
    """A new, unique ID such as `user_06ck3v8sn5p7p0m4q2h1t9d6bg`, greater than all IDs created in earlier
    milliseconds."""
    # Two characters at a time from a table: base64.b32hexencode takes eight times as long. 130 bits, the last two of
    # them zero, in two numbers that are smaller and so faster.
    bits = uuid7().int << 2
    high, low, pairs = bits >> 70, bits & _LOW, _PAIRS
    return (
        f"{kind}_{pairs[high >> 50]}{pairs[high >> 40 & 1023]}{pairs[high >> 30 & 1023]}{pairs[high >> 20 & 1023]}"
        f"{pairs[high >> 10 & 1023]}{pairs[high & 1023]}{pairs[low >> 60]}"
        f"{pairs[low >> 50 & 1023]}{pairs[low >> 40 & 1023]}"
        f"{pairs[low >> 30 & 1023]}{pairs[low >> 20 & 1023]}{pairs[low >> 10 & 1023]}{pairs[low & 1023]}"
    )


def same(kind: str, id: str) -> str:
    """The ID of another kind that differs in the prefix alone, for what belongs to one thing and to no other: a third
    of the work of `new`."""
    return kind + id[-27:]


def time(id: str) -> int:
    """Time at which this ID was created, in microseconds, to the millisecond (RFC 9562 section 5.7: the first 48
    bits)."""
    return (int(id[-26:-16], 32) >> 2) * 1000


def first(kind: str, at: int) -> str:
    """Less than all IDs created at this time or later, in microseconds, and greater than those created in earlier
    milliseconds."""
    bits = (at // 1000) << 82
    return f"{kind}_{''.join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])}"


def is_id(kind: str, text: str) -> bool:
    """Test whether the text has the format of an ID of this kind."""
    start = len(kind) + 1
    return len(text) == start + 26 and text.startswith(f"{kind}_") and _FORM(text, start) is not None
