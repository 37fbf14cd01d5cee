"""The command `rollbook`, but an import writes a tenth of the users in each transaction: what holds from batch to batch
is seen in a small file."""

from __future__ import annotations

from functools import partial

from rollbook.cli import imports
from rollbook.cli import main as command
from rollbook.jobs.import_runner import Run
from rollbook.records import user_imports
from rollbook.records.user_imports import sqlite

SMALL_BATCHES = "tests.cli.small_batches"
BATCH = user_imports.BATCH // 10


def main() -> None:
    imports.Run = partial(Run, batch=BATCH)  # type: ignore[bad-assignment]
    sqlite.BATCH = BATCH  # type: ignore[bad-assignment]
    command.main()


if __name__ == "__main__":
    main()
