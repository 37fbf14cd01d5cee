"""Does bulk jobs, some parts at a time: those of different creators in turn."""

from __future__ import annotations

import asyncio
import logging
import time

from rollbook.actions import bulk_jobs
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import SYSTEM
from rollbook.errors import ApiError
from rollbook.records.bulk_jobs import CHANNEL

logger = logging.getLogger("rollbook")

PAUSE = 1.0
TURN = 0.05
"""Seconds after which a job leaves its turn to that of another creator, and the database to others."""
MAX_FAILURES = 3
"""The number of times in a row that a part of a job may fail for a reason that no one has thought of."""


class BulkJobs:
    def __init__(self, on: Rollbook) -> None:
        self._on = on
        self._last = ""
        """ID of the job whose turn it was."""
        self._failures: dict[str, int] = {}
        self.woken = asyncio.Event()
        on.db.listen(CHANNEL, self.woken.set)

    async def step(self) -> bool:
        """Returns whether there is more."""
        jobs = await bulk_jobs.under_way(self._on)
        if not jobs:
            return False
        self._last = next((id for id in jobs if id > self._last), jobs[0])
        try:
            until = time.monotonic() + TURN
            while await bulk_jobs.run_part(self._on, self._last) and time.monotonic() < until:
                pass
        except ApiError:
            raise  # the database is unavailable or busy
        except Exception:
            await self._failed(self._last)
            raise
        self._failures.pop(self._last, None)
        return True

    async def _failed(self, id: str) -> None:
        self._failures = {id: self._failures.get(id, 0) + 1}
        if self._failures[id] == MAX_FAILURES:
            error = ApiError("An unexpected error occurred on the server. See its log.")
            await bulk_jobs.fail(self._on, SYSTEM.actor, id, error)
