"""Tells those who wait that the event log has grown: at once after a commit of this process, a few milliseconds after
one of others."""

from __future__ import annotations

import asyncio
import logging

from rollbook.errors import ApiError
from rollbook.records import events
from rollbook.storage.database import Database

logger = logging.getLogger("rollbook")

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
