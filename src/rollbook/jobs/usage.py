"""Flushes usage and request log: each worker those of the requests that it answered."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from rollbook.observe.usage_buffer import UsageBuffer
from rollbook.records import usage
from rollbook.storage.database import Database

logger = logging.getLogger("rollbook")

# Buckets per commit, and how much is prepared per turn of the event loop, in lines (a bucket costs as much as 8): less
# than 0.2 ms.
BATCH, HANDFUL, BUCKET = 512, 512, 8


class UsageFlush:
    PAUSE = 1.5
    """Seconds between flushes: pages lag at most 2 s."""
    # At most 1/8 of the time is spent flushing; after a failure, 3 pauses pass.
    _SHARE, _RETRY = 8, 3

    def __init__(self, db: Database, buffer: UsageBuffer, complete: Callable[[], None]) -> None:
        """`complete` puts into the buffer what was noted and is not in it yet."""
        self._db = db
        self._buffer = buffer
        self._complete = complete
        self._rest = 0  # pauses to skip before the next flush

    async def step(self) -> bool:
        """`flush`, unless that takes too much of the time."""
        if self._rest:
            self._rest -= 1
            return False
        began = time.monotonic()
        try:
            await self.flush()
        except Exception:
            self._rest = self._RETRY
            raise
        self._rest = int((time.monotonic() - began) * self._SHARE / self.PAUSE)
        return False

    async def flush(self) -> None:
        """Store usage and request log. If that fails, the counts are kept for the next attempt; the log lines are
        lost."""
        buffer = self._buffer
        self._complete()
        buffer.flush()
        while buckets := buffer.peek(BATCH):
            batch, done = usage.UsageBatch(), 0
            for bucket in buckets:
                batch.add(bucket)
                done += BUCKET + len(bucket.lines)
                if done >= HANDFUL:
                    await asyncio.sleep(0)
                    done = 0
            buffer.ack(len(buckets))  # from here on the writer owns them, even if we are stopped
            try:
                await self._db.write(usage.add, batch)
            except Exception:
                lost = buffer.requeue(buckets)
                while buckets := buffer.peek(BATCH):
                    buffer.ack(len(buckets))
                    lost += buffer.requeue(buckets)
                logger.warning("%d lines of the request log are lost", lost)
                raise
        if buffer.lost:
            logger.warning(
                "%d requests are missing in the usage of their keys: too many were waiting to be stored", buffer.lost
            )
            buffer.lost = 0
