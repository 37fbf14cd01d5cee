"""Fan-out of new events to the stream and long-poll clients of this process. Closes clients that lose access.

Reads the event log once for all clients and webhooks of this process, and keeps its newest events for those that are
a little behind.

Tells those who wait that the event log has grown: at once after a commit of this process, a few milliseconds after
one of others.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar

from rollbook import clock
from rollbook.actions.principal import Principal, as_of_now
from rollbook.errors import (
    ApiError,
    ExpiredKey,
    Forbidden,
    InsufficientScope,
    Stopping,
    TooManyStreams,
    Unauthorized,
)
from rollbook.limits.slots import FOLLOWING, Slot, Slots, UserHasEnough
from rollbook.records import events, marks
from rollbook.records.events import Event, EventPage, Selection
from rollbook.storage.database import Database

PAUSE = 0.02
"""Seconds between two looks at the log: other workers and servers commit without a word to this process."""
GAP = 0.005
"""Seconds between two looks at least, so that thousands of commits a second cost no more looks than 200."""
MAX_PAUSE = 1.0
"""The longest pause while the database fails; it doubles from PAUSE on."""


class Tail:
    """One for each process. It looks at the log only while someone waits."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._newest = 0
        self._waiting: dict[asyncio.Future[bool], int] = {}
        """With the number that the log must exceed."""
        self._task: asyncio.Task[None] | None = None
        self._pause: asyncio.Future[bool] | None = None
        self._woken = False
        self._looked_at = 0.0
        db.listen(events.CHANNEL, self._wake)

    async def changed(self, seq: int, seconds: float) -> bool:
        """Wait until there is an event after the one with this number: all that `events.newest` counts can be read by
        then. False if there is none within so many seconds. Needs no task around it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(seconds, settle, future, False)
        self._waiting[future] = seq
        if self._task is None:
            self._task = loop.create_task(self._watch())
        try:
            return await future
        finally:
            timer.cancel()
            self._waiting.pop(future, None)

    def stop(self) -> None:
        """Stop looking at the log."""
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        pause = PAUSE
        try:
            while self._waiting:
                if (ahead := self._looked_at + GAP - asyncio.get_running_loop().time()) > 0:
                    await asyncio.sleep(ahead)
                pause = PAUSE if await self._look(pause) else min(2 * pause, MAX_PAUSE)
                if self._waiting:
                    await self._rest(pause)
        finally:
            self._task = None

    async def _look(self, pause: float) -> bool:
        """False if the database failed, which is logged once."""
        self._woken = False
        self._looked_at = asyncio.get_running_loop().time()
        try:
            # As the database has it, even if that is less than before: what a lost server had acknowledged may be gone.
            self._newest = await events.newest(self._db)
        except Exception as problem:
            if pause == PAUSE:
                expected = isinstance(problem, ApiError | OSError)
                logger.warning("the event log cannot be read at the moment: %s", problem, exc_info=not expected)
            return False
        for future, seq in self._waiting.items():
            if self._newest > seq:
                settle(future, True)
        return True

    async def _rest(self, seconds: float) -> None:
        """Wait until so many seconds have passed, or something was committed here."""
        loop = asyncio.get_running_loop()
        self._pause = loop.create_future()
        timer = loop.call_later(0 if self._woken else seconds, settle, self._pause, True)
        try:
            await self._pause
        finally:
            timer.cancel()
            self._pause = None

    def _wake(self) -> None:
        """Something was committed by this process."""
        if self._task is not None and not self._woken:
            self._woken = True
            if self._pause is not None:
                settle(self._pause, True)


def settle(future: asyncio.Future[bool], value: bool) -> None:
    if not future.done():
        future.set_result(value)


T = TypeVar("T")


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


logger = logging.getLogger("rollbook")

BATCH = 64
"""Events that are read at once for a client who is far behind."""
PART = 64 << 10
"""About as many characters of events are handed to a follower at once."""
CHECK = 0.25
"""Seconds between two looks at whether a key or user has changed."""
RECHECK = 0.5
"""Seconds between two times that all callers are looked up again: changes of keys and users may never stop."""
AGAIN = 0.5
"""Seconds until the next try when the database failed."""


class Feed:
    """One who follows the log, from the event after `seq` on."""

    def __init__(self, feeds: Feeds, by: Principal, selection: Selection, seq: int, slot: Slot) -> None:
        self.by = by
        self.slot = slot
        self.seq = seq
        """Up to here the log has been read for this follower: what it asked for was handed over."""
        self.is_closed = False
        self.problem: ApiError | None = None
        """The reason why the caller may follow no longer."""
        self.ends_at = by.caller.ends_at
        self.version = -1
        """Version of the callers when this one was looked up."""
        self._feeds = feeds
        self._selection = selection
        self._waits: asyncio.Future[bool] | None = None

    async def read(self) -> list[Entry]:
        """The next events, oldest first; none if there are none yet, or it is closed. Raises what ended it,
        PositionExpired if retention was faster than the reader, StorageUnavailable."""
        while not self.is_closed:
            if self.problem is not None:
                raise self.problem
            if self.seq >= self._feeds.reader.start:
                return self._recent()
            before = self.seq
            page = await self.page(BATCH)
            if page.events or self.seq == before:
                now = asyncio.get_running_loop().time()
                return [Entry(event, now) for event in page.events]
        return []

    async def page(self, limit: int) -> EventPage:
        """The next events from the log itself. Raises as `read` does."""
        if self.problem is not None:
            raise self.problem
        page = await self._feeds.page(self._selection._replace(after=self.seq), limit)
        self.seq = page.position
        return page

    async def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for new events. Returns False on timeout. Doesn't need a task of its own."""
        if self.is_closed or self.problem is not None or self.seq < self._feeds.end:
            await asyncio.sleep(0)  # who reads and waits in turn leaves room for others
            return True
        loop = asyncio.get_running_loop()
        self._waits = loop.create_future()
        timer = loop.call_later(seconds, settle, self._waits, False)
        try:
            return await self._waits
        finally:
            timer.cancel()
            self._waits = None

    def close(self) -> None:
        """No one reads it any longer."""
        if not self.is_closed:
            self.is_closed = True
            self._feeds.remove(self)
            self.wake()

    def wake(self) -> None:
        if self._waits is not None:
            settle(self._waits, True)

    def offer(self, before: int, types: set[str], user_ids: set[str]) -> None:
        """There are new events after `before`, of these types and about these users: it is woken, or has read them if
        it wants none."""
        selection = self._selection
        concerns = (selection.types is None or not selection.types.isdisjoint(types)) and (
            selection.user_id is None or selection.user_id in user_ids
        )
        if concerns or self.seq < before:
            self.wake()
        else:
            self.seq = max(self.seq, self._feeds.end)

    def end(self, problem: ApiError) -> None:
        """The caller may follow no longer."""
        self.problem = problem
        self.wake()

    def _recent(self) -> list[Entry]:
        entries: list[Entry] = []
        size = 0
        for entry in self._feeds.reader.since(self.seq):
            self.seq = entry.event.seq
            if events.selects(self._selection, entry.event):
                entries.append(entry)
                size += entry.event.size
                if size > PART:
                    return entries
        self.seq = max(self.seq, self._feeds.reader.end)
        return entries


