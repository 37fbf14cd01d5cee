"""Reads the event log once for all clients and webhooks of this process, and keeps its newest events for those that are
a little behind."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar

from rollbook.records import events
from rollbook.records.events import Event, Selection
from rollbook.storage.database import Database

T = TypeVar("T")

BATCH = 64
"""Events per read."""
RECENT, RECENT_SIZE = 1_024, 16 << 20
"""Events, and characters of them, that are kept."""


class Entry:
    """An event, and what was made of it, such as its body in a format."""

    __slots__ = ("_made", "event", "read_at")

    def __init__(self, event: Event, read_at: float) -> None:
        self.event = event
        self.read_at = read_at
        """Seconds of the event loop: the event may have been erased since."""
        self._made: dict[Hashable, Any] = {}

    def find(self, key: Hashable) -> Any:
        """The result of `made` with this key; None if nothing was made."""
        return self._made.get(key)

    def made(self, key: Hashable, make: Callable[[Event], T]) -> T:
        """The result of `make`, which is called once for all that ask with this key."""
        if key not in self._made:
            self._made[key] = make(self.event)
        return self._made[key]


class Batch(NamedTuple):
    entries: list[Entry]
    last: int
    """Up to which number there are no others."""
    more: bool
    """True if there are known to be events after it."""


class EventReader:
    """One for each process. `start` and `end`: all events after the first of these numbers, up to the second, are
    kept."""

    def __init__(self, db: Database) -> None:
        self.start = self.end = 0
        self._db = db
        self._recent: list[Entry] = []
        self._size = 0

    async def after(self, seq: int, types: frozenset[str] | None = None) -> Batch:
        """Some of the events after this one: all of these types, and perhaps others."""
        if self.start <= seq < self.end:
            return self._kept(seq)
        if seq > self.end:
            self.forget(seq)
        now = asyncio.get_running_loop().time()
        if seq < self.start:  # up to what is kept
            page = await self._db.read(events.page, Selection(types, after=seq, before=self.start + 1), BATCH)
        else:
            page = await self._db.read(events.page, Selection(after=seq), BATCH)
        more = page.more or page.position == self.start > seq
        batch = Batch([Entry(event, now) for event in page.events], max(seq, page.position), more)
        if seq == self.end:  # and no one else was faster
            self._keep(batch)
        return batch

    async def at(self, seq: int) -> Entry | None:
        """One event. None if it was erased, or is past its retention."""
        now = asyncio.get_running_loop().time()
        event = await self._db.read(events.at, seq)
        return None if event is None or event.is_erased else Entry(event, now)

    def since(self, seq: int) -> list[Entry]:
        """The events after this one that are kept."""
        return self._recent[bisect_right(self._recent, seq, key=_seq) :]

    def forget(self, seq: int) -> None:
        """Keep nothing, and go on after this event."""
        self._recent, self._size = [], 0
        self.start = self.end = seq

    def _kept(self, seq: int) -> Batch:
        first = bisect_right(self._recent, seq, key=_seq)
        entries = self._recent[first : first + BATCH]
        more = first + BATCH < len(self._recent)
        return Batch(entries, entries[-1].event.seq if more else self.end, more)

    def _keep(self, new: Batch) -> None:
        if erased := {
            entry.event.user_id for entry in new.entries if entry.event.type == "user.purged"
        }:  # what was erased is not sent
            self._recent = [entry for entry in self._recent if entry.event.user_id not in erased]
        self._recent += new.entries
        self.end = new.last
        self._size = _size(self._recent) if erased else self._size + _size(new.entries)
        gone = max(0, len(self._recent) - RECENT)
        size = self._size - _size(self._recent[:gone])
        while size > RECENT_SIZE:
            size -= self._recent[gone].event.size
            gone += 1
        if gone:
            self.start = self._recent[gone - 1].event.seq
            del self._recent[:gone]
        self._size = size


def _seq(entry: Entry) -> int:
    return entry.event.seq


def _size(entries: list[Entry]) -> int:
    return sum(entry.event.size for entry in entries)
