"""Counts the requests of one caller where nothing is out of the ordinary: what `Table.take` and `headers.render` do, in
one step.

A meter keeps the slot of its bucket, so that a request reads seven numbers, writes two and fills one template. It
leaves all else to the table: a window that begins, ends or is exhausted, a bucket that lost its slot, a limit that
changed, a clock set back.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Protocol

from rollbook.clock import SECOND
from rollbook.limits import headers
from rollbook.limits.windows import CELL, ENDS, USED
from rollbook.quota import NO_LIMIT, Limit

if TYPE_CHECKING:
    from rollbook.limits.table import Table

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
        found = self._table.slot(self._group, self._digest)
        if found is not None:
            self._name, self._at = found
        return found is not None


def of(table: Table, bucket: str, limit: Limit, own: str | None, own_limit: Limit) -> Meter | None:
    """A meter that counts as `table.take` does with these arguments. None where only the table can."""
    if own is not None and own_limit:
        if limit or table.is_shared or len(own_limit) != WINDOWS:
            return None
        return _TwoWindows(table, own, own_limit, headers.templates(NO_LIMIT, own_limit))
    if not limit:
        return _Unlimited()
    if table.is_shared or len(limit) != WINDOWS:
        return None
    return _TwoWindows(table, bucket, limit, headers.templates(limit, NO_LIMIT))


assert ENDS == 1 and CELL == 3  # the six words that `take` reads
