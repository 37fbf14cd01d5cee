"""Loads a file of users into a data folder, with a bar at a terminal and refused lines on standard error."""

from __future__ import annotations

import gc
import io
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

from rollbook.actions import imports
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import CLI
from rollbook.api.import_lines import batches
from rollbook.cli.progress import bar
from rollbook.config import Settings
from rollbook.first_start import open_database

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STDIN = Path("-")


class Summary(Struct):
    added: int = 0
    refused: int = 0
    seconds: float = 0.0


def load(settings: Settings, file: Path, summary: Summary) -> None:
    """Add the users of a file (`-`: standard input), counting in `summary`. What was added stays when it ends early.

    Raises ApiError, DatabaseUnusable, OSError.
    """
    # Rows by the million, none of which refers to itself: looking for such garbage among them would be a seventh of the work.
    gc.disable()
    with _open(file) as source, closing(open_database(settings)) as db:
        on = Rollbook(settings, db)
        size = file.stat().st_size if file != STDIN and file.is_file() else None
        began = time.perf_counter()
        with bar("Loading", size) as (say, show):
            for batch in batches(on, CLI, source):
                with _uninterrupted():
                    taken = on.run(imports.add(on, CLI, batch.users)) if batch.users else []
                    summary.added += len(batch.users) - len(taken)
                refused = [*batch.refused, *[(batch.lines[at], problem.message) for at, problem in taken]]
                for line, reason in sorted(refused):
                    say(f"line {line}: {reason}")
                summary.refused += len(refused)
                summary.seconds = time.perf_counter() - began
                show(batch.bytes, f"{summary.added:,} users, {summary.added / summary.seconds:,.0f}/s")
        if summary.added:
            done = 0
            with bar("Indexing for search", summary.added) as (_, show):
                while indexed := on.run(imports.index(on)):
                    done += indexed
                    show(done, f"{done:,} users")


@contextmanager
def _open(file: Path) -> Iterator[BinaryIO]:
    heard, wake = os.pipe2(os.O_NONBLOCK)
    before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        with _Source(0 if file == STDIN else file, heard) as source, io.BufferedReader(source, 1 << 20) as buffered:
            yield buffered
    finally:
        signal.set_wakeup_fd(before)
        os.close(heard)
        os.close(wake)


class _Source(io.FileIO):
    """A file whose reads end with Ctrl-C, also with one that comes just before: Python acts on a signal between two steps of its own, and a
    read that it has begun by then waits for input as if nothing had happened. `heard` is a pipe into which each signal writes at once."""

    def __init__(self, file: int | Path, heard: int) -> None:
        super().__init__(file, closefd=file != 0)
        self._heard = heard

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        while self not in select.select([self, self._heard], (), ())[0]:
            os.read(self._heard, 64)
        return super().readinto(buffer)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits for the end of this block, so that what was written is counted."""
    asked = False

    def note(number: int, frame: object) -> None:
        nonlocal asked
        asked = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt
