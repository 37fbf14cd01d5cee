"""Reads the event log for all webhooks: those that keep up share what was read last, those that are behind read pages of their own."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import islice
from typing import NamedTuple

from rollbook.delivery import payload
from rollbook.delivery.payload import Content, Format
from rollbook.records import event_types, events
from rollbook.records.events import Event, Selection
from rollbook.storage.database import Database

PAGE = 64
"""Events per read."""
CHANGES_OF_WEBHOOKS = frozenset(type for type in event_types.TYPES if type.startswith("webhook."))
SHARED, SHARED_SIZE = 1_024, 16 << 20
"""Events, and characters of them, that are kept for all."""


class Entry:
    """An event, and its bodies in the formats that were asked for."""

    __slots__ = ("_bodies", "event", "read_at")

    def __init__(self, event: Event, read_at: float) -> None:
        self.event = event
        self.read_at = read_at
        """Seconds of the event loop: it may have been erased since."""
        self._bodies: dict[tuple[Format, Content], tuple[str, bytes]] = {}

    def body(self, format: Format, content: Content, source: str) -> tuple[str, bytes]:
        """Its content type, and the body. Raises `payload.Unfit`."""
        found = self._bodies.get((format, content))
        if found is None:
            found = self._bodies[format, content] = payload.body(self.event, format, content, source)
        return found


class Page(NamedTuple):
    entries: list[Entry]
    last: int
    """Up to which number there are no others."""

    @property
    def changed_webhooks_at(self) -> int:
        """The number of the newest event about a webhook: what comes after it is for the webhook as it is since. 0: there is none."""
        return max((entry.event.seq for entry in self.entries if entry.event.type in CHANGES_OF_WEBHOOKS), default=0)


class Pages:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._shared: deque[Entry] = deque()
        self._size = 0
        self._start = self._end = 0
        """What is kept are all events after `start`, up to `end`."""

    async def after(self, seq: int, newest: int, types: frozenset[str] | None, now: float) -> Page:
        """Some of the events after this one, up to `newest`: all of these types, and perhaps others."""
        if self._start <= seq < self._end:
            return self._kept(seq)
        if seq > self._end:
            self._forget(seq)
        asked = Selection(None if seq == self._end else types, after=seq, before=newest + 1)
        read = await self._db.read(events.page, asked, PAGE)
        entries = [Entry(event, now) for event in read.events]
        last = entries[-1].event.seq if read.more else newest
        if seq == self._end:
            self._keep(entries, last)
        return Page(entries, last)

    async def at(self, seq: int, now: float) -> Entry | None:
        """One event. None if it was erased, or is past its retention."""
        read = await self._db.read(events.page, Selection(after=seq - 1, before=seq + 1), 1)
        return Entry(read.events[0], now) if read.events else None

    def _kept(self, seq: int) -> Page:
        first = bisect_right(self._shared, seq, key=lambda entry: entry.event.seq)
        entries = list(islice(self._shared, first, first + PAGE))
        is_all = first + PAGE >= len(self._shared)
        return Page(entries, self._end if is_all else entries[-1].event.seq)

    def _keep(self, entries: list[Entry], last: int) -> None:
        for entry in entries:
            self._shared.append(entry)
            self._size += entry.event.size
        self._end = last
        while len(self._shared) > SHARED or self._size > SHARED_SIZE:
            gone = self._shared.popleft()
            self._size -= gone.event.size
            self._start = gone.event.seq

    def _forget(self, seq: int) -> None:
        self._shared.clear()
        self._size = 0
        self._start = self._end = seq
