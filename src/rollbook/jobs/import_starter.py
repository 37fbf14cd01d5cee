"""Runs the imports whose files this server received, one at a time and each in a process of its own
(`import_process.py`)."""

from __future__ import annotations

import asyncio
import logging
import pickle
import subprocess
import sys
import time
from typing import NamedTuple

from rollbook.actions import imports
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import SYSTEM
from rollbook.errors import ApiError
from rollbook.records.background_jobs import Reason
from rollbook.records.imports import CHANNEL, Import

logger = logging.getLogger("rollbook")

PAUSE = 1.0
MAX_CRASHES = 3
"""The number of times in a row that the process may die without having imported anything."""
CLEAN = 600.0
"""Seconds after which the folder is looked through again."""


class Crashes(NamedTuple):
    """Crashes of an import's process in a row, after the same number of records."""

    import_id: str
    records: int
    times: int


class ImportStarter:
    def __init__(self, on: Rollbook) -> None:
        self._on = on
        self._process: subprocess.Popen[bytes] | None = None
        self._running = ""
        """ID of its import."""
        self._crashes = Crashes("", 0, 0)
        self._cleaned = 0.0
        self.woken = asyncio.Event()
        on.db.listen(CHANNEL, self.woken.set)

    async def step(self) -> bool:
        here = await imports.look_after(self._on)
        if time.monotonic() - self._cleaned > CLEAN or not self._cleaned:
            self._cleaned = time.monotonic()
            await imports.clean_folder(self._on)
        if self._process is not None and self._process.poll() is None:
            if any(job.id == self._running for job in here):
                return False
            await self.stop()  # it was canceled, or is about to end: the next one need not wait
        if here and not await self._has_failed(here[0]):
            self._running = here[0].id
            self._process = await asyncio.to_thread(self._start, self._running)
        return False

    async def stop(self) -> None:
        """The import goes on with the next start, from the batch it was in."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    def _start(self, id: str) -> subprocess.Popen[bytes]:
        # Of its own session: what is typed at the server's terminal is for the server.
        command = [sys.executable, "-m", "rollbook.jobs.import_process"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        assert process.stdin is not None  # it is a pipe, whose end tells the process of ours
        process.stdin.write(pickle.dumps((self._on.settings, id)))
        process.stdin.flush()
        return process

    async def _has_failed(self, job: Import) -> bool:
        """Test whether it was tried often enough."""
        id, records, times = self._crashes
        times = times + 1 if (id, records) == (job.id, job.records) else 1
        self._crashes = Crashes(job.id, job.records, times)
        if self._process is None or self._process.returncode == 0 or times <= MAX_CRASHES:
            return False
        logger.error("import %s: the process died %d times after record %d", job.id, MAX_CRASHES, job.records)
        error = f"The process that imports died again and again after record {job.records:,}. See the server's log."
        await imports.finish(self._on, SYSTEM.actor, job.id, "failed", Reason(error, ApiError.code))
        return True
