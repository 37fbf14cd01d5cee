"""Imports a file of users from its first record to its last, or from where it was interrupted: for jobs, and for the command line."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from typing import BinaryIO

from rollbook.actions import import_batches
from rollbook.actions.arguments import ImportOptions
from rollbook.actions.context import Rollbook
from rollbook.actions.import_batches import Importer, Step
from rollbook.actions.principal import Principal
from rollbook.records.imports import Counts
from rollbook.sources.reading import Reading


class Run:
    """One import of a file. `counts` are what has been done by now, of earlier runs too, `bytes_read` how much of the file."""

    def __init__(
        self,
        on: Rollbook,
        file: BinaryIO,
        options: ImportOptions,
        id: str,
        *,
        runner: str | None = None,
        counts: Counts | None = None,
        batch: int = import_batches.BATCH,
    ) -> None:
        """`runner` is the process that writes a job's progress; None: no job. `batch` are the records of a transaction, at most."""
        self._on = on
        self._importer = Importer(on, options, id, runner, counts, batch)
        self._reading = Reading(file, options, on.settings.password_min_length, self._importer.counts.records)

    @property
    def counts(self) -> Counts:
        return self._importer.counts

    @property
    def bytes_read(self) -> int:
        return self._reading.bytes_read

    def steps(
        self, caller: Callable[[], Principal], guard: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> Iterator[Step]:
        """Import a batch, and again. `caller` says as whom, and is asked before each; writing happens within a `guard`.

        Raises ApiError when the import can't go on: what was imported by then stays.
        """
        # Rows by the million, none of which refers to itself: looking for such garbage among them would be a seventh of the work.
        gc.disable()
        importer = self._importer
        with closing(importer):
            by = caller()
            for line, user, refusal in self._reading:
                if refusal is not None:
                    importer.refuse(refusal)
                elif user is not None:
                    importer.add(by, line, user)
                while importer.is_full:
                    yield self._write(by, guard)
                    by = caller()
            while not importer.is_empty:
                yield self._write(by, guard)
                by = caller()

    def _write(self, by: Principal, guard: Callable[[], AbstractContextManager[None]]) -> Step:
        with guard():
            return self._on.run(self._importer.write(by, self._reading.bytes_read))
