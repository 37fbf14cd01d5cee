"""The arithmetic of rate limits: how a request is counted in the windows of a limit.

A window starts with the first request it admits and lasts its seconds; the next one starts with the first request after
that. A request is admitted when every window has room, and is then counted in all of them. A refused request is counted
in none. This file decides; `table` only keeps the numbers. `bucket.lua` says the same in Lua.

A bucket (the requests of one user, key or address) is twelve signed 64-bit numbers: four cells of SECONDS (the window's
length), ENDS (microseconds since the epoch; 0: not running) and USED. Any mutable sequence of such numbers will do,
from any position on.

In shared memory a worker may be killed between any two stores, and the next one reads what is there. So:
  1. each store is of one aligned number, never half done;
  2. a cell gets a new meaning in the order ENDS = 0, the rest, ENDS = its end. Until the last store it is a cell that
    does not run;
  3. a running window is counted up by one store to USED, before the request is let through. A worker killed between two
    windows leaves a count for a request that got no response: one too few is admitted, never one too many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from rollbook.clock import SECOND
from rollbook.quota import MAX_WINDOWS, NO_LIMIT, Limit, Window

if TYPE_CHECKING:
    from rollbook.limits.meter import Meter


class Verdict(NamedTuple):
    """Decision on a request, and for each window (those of the bucket, then the key's) the requests left and the
    seconds until it resets (rounded up, at least 1; for a window that isn't running, its length).

    `at` is when it was counted, if another clock than the caller's decides (Valkey's); otherwise 0."""

    admitted: bool
    left: tuple[tuple[int, int], ...]
    at: int = 0


class Limiter(Protocol):
    """Store of the counts: `table.Table` on one server, `valkey.Valkey` for several."""

    @property
    def evicted(self) -> int:
        """Buckets dropped while a window was running, because there was no room for a new one (a metric)."""
        ...

    async def take(
        self,
        bucket: str,
        limit: Limit,
        now: int,
        own: str | None = None,
        own_limit: Limit = NO_LIMIT,
        requests: int = 1,
    ) -> Verdict:
        """Count one request at `now` (microseconds since the epoch), or refuse it.

        `bucket` is whose requests are counted (a user ID, `address:…`), `own` the bucket of a key with its own, lower
        limit. `requests`: count this many, or none of them.
        """
        ...

    def meter(self, bucket: str, limit: Limit, own: str | None, own_limit: Limit) -> Meter | None:
        """Counts as `take` with these arguments, for the requests of one caller. None where there is no quicker way
        than `take`."""
        ...

    async def give_back(self, bucket: str, limit: Limit, now: int, at: int = 0) -> None:
        """Undo one take of this bucket, with the same `now` and the `at` of its verdict. A window that has started
        since keeps its count."""
        ...

    async def peek(self, bucket: str, limit: Limit, now: int) -> tuple[tuple[int, int], ...]:
        """The requests left and the seconds until the reset of each window, as in a Verdict, without counting a
        request."""
        ...


# Half the time of Verdict(...).
_new: Callable[[type[Verdict], tuple[object, ...]], Verdict] = tuple.__new__  # type: ignore[assignment]
UNLIMITED = Verdict(True, ())


def refused_by(limit: Limit, own_limit: Limit, verdict: Verdict, requests: int = 1) -> tuple[str, Window]:
    """The window that refused requests have to wait for longest, and its name: `minute`, or `key-minute` for the key's
    own limit."""
    exhausted = [(reset, at) for at, (remaining, reset) in enumerate(verdict.left) if remaining < requests]
    index = max(exhausted)[1]
    if index < len(limit):
        return limit[index].name, limit[index]
    window = own_limit[index - len(limit)]
    return f"key-{window.name}", window


def retry_after(verdict: Verdict, requests: int = 1) -> int:
    """Seconds until refused requests can be admitted: when the last of the windows without room for them resets."""
    return max((reset for remaining, reset in verdict.left if remaining < requests), default=1)


SECONDS, ENDS, USED = range(3)
CELL = 3
SIZE = MAX_WINDOWS * CELL


class Cells(Protocol):
    """Integers by index: a list, or shared memory."""

    def __getitem__(self, at: int, /) -> int: ...
    def __setitem__(self, at: int, number: int, /) -> None: ...


# What `look` finds, window by window: (requests left if this one counts, seconds to the reset), and (cell, the end to
# start it with or 0 when it runs already). The caller passes plain lists, which are cheaper than a result of their own:
# every request takes.
Left = list[tuple[int, int]]
Starts = list[tuple[int, int]]


def look(cells: Cells, start: int, limit: Limit, now: int, left: Left, starts: Starts, requests: int = 1) -> bool:
    """Test whether all windows of a bucket have room. After looking at one bucket or two, `settle` counts the
    request."""
    fits = True
    cell = start
    for calls, seconds in limit:
        at = cell if cells[cell] == seconds else _cell(cells, start, limit, seconds)
        wait = cells[at + ENDS] - now
        if wait > 0:
            if wait > seconds * SECOND:
                # Starts in the future: the clock was set back. Keep the count, but wait at most one whole window.
                wait = seconds * SECOND
                cells[at + ENDS] = now + wait
            remaining = calls - cells[at + USED] - requests
            if remaining < 0:
                fits = False
            left.append((remaining, -(-wait // SECOND)))
            starts.append((at, 0))
        else:
            if calls < requests:
                fits = False
            left.append((calls - requests, seconds))
            starts.append((at, now + seconds * SECOND))
        cell += CELL
    return fits


def settle(cells: Cells, left: Left, starts: Starts, fits: bool, requests: int = 1) -> Verdict:
    """Count the request in all windows when all have room, in none when not."""
    if not fits:  # less than nothing is left where the limit was lowered since
        return Verdict(False, tuple([(max(0, remaining + requests), reset) for remaining, reset in left]))
    for at, ends in starts:
        if ends:
            cells[at + ENDS] = 0
            cells[at + USED] = requests
            cells[at + ENDS] = ends
        else:
            cells[at + USED] += requests
    return _new(Verdict, (True, tuple(left), 0))


def seen(cells: Cells, start: int, limit: Limit, now: int) -> tuple[tuple[int, int], ...]:
    """Requests left in each window. Only reads cells."""
    states = []
    for calls, seconds in limit:
        left, reset = calls, seconds
        for at in range(start, start + SIZE, CELL):
            wait = cells[at + ENDS] - now
            if cells[at] == seconds and wait > 0:
                left, reset = max(0, calls - cells[at + USED]), min(-(-wait // SECOND), seconds)
        states.append((left, reset))
    return tuple(states)


def undo(cells: Cells, start: int, limit: Limit, now: int) -> None:
    """Remove one request from the windows that `now` lies in."""
    lengths = {window.seconds for window in limit}
    for at in range(start, start + SIZE, CELL):
        seconds, ends, used = cells[at], cells[at + ENDS], cells[at + USED]
        if seconds in lengths and ends - seconds * SECOND <= now < ends and used > 0:
            cells[at + USED] = used - 1


def clear(cells: Cells, start: int) -> None:
    """Stop all windows of a bucket, so that another can have its cells."""
    for at in range(start, start + SIZE, CELL):
        cells[at + ENDS] = 0


def worth(cells: Cells, start: int, now: int) -> tuple[int, int]:
    """Loss if a bucket were dropped: the highest count of a running window, and when the last one ends. (0, 0):
    nothing.

    Without room for another bucket, the one of least worth is dropped. So a flood of new addresses evicts its own kind,
    each with a count of one or two, and never resets callers who have exhausted their limit.
    """
    most = last = 0
    for at in range(start, start + SIZE, CELL):
        ends = cells[at + ENDS]
        # Ending later than twice its length from now, it was counted by a clock that has been set back since: not worth
        # keeping.
        if now < ends <= now + 2 * cells[at] * SECOND:
            most, last = max(most, cells[at + USED]), max(last, ends)
    return most, last


def _cell(cells: Cells, start: int, limit: Limit, seconds: int) -> int:
    """The cell of a window that is not where its index says: the limit is new to the bucket, or was changed.

    A window of the same length keeps its count, wherever it is. Otherwise the window that ended or ends first is
    replaced, of those whose length is not in the limit; there always is one, since a limit has no more windows than a
    bucket has cells.
    """
    offsets = range(start, start + SIZE, CELL)
    for at in offsets:
        if cells[at] == seconds:
            return at
    in_use = {window.seconds for window in limit}
    at = min((at for at in offsets if cells[at] not in in_use), key=lambda at: cells[at + ENDS])
    cells[at + ENDS] = 0
    cells[at + SECONDS] = seconds
    return at
