"""Sizes and durations in words."""

from __future__ import annotations

import re

MEBIBYTE = 1 << 20
_SIZES = (("GiB", 1 << 30), ("MiB", MEBIBYTE), ("KiB", 1 << 10))
# Each with its seconds, and up to how many seconds it is used.
_DURATIONS = (("second", 1, 89), ("minute", 60, 89 * 60), ("hour", 3_600, 35 * 3_600), ("day", 86_400, float("inf")))


_LENGTH = re.compile(r"([0-9]{1,9})(s|m|h|d|w)").fullmatch
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def seconds(text: str) -> int | None:
    """Seconds of `90s`, `15m`, `12h`, `30d` or `2w`; None for anything else."""
    match = _LENGTH(text.strip().lower())
    return None if match is None else int(match[1]) * _UNITS[match[2]]


def size(amount: int) -> str:
    """`1.5 GiB`, `12 bytes`."""
    for unit, least in _SIZES:
        if amount >= least:
            return f"{amount / least:.1f} {unit}"
    return f"{amount} bytes"


def duration(seconds: int) -> str:
    """`40 seconds`, `60 minutes`, `24 hours`, `31 days`: rounded up."""
    number, unit = rounded(seconds)
    return f"{number} {unit}{'' if number == 1 else 's'}"


def rounded(seconds: int) -> tuple[int, str]:
    """The number and the unit of the same: `second`, `minute`, `hour` or `day`."""
    unit, length = next((unit, length) for unit, length, below in _DURATIONS if seconds <= below)
    return -(-seconds // length), unit


def elapsed(microseconds: int) -> str:
    """`412 µs`, `1.3 ms`, `2.1 s`."""
    if microseconds < 1000:
        return f"{microseconds} µs"
    if microseconds < 1_000_000:
        return f"{microseconds / 1000:.1f} ms"
    return f"{microseconds / 1_000_000:.1f} s"
