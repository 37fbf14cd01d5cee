"""Imports a file of users from its first record to its last, or from where it was interrupted: for jobs, and for the
command line. A process of its own reads and checks the records of the next batch while one is written."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, BinaryIO, NamedTuple

from rollbook.actions import import_writer
from rollbook.actions.arguments.imports import ImportOptions
from rollbook.actions.context import Rollbook
from rollbook.actions.import_writer import Batches, BatchResult, Importer, Row
from rollbook.actions.principal import Principal
from rollbook.errors import ApiError, Unavailable
from rollbook.records.import_rows import FileFacts
from rollbook.records.imports import Counts
from rollbook.records.user_imports import BATCH, FileKeys
from rollbook.sources.reading import Broken, Reading

SLICE = 100
"""Records that are read before the clock is looked at."""
PROGRESS = 1.0
"""Seconds after which progress is written though the batch is not full, and it is noticed that an import was
canceled."""
NICENESS = 19
"""Nice value that reading and checking rows for a job adds to the server's: the lowest priority."""
SWITCH = 0.0002
"""Seconds after which a thread that waits for the interpreter gets it."""


class ReaderLost(Exception):
    """The process that reads the file has died. What was imported by then stays."""


class Part(NamedTuple):
    """A batch that the process which reads has come to."""

    rows: list[tuple[Any, ...]]
    bytes_read: int
    facts: FileFacts
    is_over: bool
    problem: Exception | None
    """The reason why the file can't be read on."""


class Run:
    """One import of a file. `counts` are what has been done by now, of earlier runs too, `bytes_read` how much of the
    file, `facts` what is known about it."""

    def __init__(
        self,
        on: Rollbook,
        file: BinaryIO,
        options: ImportOptions,
        id: str,
        *,
        runner: str | None = None,
        counts: Counts | None = None,
        batch: int = BATCH,
        keys: FileKeys | None = None,
    ) -> None:
        """`runner` is the process that writes a job's progress; None: no job. `batch` are the records of a transaction,
        at most."""
        self.bytes_read = 0
        self._on = on
        self._importer = Importer(on, options, id, runner, counts, keys)
        self._reading = Reading(file, options, on.settings.password_min_length, self._importer.counts.records)
        self._importer.raw = self.raw = self._reading.raw
        self.facts = self._reading.facts
        self.unit = "record" if self.facts.format == "json" else "line"
        self._batches = Batches(on.settings, options, batch, self.unit)
        self._niceness = 0 if runner is None else NICENESS

    @property
    def counts(self) -> Counts:
        return self._importer.counts

    def steps(
        self, caller: Callable[[], Principal], guard: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> Iterator[BatchResult]:
        """Import a batch, and again. `caller` says as whom, and is asked before each; writing happens within a `guard`.

        Raises ApiError when the import can't go on, ReaderLost: what was imported by then stays.
        """
        # The thread that writes works mostly without the interpreter. When it needs it, it should not have to wait for
        # 5 ms.
        sys.setswitchinterval(SWITCH)
        by = checked = caller()
        with closing(self._importer), self._reader(checked) as reader:
            while True:
                part = _received(reader)
                self.bytes_read, self.facts = part.bytes_read, part.facts
                if part.rows or not (part.is_over or part.problem):
                    by = caller()
                    if (by.role, by.caller.scopes_on_all) != (checked.role, checked.caller.scopes_on_all):
                        raise Unavailable("The role or API key of whoever imports was changed.")
                    batch = [Row.unpacked(values) for values in part.rows]
                    with guard():
                        step = self._on.run(self._write(by, batch))
                    yield step
                if part.problem is not None:
                    raise part.problem
                if part.is_over:
                    return

    async def _write(self, by: Principal, batch: list[Row]) -> BatchResult:
        step = await self._importer.write(by, batch, self.bytes_read)
        with suppress(ApiError):  # the next batch will say it
            await import_writer.tidy(self._on)
        return step

    @contextmanager
    def _reader(self, by: Principal) -> Iterator[Connection]:
        """A process that sends `Part`s, until it has sent the last one. It ends with ours, however that ends."""
        # Rows by the million, none of which refers to itself: looking for such garbage among them would be a seventh of
        # the work.
        gc.disable()
        ours, its = Pipe()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl+C is for us, who end it
        if not (id := os.fork()):
            try:
                ours.close()
                os.nice(self._niceness)
                threading.Thread(target=_end_with_parent, args=(its,), daemon=True).start()
                for part in self._parts(by):
                    its.send_bytes(pickle.dumps(part, 5))
            finally:
                os._exit(0)
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            its.close()
            yield ours
        finally:
            ours.close()
            os.kill(id, signal.SIGKILL)
            os.waitpid(id, 0)

    def _parts(self, by: Principal) -> Iterator[Part]:
        reading, batches = self._reading, self._batches
        problem: Exception | None = None
        while not (problem or (reading.is_over and batches.is_empty)):
            until = time.monotonic() + PROGRESS
            try:
                while not (batches.is_full or reading.is_over) and time.monotonic() < until:
                    for record in reading.some(SLICE):
                        batches.add(by, record)
                        if batches.is_full:
                            break
            except (ApiError, OSError) as found:
                problem = found
            except Exception as bug:  # not with its text, which may quote a cell
                problem = bug if isinstance(bug, Broken) else Broken(type(bug).__name__)
                problem.add_note("".join(traceback.format_tb(bug.__traceback__)))
            rows = [row.packed() for row in batches.take()]
            is_over = reading.is_over and batches.is_empty
            yield Part(rows, reading.bytes_read, reading.facts, is_over, problem)


def _end_with_parent(connection: Connection) -> None:
    with suppress(OSError):
        connection.poll(None)  # nothing is ever sent
    os._exit(1)


def _received(reader: Connection) -> Part:
    """Raises ReaderLost."""
    try:
        # Python acts on Ctrl+C between two steps of its own: one that comes just before a step is noticed after it.
        while not reader.poll(PROGRESS):
            pass
        return pickle.loads(reader.recv_bytes())  # from ourselves
    except (EOFError, OSError):
        raise ReaderLost from None
