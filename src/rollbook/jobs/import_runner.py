"""Imports a file of users from its first record to its last, or from where it was interrupted: for jobs, and for the
command line."""

from __future__ import annotations

import asyncio
import gc
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from typing import BinaryIO

from rollbook.actions import import_writer
from rollbook.actions.arguments.imports import ImportOptions
from rollbook.actions.context import Rollbook
from rollbook.actions.import_writer import BatchResult, Importer
from rollbook.actions.principal import Principal
from rollbook.errors import ApiError
from rollbook.records.dialect import dialect
from rollbook.records.import_rows import FileFacts
from rollbook.records.imports import Counts
from rollbook.sources.reading import Reading

SLICE = 100
"""Records that are read before the connection to the database gets its turn: some 2 ms."""
PROGRESS = 1.0
"""Seconds after which progress is written though the batch is not full, and it is noticed that an import was
canceled."""
SWITCH = 0.0002
"""Seconds after which a thread that waits for the interpreter gets it."""


class Run:
    """One import of a file. `counts` are what has been done by now, of earlier runs too, `bytes_read` how much of the
    file."""

    def __init__(
        self,
        on: Rollbook,
        file: BinaryIO,
        options: ImportOptions,
        id: str,
        *,
        runner: str | None = None,
        counts: Counts | None = None,
        batch: int = import_writer.BATCH,
    ) -> None:
        """`runner` is the process that writes a job's progress; None: no job. `batch` are the records of a transaction,
        at most."""
        self.bytes_read = 0
        self._on = on
        self._importer = Importer(on, options, id, runner, counts, batch)
        self._reading = Reading(file, options, on.settings.password_min_length, self._importer.counts.records)
        self._importer.raw = self.raw = self._reading.raw
        self._importer.unit = self.unit = "record" if self.facts.format == "json" else "line"
        # Of a pipe, a read may take longer than a transaction can. A job on SQLite holds the lock that all of its
        # server's writes wait for.
        is_regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        self._reads_ahead = is_regular and (runner is None or dialect(on.db).is_shared)
        self._problem: ApiError | None = None
        """The reason why the file can't be read on."""

    @property
    def facts(self) -> FileFacts:
        """The facts about the file that are known by now."""
        return self._reading.facts

    @property
    def counts(self) -> Counts:
        return self._importer.counts

    def steps(
        self, caller: Callable[[], Principal], guard: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> Iterator[BatchResult]:
        """Import a batch, and again. `caller` says as whom, and is asked before each; writing happens within a `guard`.

        Raises ApiError when the import can't go on: what was imported by then stays.
        """
        # Rows by the million, none of which refers to itself: looking for such garbage among them would be a seventh of
        # the work.
        gc.disable()
        # The thread that writes works mostly without the interpreter. When it needs it, it should not have to wait for
        # 5 ms.
        sys.setswitchinterval(SWITCH)
        with closing(self._importer):
            while True:
                by = caller()
                until = time.monotonic() + PROGRESS
                while self._read(by) and time.monotonic() < until:
                    pass
                if self._importer.is_empty and self._problem is not None:
                    raise self._problem
                if self._importer.is_empty and self._reading.is_over:
                    return
                with guard():
                    step = self._on.run(self._write(by))
                yield step

    def _read(self, by: Principal) -> bool:
        """Add some records to the next batch. Returns whether it may get more."""
        try:
            for record in () if self._is_full else self._reading.some(SLICE):
                self._importer.add(by, record)
                if self._importer.is_full:
                    break
        except ApiError as problem:
            self._problem = problem
        return not (self._is_full or self._reading.is_over)

    @property
    def _is_full(self) -> bool:
        return self._importer.is_full or self._problem is not None

    async def _write(self, by: Principal) -> BatchResult:
        """Write what was read, and read the next batch while the database works."""
        self.bytes_read = self._reading.bytes_read
        writing = asyncio.ensure_future(self._written(by))
        await asyncio.sleep(0)  # it begins: what is read from here on is of the next batch
        try:
            while self._reads_ahead and not writing.done() and self._read(by):  # noqa: ASYNC110 - it reads itself
                await asyncio.sleep(0)
        finally:
            step = await writing
        return step

    async def _written(self, by: Principal) -> BatchResult:
        step = await self._importer.write(by, self.bytes_read)
        with suppress(ApiError):  # the next batch will say it
            await import_writer.tidy(self._on)
        return step
