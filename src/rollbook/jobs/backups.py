"""Backs up a SQLite database by the schedule or when an owner asks, in a process of its own: the server's has better
things to do."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from pathlib import Path

from rollbook import clock, units
from rollbook.actions import backups
from rollbook.config import Settings

logger = logging.getLogger("rollbook")

PAUSE = 1.0
AGAIN = 300.0
"""Seconds after a failure until the schedule tries again."""


class Backups:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._target = Path()
        self._started = self._not_before = 0.0

    async def step(self) -> bool:
        if self._process is not None:
            if self._process.poll() is not None:
                await asyncio.to_thread(self._ended, self._process)
                self._process = None
        elif backups.is_requested(self._settings) or (
            time.monotonic() >= self._not_before and backups.is_due(self._settings, clock.now())
        ):
            await asyncio.to_thread(self._start)
        return False

    async def stop(self) -> None:
        """The next start begins again."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.communicate)

    def _start(self) -> None:
        self._not_before = time.monotonic() + AGAIN
        self._started = time.monotonic()
        try:
            self._target = backups.begin(self._settings, clock.now())
        except OSError as problem:
            self._failed(f"{backups.folder(self._settings)} can't be written: {problem.strerror}.")
            return
        command = [
            sys.executable,
            "-m",
            "rollbook.jobs.backup_process",
            str(self._settings.sqlite_file),
            str(self._target),
        ]
        # Of its own session: what is typed at the server's terminal is for the server.
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        _, words = process.communicate()
        if process.returncode:
            said = words.decode(errors="replace").strip().splitlines()
            self._failed(said[-1] if said else f"The process ended with exit code {process.returncode}.")
            return
        self._not_before = 0.0
        size = self._target.stat().st_size
        logger.info("backup %s: %s in %.1f s", self._target, units.size(size), time.monotonic() - self._started)
        backups.succeeded(self._settings)

    def _failed(self, reason: str) -> None:
        logger.error("backup failed: %s", reason)
        backups.failed(self._settings, clock.now(), reason)
