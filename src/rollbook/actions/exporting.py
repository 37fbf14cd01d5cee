"""One export at a time: whoever has one running is refused another, and it ends when they may no longer have it. What
is read faster than it is sent waits in a file."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from weakref import finalize

from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require
from rollbook.actions.principal import Principal, as_of_now
from rollbook.errors import ExportRunning, StorageUnavailable
from rollbook.limits.slots import EXPORTING, Slot, UserHasEnough
from rollbook.machine import has_free_disk

PART = 65_536
"""Bytes that are sent at a time."""
CHECKED = 32 << 20
"""Bytes after which the room on the disk is looked at again."""
CHECK = 0.5
"""Seconds between two looks at whether the caller may still have an export."""


class Form(NamedTuple):
    """How a file is written."""

    start: bytes
    part: Callable[[Sequence[Any]], bytes]
    """Writes some of its rows."""


class Download:
    """A long response, which the caller may have as long as they have this scope on the user with the ID `about`, or
    without an ID on all users."""

    def __init__(self, on: Rollbook, by: Principal, scope: str, about: str | None = None) -> None:
        self._on = on
        self._by = by
        self._asked = scope, about
        self._check_at = time.monotonic() + CHECK

    async def check(self) -> None:
        """Check the right to go on; called before each part that is handed out. Raises Unauthorized, Forbidden or
        NotFound when the caller's key was revoked or their session has ended, or their user was suspended, deleted or
        given a role that has no right to it."""
        if time.monotonic() >= self._check_at:
            by = self._by
            caller = await self._on.read(as_of_now, by)
            require(Principal(caller, by.address, by.request_id, by.trace_id), *self._asked)
            self._check_at = time.monotonic() + CHECK


class Turn(Download):
    """The one export that a caller may run: over when it ends, or when no one holds it any more, as when the answer
    never began."""

    def __init__(self, on: Rollbook, by: Principal, scope: str, about: str | None, slot: Slot) -> None:
        super().__init__(on, by, scope, about)
        self.end = finalize(self, slot.leave)


def take_turn(on: Rollbook, by: Principal, scope: str, about: str | None = None) -> Turn:
    """Take the turn of an export that needs this scope on the user with the ID `about`, or without an ID on all users.
    Raises ExportRunning, Overloaded."""
    try:
        slot = on.slots.take(EXPORTING, by.user_id)
    except UserHasEnough:
        raise ExportRunning(1) from None
    return Turn(on, by, scope, about, slot)


def folder_of_files(data: Path) -> Path | None:
    """Folder for files without a name. None: the system's, since on PostgreSQL there may be no data folder."""
    return data if data.is_dir() else None


class Spool:
    """A file without a name that one thread fills and the event loop reads, each at its own speed. It is gone once it
    is closed."""

    def __init__(self, folder: Path, turn: Turn) -> None:
        """Created on the event loop. Raises OSError."""
        # Closed when nothing refers to it.
        self._file = tempfile.TemporaryFile(dir=folder_of_files(folder), buffering=0)  # noqa: SIM115
        self._turn = turn
        self._loop = asyncio.get_running_loop()
        self._changed: asyncio.Future[None] | None = None
        self._size = self._checked_at = 0
        self._is_whole = False
        self._problem: BaseException | None = None
        self.is_closed = False

    def write(self, part: bytes) -> None:
        """From any thread. Raises StorageUnavailable when the disk is nearly full, OSError."""
        if self._size >= self._checked_at:
            if not has_free_disk(self._file.fileno()):
                raise StorageUnavailable("The server's disk has no room for the export.")
            self._checked_at = self._size + CHECKED
        view, at = memoryview(part), self._size
        while view:
            written = os.pwrite(self._file.fileno(), view, at)
            view, at = view[written:], at + written
        self._size = at
        self._loop.call_soon_threadsafe(self._wake)

    def end(self, problem: BaseException | None = None) -> None:
        """Nothing else will be written; or, after this problem, should have been. On the event loop."""
        self._is_whole, self._problem = problem is None, problem
        self._wake()

    def __aiter__(self) -> AsyncGenerator[bytes, None]:
        return self._parts()

    async def aclose(self) -> None:
        self.is_closed = True
        self._turn.end()

    async def _parts(self) -> AsyncGenerator[bytes, None]:
        at = 0
        while True:
            await self._turn.check()
            if at < self._size:
                part = await self._loop.run_in_executor(None, os.pread, self._file.fileno(), PART, at)
                at += len(part)
                yield part
            elif self._is_whole:
                return
            elif self._problem is not None:
                raise self._problem
            else:
                self._changed = self._loop.create_future()
                await self._changed

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)
