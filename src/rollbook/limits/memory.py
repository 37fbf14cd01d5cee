"""Counts of one process, in its own memory: for a server with one worker."""

from __future__ import annotations

from collections import deque

from rollbook.limits.windows import SIZE, UNLIMITED, Left, Places, Verdict, clear, look, seen, settle, undo, worth
from rollbook.quota import NO_LIMIT, Limit

_EMPTY = [0] * SIZE
_CANDIDATES = 16


class Memory:
    """The numbers of all buckets stand in one list, which spares the garbage collector an object for each.

    The names stand in a ring. Each new one makes the ring's hand look at the next two and drop those with no window running, so
    there are never more than about twice as many as were in use at once, and no single request pays for a sweep.
    """

    def __init__(self, capacity: int = 262_144) -> None:
        self.evicted = 0
        self._capacity = capacity
        self._cells: list[int] = []
        self._starts: dict[str, int] = {}
        self._free: list[int] = []
        self._ring: deque[str] = deque()

    def __len__(self) -> int:
        return len(self._starts)

    async def take(self, bucket: str, limit: Limit, now: int, own: str | None = None, own_limit: Limit = NO_LIMIT) -> Verdict:
        left: Left = []
        places: Places = []
        cells, starts = self._cells, self._starts
        before = len(starts)
        room = True
        if limit:
            start = starts.get(bucket)
            room = look(cells, self._add(bucket) if start is None else start, limit, now, left, places)
        if own_limit and own is not None:
            start = starts.get(own)
            room = look(cells, self._add(own) if start is None else start, own_limit, now, left, places) and room
        if not left:
            return UNLIMITED
        verdict = settle(cells, left, places, room)
        if len(starts) > before:  # only now: a bucket is not to be swept between being made and being counted in
            self._sweep(now)
        return verdict

    async def give_back(self, bucket: str, limit: Limit, now: int, at: int = 0) -> None:
        start = self._starts.get(bucket)
        if start is not None:
            undo(self._cells, start, limit, now)

    async def peek(self, bucket: str, limit: Limit, now: int) -> tuple[tuple[int, int], ...]:
        start = self._starts.get(bucket)
        return limit if start is None else seen(self._cells, start, limit, now)

    def _add(self, bucket: str) -> int:
        if self._free:
            start = self._free.pop()
            clear(self._cells, start)
        else:
            start = len(self._cells)
            self._cells.extend(_EMPTY)
        self._starts[bucket] = start
        self._ring.append(bucket)
        return start

    def _sweep(self, now: int) -> None:
        ring = self._ring
        for _ in range(2):
            if worth(self._cells, self._starts[ring[0]], now) == (0, 0):
                self._drop(ring.popleft())
            else:
                ring.rotate(-1)
        while len(ring) > self._capacity:
            self._evict(now)

    def _evict(self, now: int) -> None:
        """Full of running windows, as a flood of addresses makes it: forget the one of least worth among the next few."""
        candidates = [self._ring.popleft() for _ in range(min(_CANDIDATES, len(self._ring)))]
        worths = {bucket: worth(self._cells, self._starts[bucket], now) for bucket in candidates}
        least = min(candidates, key=worths.__getitem__)
        self.evicted += worths[least] != (0, 0)
        self._drop(least)
        self._ring.extend(bucket for bucket in candidates if bucket != least)

    def _drop(self, bucket: str) -> None:
        self._free.append(self._starts.pop(bucket))
