"""Flushes usage and request log: each worker those of the requests that it answered."""

from __future__ import annotations

import asyncio
import logging
import time

from rollbook.observe.requests import Requests
from rollbook.records import usage
from rollbook.storage.database import Database

logger = logging.getLogger("rollbook")

# Tallies per commit, and how much is prepared per turn of the event loop, in lines (a tally costs as much as 8): less than 0.2 ms.
BATCH, HANDFUL, TALLY = 512, 512, 8


class UsageFlush:
    PAUSE = 1.5
    """Seconds between flushes: pages lag at most 2 s."""
    # At most 1/8 of the time is spent flushing; after a failure, 3 pauses pass.
    _SHARE, _RETRY = 8, 3

    def __init__(self, db: Database, requests: Requests) -> None:
        self._db = db
        self._requests = requests
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
        """Store usage and request log. If that fails, the counts are kept for the next attempt; the log lines are lost."""
        requests = self._requests
        requests.gather()
        while tallies := requests.first(BATCH):
            batch, done = usage.Batch(), 0
            for tally in tallies:
                batch.add(tally)
                done += TALLY + tally.kept
                if done >= HANDFUL:
                    await asyncio.sleep(0)
                    done = 0
            requests.drop(len(tallies))  # from here on the writer owns them, even if we are stopped
            try:
                await self._db.write(usage.add, batch)
            except Exception:
                lost = requests.give_back(tallies)
                while tallies := requests.first(BATCH):
                    requests.drop(len(tallies))
                    lost += requests.give_back(tallies)
                logger.warning("%d lines of the request log are lost", lost)
                raise
        if requests.lost:
            logger.warning(
                "%d requests are missing in the usage of their keys: too many were waiting to be stored", requests.lost
            )
            requests.lost = 0
