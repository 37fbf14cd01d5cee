"""Copies a SQLite database that is in use into one file, which is complete and checked before it gets its name.

A snapshot is held for all of the copy: it has every write that was committed when it began, and writers go on. (Without
one, SQLite starts again whenever somebody writes between two steps.) Meanwhile the write-ahead log grows, since what
the snapshot needs stays in it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from rollbook import units
from rollbook.storage.database import DatabaseUnusable
from rollbook.storage.sqlite_connection import connect_reader
from rollbook.unix import fcntl

STEP = 256
"""Pages that are copied at a time: 1 MiB."""
FLUSH = 4
"""Steps after which the disk has to have them: a flood of unwritten pages would make the commits of the server wait."""

Moved = Callable[[int, int], None]
"""Told how many pages have been copied, and of how many."""


def back_up(source: Path, target: Path, moved: Moved = lambda done, total: None, replace: bool = False) -> int:
    """The size of the copy in bytes. Only its owner can read it. A target that exists is left alone, unless `replace`.

    Raises DatabaseUnusable with a sentence that says why there is no copy. What was copied until then is removed.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        if not replace and target.exists():
            raise _exists(target)
        _room(source, target.parent)
        with open(os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "rb+") as file:
            # In a folder that others can write to, somebody may have put it there to read the copy, or to have another
            # file overwritten.
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                raise DatabaseUnusable(f"{part} belongs to somebody else. Remove it, or choose another folder.")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DatabaseUnusable(f"{target} is being written by another backup.") from None
            try:
                file.truncate()
                os.fchmod(file.fileno(), 0o600)
                _copy(source, part, file.fileno(), moved)
                _check(part)
                os.fsync(file.fileno())
                if not replace and target.exists():
                    raise _exists(target)
                part.replace(target)
                sync_folder(target.parent)
                return target.stat().st_size
            finally:
                part.unlink(missing_ok=True)
    except (sqlite3.Error, OSError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else problem
        raise DatabaseUnusable(f"{target} could not be written: {reason}.") from problem


def _exists(target: Path) -> DatabaseUnusable:
    return DatabaseUnusable(f"{target} exists. It was left as it is.")


def _room(source: Path, folder: Path) -> None:
    needed, free = source.stat().st_size, shutil.disk_usage(folder).free
    if free < needed:
        raise DatabaseUnusable(
            f"{folder} has {units.size(free)} of free space, and the backup needs {units.size(needed)}."
        )


def _copy(source: Path, part: Path, file: int, moved: Moved) -> None:
    steps = 0

    def after_step(status: int, remaining: int, total: int) -> None:
        nonlocal steps
        steps += 1
        if steps % FLUSH == 0:
            os.fdatasync(file)
        moved(total - remaining, total)

    with closing(connect_reader(source)) as reader, closing(sqlite3.connect(part, isolation_level=None)) as writer:
        # If anything happens to it before it is complete, it is removed: a journal would be for nothing.
        writer.execute("PRAGMA journal_mode = OFF").close()
        writer.execute("PRAGMA synchronous = OFF").close()
        reader.execute("BEGIN")
        reader.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
        reader.backup(writer, pages=STEP, progress=after_step)


def _check(part: Path) -> None:
    """Also makes it one file that can be read where nothing can be written: the copy says of itself that it has a
    write-ahead log."""
    with closing(sqlite3.connect(part, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        faults = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
    if faults != ["ok"]:
        raise DatabaseUnusable(
            f"The backup is damaged, as the database may be: {'; '.join(faults)}. Run: rollbook doctor --deep"
        )


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that the name of a new file survives a power failure, too."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
