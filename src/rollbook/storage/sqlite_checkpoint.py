"""Moves what is in SQLite's log (the `-wal` file) into the database, away from those who wait for a commit.

A checkpoint inside a commit makes the slowest commits (p99.9 of 14 ms); from a thread of its own it makes 3 to 5 ms.
But a log that is written without pause is never wholly moved, so it never starts again from its beginning (200 MiB in 6
s). So past EMPTY_SIZE the thread keeps the writers out while it moves the last bit; past RESTART_SIZE, should that not
have come about, the writer does it itself.

A log that starts again is written over the file's bytes of before: a file that has to grow costs more than twice the
CPU. So its size does not tell how much is in it (`log_size`), and by the clock the file is cut, so that what was erased
does not go on standing in it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from rollbook.storage.sqlite_connection import BUSY_TIMEOUT, WriterLock, connect_writer

CHECKPOINT_SIZE = 4 * 1024 * 1024
"""Bytes the log grows between two checkpoints."""
EMPTY_SIZE = 16 * 1024 * 1024
"""Bytes at which a checkpoint goes on to the end of the log while writers wait: some 10 ms."""
RESTART_SIZE = 64 * 1024 * 1024
"""Bytes at which a writer moves the whole log between two of its commits: some 50 ms."""
_PASSIVE = "PRAGMA wal_checkpoint(PASSIVE)"
SHORT_PATIENCE, PATIENCE = 0.01, 0.2
"""Seconds that an emptying past EMPTY_SIZE and RESTART_SIZE waits for reads of older snapshots, or for another
checkpoint, to end. All writers stand meanwhile, so the first only looks whether it is cheap."""
EMPTY_AFTER = 60.0
"""Seconds after which a log is emptied, and its file cut, however short it is: a user that was purged stands in it, and
in the database, until then."""
_RETRY = 1.0
"""Seconds until a checkpoint that failed is tried again: the disk may have room by then."""


_HEADER, _FRAME_HEADER, _SALTS = 32, 24, slice(16, 24)
"""Of the log's file (https://sqlite.org/walformat.html)."""


def log_size(path: Path) -> int:
    """Bytes of the log since it last started again. The file has older ones behind them."""
    try:
        # SQLite has no locks on this file, which closing it would drop.
        file = os.open(f"{path}-wal", os.O_RDONLY)
    except FileNotFoundError:
        return 0
    try:
        size, header = os.fstat(file).st_size, os.pread(file, _HEADER, 0)
        if size < CHECKPOINT_SIZE or len(header) < _HEADER:
            return size
        frame = _FRAME_HEADER + int.from_bytes(header[8:12], "big")
        # Each frame has the salts of its round, and those of this one come first.
        low, high = 0, (size - _HEADER) // frame
        while low < high:
            middle = (low + high) // 2
            if os.pread(file, 8, _HEADER + middle * frame + 8) == header[_SALTS]:
                low = middle + 1
            else:
                high = middle
        return _HEADER + low * frame
    finally:
        os.close(file)


def restart_log(connection: sqlite3.Connection, patience: float, cut: bool = True) -> bool:
    """Move all of the log into the database, so that it starts again; `cut`: as an empty file. To be called with the
    writers' lock held. False when it was not to be had."""
    until = time.monotonic() + patience
    # SQLite does not wait for another checkpoint, whatever its busy timeout is, so the waiting is done here.
    connection.execute("PRAGMA busy_timeout = 0").close()
    try:
        while True:
            busy, _, _ = connection.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if cut else 'RESTART'})").fetchone()
            if not busy or time.monotonic() > until:
                return not busy
            time.sleep(0.002)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}").close()


class Checkpointer:
    """`notice` is cheap and called after each commit; the thread comes with the first one, its connection when there is
    something to do."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._due = CHECKPOINT_SIZE
        self._cut_at = time.monotonic()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def notice(self, size: int) -> None:
        """The log has this many bytes now. Called by one thread only."""
        if size < self._size:  # it started again, here or by another process
            self._due = CHECKPOINT_SIZE
        self._size = size
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="rollbook-checkpointer", daemon=True)
            self._thread.start()
        if size >= self._due:
            self._due = size + CHECKPOINT_SIZE
            self._wake.set()

    def close(self) -> None:
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            is_long = self._wake.wait(EMPTY_AFTER)
            self._wake.clear()
            if self._closing.is_set():
                return
            try:
                if is_long or os.stat(f"{self._path}-wal").st_size:
                    self._checkpoint(cut=not is_long or time.monotonic() - self._cut_at >= EMPTY_AFTER)
            except (sqlite3.Error, OSError):
                if not self._closing.wait(_RETRY):
                    self._wake.set()

    def _checkpoint(self, cut: bool) -> None:
        """Also have a log of EMPTY_SIZE or more start again; `cut`: any, with an empty file."""
        with closing(connect_writer(self._path, "full")) as connection:
            # When it gets to the end, the next commit starts the log again; when another process is at it, so much the
            # better.
            connection.execute(_PASSIVE).fetchone()
            if cut or log_size(self._path) >= EMPTY_SIZE:
                # What was written during the first: leaves less for the writers to wait for.
                connection.execute(_PASSIVE).fetchone()
                with closing(WriterLock(self._path.with_name("writer.lock"))) as lock, lock:
                    is_empty = restart_log(connection, SHORT_PATIENCE, cut)
                if cut and is_empty:
                    self._cut_at = time.monotonic()
