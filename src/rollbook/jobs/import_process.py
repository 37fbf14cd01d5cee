"""The process that runs one import: started by the server's first worker (`import_starter.py`), it ends with it.

A process of its own, since reading and checking rows would take the interpreter from the requests for a millisecond at
a time, thousands of times (decision 39). It checks rows at the lowest priority, but writes at that of the server, whose
other writes wait for it (decision 116).
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
import threading
import traceback
from contextlib import closing
from functools import partial
from itertools import chain
from typing import BinaryIO

from rollbook import clock, ids
from rollbook.actions import bulk_jobs, import_absence, import_files, imports
from rollbook.actions.arguments.imports import ImportOptions
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import SYSTEM, Principal, for_job
from rollbook.config import Settings
from rollbook.errors import ApiError, StorageUnavailable, Unavailable
from rollbook.jobs import import_runner
from rollbook.observe import log
from rollbook.records import imports as records
from rollbook.records.background_jobs import NO_REASON, Reason
from rollbook.records.connect import connect
from rollbook.records.dialect import dialect
from rollbook.records.imports import Counts, Import, Superseded
from rollbook.storage import sqlite_library

logger = logging.getLogger("rollbook")

BATCH = 6_000
"""Users of a transaction: fewer than the command line writes at once, so that other writes of the server wait less."""


def main() -> None:
    """Standard input holds the settings and the import's ID, and ends when the server does."""
    settings, id = pickle.load(sys.stdin.buffer)  # from the server
    threading.Thread(target=_end_with_parent, daemon=True).start()
    clock.follow_in_checkout()
    sqlite_library.configure()
    run(settings, id)


def run(settings: Settings, id: str) -> None:
    log.configure(settings)
    try:
        with import_files.opened(settings.data, id) as file, closing(connect(settings)) as db:
            # On PostgreSQL, this thread writes. The one that writes to SQLite exists already, and keeps its priority.
            os.nice(0 if dialect(db).is_shared else import_runner.NICENESS)
            _import(Rollbook(settings, db), id, file)
    except (BlockingIOError, FileNotFoundError, Superseded):
        pass  # an earlier process still has it, or it was canceled
    except Unavailable as problem:
        logger.warning("import %s goes on later: %s", id, problem.message)
    except Exception as problem:
        # Not the text of the exception: it may quote a cell of the file.
        where = "".join([*traceback.format_tb(problem.__traceback__), *getattr(problem, "__notes__", ())])
        logger.error("import %s: the process has failed", id, extra={"problem": type(problem).__name__, "where": where})
        sys.exit(1)


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)


def _import(on: Rollbook, id: str, file: BinaryIO) -> None:
    """Raises Superseded, Unavailable."""
    runner = ids.new("srv")
    job = on.run(on.write(records.claim, id, runner))
    if job is None:
        return
    options = imports.options_of(job)
    if options.dry_run:
        on.run(imports.restart(on, id, runner))
    counts = Counts() if options.dry_run else job.counts
    by = Principal(SYSTEM.caller, job.address or "", id)
    try:
        keys = import_absence.file_keys(on.settings.data, id, options)
        run = import_runner.Run(on, file, options, id, runner=runner, counts=counts, batch=BATCH, keys=keys)
        _run(on, run, job)
        by = _caller(on, job)
        if keys is not None and job.absent_job_id is None:
            on.run(bulk_jobs.end_absent(on, by, job, run.counts, keys))
    except Unavailable:
        raise
    except ApiError as problem:
        status, why = "failed", Reason(problem.full_message, problem.code)
    except OSError as problem:
        logger.exception("import %s: the file can't be read", id)
        status, why = "failed", Reason(f"The file can't be read: {problem.strerror}.", StorageUnavailable.code)
    else:
        status, why = "finished", NO_REASON
        if options.dry_run:
            _keep(on, job, options, run)
    on.run(imports.finish(on, by.actor, id, status, why))


def _run(on: Rollbook, run: import_runner.Run, job: Import) -> None:
    """Import the file, and keep what it was found to be. Raises ApiError."""
    noted = None
    for _ in chain(run.steps(partial(_caller, on, job)), [None]):
        if (facts := run.facts) != noted:
            noted = facts
            on.run(import_files.keep_facts(on, job.id, facts))


def _keep(on: Rollbook, job: Import, options: ImportOptions, run: import_runner.Run) -> None:
    """Keep the tested file, if there is room for it."""
    try:
        on.run(imports.keep_tested(on, job, options, run.facts))
    except OSError as problem:
        logger.warning("import %s: the tested file can't be kept: %s", job.id, problem.strerror)


def _caller(on: Rollbook, job: Import) -> Principal:
    return on.run(on.read(for_job, job.user_id, job.key_id, job.session_id, job.address, job.id))


if __name__ == "__main__":
    main()
