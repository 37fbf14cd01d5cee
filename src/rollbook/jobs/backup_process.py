"""The process of one backup: `python -m rollbook.jobs.backup_process DATABASE FILE`. Says on standard error why it
failed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rollbook.storage.database import DatabaseUnusable
from rollbook.storage.sqlite_backup import back_up


def main() -> None:
    os.nice(10)  # requests come first
    try:
        back_up(Path(sys.argv[1]), Path(sys.argv[2]))
    except DatabaseUnusable as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
