"""Fan-out of new events to the stream and long-poll clients of this process. Closes clients that lose access."""

from __future__ import annotations

import asyncio
import logging

from rollbook import clock
from rollbook.actions.event_reader import Entry, EventReader
from rollbook.actions.event_tail import Tail, settle
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
from rollbook.records import auth_version, events
from rollbook.records.events import EventPage, Selection
from rollbook.storage.database import Database

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
        """Of the callers, when this one was looked up."""
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
        asked = self._selection
        wanted = (asked.types is None or not asked.types.isdisjoint(types)) and (
            asked.user_id is None or asked.user_id in user_ids
        )
        if wanted or self.seq < before:
            self.wake()
        else:
            self.seq = max(self.seq, self._feeds.end)

    def end(self, problem: ApiError) -> None:
        """The caller may follow no longer."""
        self.problem = problem
        self.wake()

    def _recent(self) -> list[Entry]:
        found: list[Entry] = []
        size = 0
        for entry in self._feeds.reader.since(self.seq):
            self.seq = entry.event.seq
            if events.selects(self._selection, entry.event):
                found.append(entry)
                size += entry.event.size
                if size > PART:
                    return found
        self.seq = max(self.seq, self._feeds.reader.end)
        return found


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
        version = await auth_version.read(self._db)
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
