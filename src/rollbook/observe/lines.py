"""Shared by both logs: the form and time of a line, and masking of secrets and control characters."""

from __future__ import annotations

import re
import time
from typing import TextIO

# Keys are `rbk_` and 38 letters and digits; a shorter run is a key that something cut off. The few characters that the
# API shows of a key to tell it from others are not matched.
_SECRET = re.compile(r"rbk_[0-9A-Za-z]{12,}|\$argon2(?:id|i|d)?\$[0-9A-Za-z+/=,.$-]+")
MASKED = "***"

# DEL, the C1 controls (U+009B starts a terminal sequence as ESC [ does), line and paragraph separators, and the marks
# that turn the direction of text, with which a line can show something else than it says.
_UNSEEN = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_UNSEEN_IN_JSON = re.compile(f"[{_UNSEEN}]")
_UNSEEN_IN_TEXT = re.compile(f"[\\x00-\\x1f{_UNSEEN}\ud800-\udfff]")

DIM = "\x1b[2m"
_PLAIN = "\x1b[0m"

_MILLISECONDS = tuple(f".{number:03d}Z" for number in range(1000))
_second = (0, "1970-01-01T00:00:00")


def form(log: str, stream: TextIO) -> str:
    """`json`, `pretty` or `none`: the setting `log`, where `auto` asks whether a person is looking at the stream."""
    if log != "auto":
        return log
    return "pretty" if stream.isatty() else "json"


def stamp(seconds: float) -> str:
    """`2023-10-27T10:00:00.123Z` (RFC 3339 section 5.6) of seconds since 1970."""
    global _second
    second, millisecond = divmod(int(seconds * 1000), 1000)
    # One tuple, so that a thread never pairs another thread's second with its own text.
    known, text = _second
    if known != second:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        _second = (second, text)
    return text + _MILLISECONDS[millisecond]


def masked(text: str) -> str:
    """The text without API keys and password hashes. A last line of defense: they should never be logged in the first
    place."""
    return _SECRET.sub(MASKED, text)


def safe_json(text: str) -> str:
    """JSON that is safe to show: secrets masked, and what JSON itself lets through but a terminal obeys written as
    `\\uXXXX`.

    JSON has no control characters below U+0020 in its strings (RFC 8259 section 7), so a line stays one line (ASVS
    16.4.1).
    """
    return _UNSEEN_IN_JSON.sub(_escape, masked(text))


def safe_text(text: str) -> str:
    """Text for a line that is not JSON: secrets masked, every control character escaped."""
    return _UNSEEN_IN_TEXT.sub(_escape, masked(text))


def paint(text: str, color: str, on: bool) -> str:
    """The text in a color of the terminal, when it has any."""
    return f"{color}{text}{_PLAIN}" if on and color else text


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
