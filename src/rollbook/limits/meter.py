"""Counts the requests of one caller where nothing is out of the ordinary: what `Table.take` and `render` do, in
one step.

A meter keeps the slot of its bucket, so that a request reads seven numbers, writes two and fills one template. It
leaves all else to the table: a window that begins, ends or is exhausted, a bucket that lost its slot, a limit that
changed, a clock set back.

The RateLimit header fields of every response to a request that was counted or refused.

`RateLimit-Limit`, `-Remaining` and `-Reset` speak of one window, the one with the fewest requests left
(draft-ietf-httpapi-ratelimit-headers-06 section 3: "the time window with the lower RateLimit-Remaining"); of several,
the one that resets last. `RateLimit-Policy` and `RateLimit` list all windows (the newest draft, from version 08 on).
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Protocol

from rollbook.clock import SECOND
from rollbook.limits.windows import CELL, ENDS, USED, Verdict
from rollbook.quota import NO_LIMIT, Limit

if TYPE_CHECKING:
    from rollbook.limits.table import Table


_templates: dict[tuple[Limit, Limit], tuple[bytes, ...]] = {}


def render(limit: Limit, own_limit: Limit, verdict: Verdict) -> bytes:
    """Header lines, each ended by CRLF; none without a limit. A key's own windows are called `key-minute` and so on."""
    left = verdict.left
    if not left:
        return b""
    lines = templates(limit, own_limit)
    tightest = left[0]
    tightest_index = index = 0
    for window in left:
        if window[0] <= tightest[0] and (window[0] < tightest[0] or window[1] > tightest[1]):
            tightest = window
            tightest_index = index
        index += 1
    return lines[tightest_index] % sum(left, tightest)


def templates(limit: Limit, own_limit: Limit) -> tuple[bytes, ...]:
    """Templates of the lines, one for each window that may be the tightest: its two numbers, then those of all
    windows."""
    return _templates.get((limit, own_limit)) or _make(limit, own_limit)


def _make(limit: Limit, own_limit: Limit) -> tuple[bytes, ...]:
    """Cached: a server has few different limits."""
    windows = [(window.name, window) for window in limit] + [(f"key-{window.name}", window) for window in own_limit]
    policy = ", ".join(f'"{label}";q={window.calls};w={window.seconds}' for label, window in windows)
    state = ", ".join(f'"{label}";r=%d;t=%d' for label, _ in windows)
    lines = tuple(
        (
            f"RateLimit-Limit: {window.calls}\r\nRateLimit-Remaining: %d\r\nRateLimit-Reset: %d\r\n"
            f"RateLimit-Policy: {policy}\r\nRateLimit: {state}\r\n"
        ).encode()
        for _, window in windows
    )
    if len(_templates) >= 10_000:
        _templates.clear()
    _templates[limit, own_limit] = lines
    return lines


WINDOWS = 2
"""The number of windows of a limit that a meter counts in: as many as the usual one has."""
_cells = Struct("=6q").unpack_from


class Meter(Protocol):
    def take(self, now: int, /) -> bytes | None:
        """Count a request and return the header lines about it. None: nothing was done, the table has to be asked."""
        ...


class _Unlimited:
    def take(self, now: int) -> bytes | None:
        return b""


class _TwoWindows:
    """Two windows of one bucket, in a table that no other process uses."""

    __slots__ = ("_at", "_digest", "_first", "_group", "_memory", "_name", "_second", "_table", "_templates", "_words")

    def __init__(self, table: Table, bucket: str, limit: Limit, templates: tuple[bytes, ...]) -> None:
        self._table = table
        self._memory, self._words = table.memory, table.words
        self._group, self._digest = table.locate(bucket)
        self._first, self._second = limit
        self._templates = templates
        self._name = slice(0, 0)  # of the digest in the memory; nothing yet
        self._at = 0  # of the first word

    def take(self, now: int) -> bytes | None:
        if self._memory[self._name] != self._digest and not self._find():
            return None
        at = self._at
        length, ends, used, length_2, ends_2, used_2 = _cells(self._memory, at * 8)
        calls, seconds = self._first
        calls_2, seconds_2 = self._second
        wait, wait_2 = ends - now, ends_2 - now
        left, left_2 = calls - used - 1, calls_2 - used_2 - 1
        if (
            left < 0
            or left_2 < 0
            or length != seconds
            or length_2 != seconds_2
            or not 0 < wait <= seconds * SECOND
            or not 0 < wait_2 <= seconds_2 * SECOND
        ):
            return None
        words = self._words
        words[at + USED] = used + 1
        words[at + CELL + USED] = used_2 + 1
        reset, reset_2 = -(-wait // SECOND), -(-wait_2 // SECOND)
        if left_2 < left or (left_2 == left and reset_2 > reset):
            return self._templates[1] % (left_2, reset_2, left, reset, left_2, reset_2)
        return self._templates[0] % (left, reset, left, reset, left_2, reset_2)

    def _find(self) -> bool:
        """Look for the slot. False when the bucket has none."""
        slot = self._table.slot(self._group, self._digest)
        if slot is not None:
            self._name, self._at = slot
        return slot is not None


def of(table: Table, bucket: str, limit: Limit, own: str | None, own_limit: Limit) -> Meter | None:
    """A meter that counts as `table.take` does with these arguments. None where only the table can."""
    if own is not None and own_limit:
        if limit or table.is_shared or len(own_limit) != WINDOWS:
            return None
        return _TwoWindows(table, own, own_limit, templates(NO_LIMIT, own_limit))
    if not limit:
        return _Unlimited()
    if table.is_shared or len(limit) != WINDOWS:
        return None
    return _TwoWindows(table, bucket, limit, templates(limit, NO_LIMIT))


assert ENDS == 1 and CELL == 3  # the six words that `take` reads
