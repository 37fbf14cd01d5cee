"""Heap of the blocked lanes of a webhook, by when each is due, with changes that are not stored yet."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from rollbook.records.webhooks import cursors


class Lane:
    __slots__ = ("attempts", "failed_at", "is_busy", "name", "next_at", "outcome", "passed", "seq")

    def __init__(self, stored: cursors.StoredLane, passed: int) -> None:
        self.name, self.seq, self.attempts, self.next_at, self.failed_at, self.outcome = stored
        self.passed = passed
        """The last event up to which some of the lane may have been passed over: they wait for the head."""
        self.is_busy = False
        """Its head is on the wire."""

    @property
    def stored(self) -> cursors.StoredLane:
        return cursors.StoredLane(self.name, self.seq, self.attempts, self.next_at, self.failed_at, self.outcome)


class Lanes:
    def __init__(self, stored: Iterable[cursors.StoredLane], passed: int) -> None:
        """`passed` is the cursor: events up to it have been passed over."""
        self._all = {each.lane: Lane(each, passed) for each in stored}
        self._due = [(lane.next_at, lane.name) for lane in self._all.values()]
        heapq.heapify(self._due)
        self._changed: set[str] = set()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._all.values())

    @property
    def have_changed(self) -> bool:
        return bool(self._changed)

    def get(self, name: str) -> Lane | None:
        return self._all.get(name)

    def add(self, stored: cursors.StoredLane, passed: int) -> Lane:
        lane = self._all[stored.lane] = Lane(stored, passed)
        self.changed(lane)
        return lane

    def remove(self, lane: Lane) -> None:
        del self._all[lane.name]
        self._changed.add(lane.name)

    def changed(self, lane: Lane) -> None:
        """Its head, or when that is due."""
        self._changed.add(lane.name)
        self._push(lane)

    def hurry(self, now: int) -> None:
        """All are due."""
        for lane in self._all.values():
            if lane.next_at > now:
                lane.next_at = now
                self.changed(lane)

    @property
    def next_at(self) -> int | None:
        """Time at which the next lane is due that is not on the wire."""
        while self._due:
            at, name = self._due[0]
            lane = self._all.get(name)
            if lane is not None and not lane.is_busy and lane.next_at == at:
                return at
            heapq.heappop(self._due)
        return None

    def take(self) -> Lane:
        """The one that is due at `next_at`. It is on the wire from now on, until `put_back`."""
        lane = self._all[heapq.heappop(self._due)[1]]
        lane.is_busy = True
        return lane

    def put_back(self, lane: Lane) -> None:
        lane.is_busy = False
        if self._all.get(lane.name) is lane:
            self._push(lane)

    def take_changes(self) -> tuple[list[cursors.StoredLane], list[str]]:
        """Lanes to store, and the names of lanes to remove."""
        changed, self._changed = self._changed, set()
        return [self._all[name].stored for name in changed if name in self._all], [
            name for name in changed if name not in self._all
        ]

    def restore_changes(self, stored: Iterable[cursors.StoredLane], removed: Iterable[str]) -> None:
        """They could not be stored."""
        self._changed.update([lane.lane for lane in stored], removed)

    def _push(self, lane: Lane) -> None:
        if len(self._due) > 2 * len(self._all) + 64:  # most of it is out of date
            self._due = [(each.next_at, each.name) for each in self._all.values()]
            heapq.heapify(self._due)
        else:
            heapq.heappush(self._due, (lane.next_at, lane.name))
