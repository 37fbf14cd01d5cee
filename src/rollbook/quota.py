"""Rate limits and their notation: `100/minute,5000/hour`, `10/30s` or `none`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, Self

MAX_WINDOWS = 4
MAX_CALLS = 1_000_000_000
MAX_SECONDS = 31 * 86_400
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}

_NAMES = {seconds: unit for unit, seconds in UNITS.items()}
_WINDOW = re.compile(r"([0-9]{1,10})\s*/\s*(?:([a-z]+)|([0-9]{1,7})s)")


class Window(NamedTuple):
    """At most `calls` requests in `seconds`."""

    calls: int
    seconds: int

    @property
    def name(self) -> str:
        """`minute`, or `30s` for a length without a name."""
        return _NAMES.get(self.seconds) or f"{self.seconds}s"


class Limit(tuple[Window, ...]):
    """Up to MAX_WINDOWS windows of different lengths, shortest first. A request must have room in all of them. Empty:
    no limit."""

    __slots__ = ()

    def __new__(cls, windows: Iterable[Window] = ()) -> Self:
        return super().__new__(cls, sorted(windows, key=lambda window: window.seconds))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the notation. Raises ValueError with a message that says what to use instead."""
        written = text.strip().lower()
        if written == "none":
            return cls()
        windows = [_window(part.strip()) for part in written.split(",")]
        if len({window.seconds for window in windows}) < len(windows):
            raise ValueError(f"{text.strip()!r} has two windows of the same length. Keep the lower one.")
        if len(windows) > MAX_WINDOWS:
            raise ValueError(f"{text.strip()!r} has {len(windows)} windows. Use at most {MAX_WINDOWS}.")
        return cls(windows)

    def __str__(self) -> str:
        """The notation that `parse` reads."""
        return ",".join(f"{window.calls}/{window.name}" for window in self) or "none"


NO_LIMIT = Limit()


def _window(text: str) -> Window:
    match = _WINDOW.fullmatch(text)
    if match is None or (match[2] is not None and match[2] not in UNITS):
        raise ValueError(
            f"{text!r} is not a rate limit. Use 100/minute, 5000/hour or 10/30s, several separated by commas, or none."
        )
    window = Window(int(match[1]), UNITS[match[2]] if match[2] else int(match[3]))
    if not 1 <= window.calls <= MAX_CALLS:
        raise ValueError(f"{text!r}: a window allows 1 to {MAX_CALLS} requests. For no limit, use none.")
    if not 1 <= window.seconds <= MAX_SECONDS:
        raise ValueError(f"{text!r}: a window lasts 1 to {MAX_SECONDS} seconds.")
    return window