class Feeds:
    """All of a process. It reads nothing while there are none."""

    def __init__(self, db: Database, tail: Tail, reader: EventReader, slots: Slots) -> None:
        self.reader = reader
        self.end = 0
        """Up to this number, events were offered to all."""
        self._db = db
        self._tail = tail
        self._slots = slots
        self._all: set[Feed] = set()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._check_at = 0.0
        self._recheck_at = 0.0

    def __len__(self) -> int:
        return len(self._all)

    def add(self, by: Principal, selection: Selection, seq: int, newest: int) -> Feed:
        """Open a feed for a caller who may read events, from the event after `seq` on, where the log had been read up
        to `newest` a moment ago. To be closed. Raises TooManyStreams, Overloaded, Stopping."""
        if self._closed:
            raise Stopping()
        try:
            slot = self._slots.take(FOLLOWING, by.user_id)
        except UserHasEnough:
            raise TooManyStreams(10) from None
        feed = Feed(self, by, selection, seq, slot)
        self._all.add(feed)
        if self._task is None:
            self.end = newest
            if self.reader.end < newest:
                self.reader.forget(newest)
            self._task = asyncio.get_running_loop().create_task(self._run())
        return feed

    def remove(self, feed: Feed) -> None:
        self._all.discard(feed)
        feed.slot.leave()

    @property
    def is_closed(self) -> bool:
        """Test whether the server stops."""
        return self._closed

    def close(self) -> None:
        """The server stops."""
        self._closed = True
        for feed in list(self._all):
            feed.close()

    async def page(self, selection: Selection, limit: int) -> EventPage:
        """Raises PositionExpired where retention has removed what comes after `selection.after`."""
        read = self._db.read if selection.is_indexed else self._db.read_aside
        return await read(events.follow, selection, limit)

    async def _run(self) -> None:
        has_failed = False
        try:
            while self._all:
                try:
                    if has_failed:
                        self._shorten(await events.newest(self._db))
                        has_failed = False
                    if await self._tail.changed(self.end, CHECK):
                        await self._read()
                    await self._check()
                except Exception as problem:
                    if not isinstance(problem, ApiError):
                        logger.exception("following the event log failed")
                    has_failed = True
                    await asyncio.sleep(AGAIN)
        finally:
            self._task = None

    async def _read(self) -> None:
        """All that there is by now."""
        more = True
        while more:
            batch = await self.reader.after(self.end)
            before, self.end, more = self.end, batch.last, batch.more
            types = {entry.event.type for entry in batch.entries}
            user_ids = {entry.event.user_id for entry in batch.entries}
            for feed in list(self._all):
                feed.offer(before, types, user_ids)

    def _shorten(self, newest: int) -> None:
        """After a failure: a server that took over may lack events that were acknowledged, and give their numbers to
        others."""
        if newest < max(self.end, self.reader.end):
            self.end = newest
            self.reader.forget(newest)
            for feed in self._all:
                feed.seq = min(feed.seq, newest)

    async def _check(self) -> None:
        """End those whose key was revoked or has expired, or whose user was suspended, deleted or got a lower role."""
        now = asyncio.get_running_loop().time()
        if now < self._check_at:
            return
        self._check_at = now + CHECK
        for feed in self._all:
            if feed.ends_at <= clock.now():
                feed.end(ExpiredKey())
        if now < self._recheck_at:
            return
        version = await marks.auth_version(self._db)
        due: dict[tuple[str | None, ...], list[Feed]] = {}
        for feed in self._all:
            if feed.version != version:
                by = feed.by
                due.setdefault((by.user_id, by.key_id, by.session_id, by.address), []).append(feed)
        if due:
            self._recheck_at = now + RECHECK
        for some in due.values():
            await self._recheck(some, version)

    async def _recheck(self, some: list[Feed], version: int) -> None:
        """Check the access of feeds with the same key and address again."""
        try:
            caller = await as_of_now(self._db, some[0].by)
            if "events:read" not in caller.scopes_on_all:
                raise InsufficientScope(scope="events:read")
        except (Unauthorized, Forbidden) as problem:
            for feed in some:
                feed.end(problem)
        else:
            for feed in some:
                feed.version, feed.ends_at = version, caller.ends_at
        await asyncio.sleep(0)  # others of this process go on in between
