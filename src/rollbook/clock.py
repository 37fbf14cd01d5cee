"""Time: stored as microseconds since 1970 in UTC, shown by the API as RFC 3339 with whole seconds and `Z`."""

from __future__ import annotations

import mmap
import os
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The last representable instant of RFC 3339, 9999-12-31T23:59:59Z.
LATEST = 253_402_300_799 * SECOND
_formatted: dict[int, str] = {}


def _system() -> int:
    return time.time_ns() // 1000


now = _system
"""Microseconds since 1970. Call it as `clock.now()`: `follow` swaps it."""


def follow(path: str) -> None:
    """Let a file shift the clock: one signed 64-bit little-endian number of microseconds, added to the system time.

    All processes that follow the same file see a change immediately. For tests of expiry, retention and limits.
    """
    global now
    with open(path, "r+b") as file:
        shift = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)

    def moved() -> int:
        return time.time_ns() // 1000 + struct.unpack_from("<q", shift)[0]

    now = moved


def follow_in_checkout() -> None:
    """Follow the file that ROLLBOOK_CLOCK_FILE names, in a checkout. Nothing moves the clock of an installed server."""
    path = os.environ.get("ROLLBOOK_CLOCK_FILE")
    if path and (Path(__file__).parents[2] / "pyproject.toml").is_file():
        follow(path)


def is_moved() -> bool:
    """Test whether a file shifts the clock of this process."""
    return now is not _system


def move(path: str, microseconds: int) -> None:
    """Write the shift that `follow` reads. Creates the file if needed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, struct.pack("<q", microseconds), 0)
    finally:
        os.close(descriptor)


def format_time(microseconds: int) -> str:
    """`2023-10-27T10:00:00Z` (RFC 3339 section 5.6). Cached: the same few times are formatted again and again."""
    seconds = microseconds // SECOND
    try:
        return _formatted[seconds]
    except KeyError:
        if len(_formatted) >= 16_384:
            _formatted.clear()
        text = _formatted[seconds] = (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19] + "Z"
        return text


def parse(text: str) -> int:
    """Microseconds of an RFC 3339 time. Raises ValueError for other text, or a time without an offset."""
    if len(text) < 20 or text[10] not in "Tt ":
        raise ValueError("not an RFC 3339 time")
    moment = datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError("no offset from UTC")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def format_time_exactly(microseconds: int) -> str:
    """An RFC 3339 time with microseconds."""
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat().replace("+00:00", "Z")
