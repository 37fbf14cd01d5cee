"""Sends a part of the event log to a webhook again: a second cursor, which does not wait for what fails."""

from __future__ import annotations

from collections import deque

from rollbook.actions.event_feeds import BATCH, Entry
from rollbook.jobs.webhooks.target import Target
from rollbook.records import event_types, events
from rollbook.records.events import Event, Selection
from rollbook.records.webhooks import deliveries, replays
from rollbook.records.webhooks.replays import Progress
from rollbook.storage.database import Database

SOON = 16
"""Events in memory below which more are read."""


class ReplayRun:
    def __init__(self, stored: replays.Replay, target: Target) -> None:
        self.id = stored.id
        self.trigger = stored.trigger
        self.queue: deque[Entry] = deque()
        self._stored = stored
        self._types = event_types.selected(stored.types.split()) if stored.types else target.types
        self._skips_imports = target.skips_imports and stored.trigger == "replay"
        self._read = stored.next_seq - 1
        self._unfinished: dict[int, None] = {}
        self._outcomes: dict[int, bool] = {}
        """Outcomes of events after one that is unfinished: they are counted when that is done, since until then they
        may be sent again."""
        self._delivered = self._failed = 0
        self._stored_seq = stored.next_seq

    @property
    def wants_more(self) -> bool:
        return len(self.queue) < SOON and self._read < self._stored.last_seq

    @property
    def has_moved(self) -> bool:
        return self._next_seq != self._stored_seq

    @property
    def is_done(self) -> bool:
        return self._next_seq > self._stored.last_seq

    async def read(self, db: Database, now: float) -> None:
        """Some more of its events."""
        stored = self._stored
        selection = Selection(self._types, stored.user_id or None, self._read, stored.last_seq + 1)
        page = await (db.read if selection.is_indexed else db.read_aside)(events.page, selection, BATCH)
        for event in page.events:
            if await self._is_selected(db, event):
                self._unfinished[event.seq] = None
                self.queue.append(Entry(event, now))
        self._read = page.position if page.more else stored.last_seq

    async def _is_selected(self, db: Database, event: Event) -> bool:
        stored = self._stored
        if event.is_erased or (self._skips_imports and events.is_of_import(event)):
            return False
        if stored.selection == "all":
            return True
        outcomes = await deliveries.outcomes_of(db, stored.webhook_id, event.user_id, event.seq)
        return "delivered" not in outcomes and (stored.selection == "undelivered" or bool(outcomes))

    def finished(self, seq: int, is_delivered: bool | None) -> None:
        """Note that an event is done; None: it was erased."""
        del self._unfinished[seq]
        if is_delivered is not None:
            self._outcomes[seq] = is_delivered

    def progress(self, now: int) -> Progress:
        """Since this was asked the last time."""
        next_seq = self._stored_seq = self._next_seq
        counted = [self._outcomes.pop(seq) for seq in list(self._outcomes) if seq < next_seq]
        delivered, failed = self._delivered + sum(counted), self._failed + len(counted) - sum(counted)
        self._delivered = self._failed = 0
        status, finished_at = ("done", now) if self.is_done else ("running", None)
        return Progress(next_seq, delivered, failed, status, finished_at, self.id)

    def put_back(self, progress: Progress) -> None:
        """Take back progress that could not be stored."""
        self._delivered += progress.delivered
        self._failed += progress.failed
        self._stored_seq = 0

    @property
    def _next_seq(self) -> int:
        return next(iter(self._unfinished), self._read + 1)
