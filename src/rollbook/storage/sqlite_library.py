"""SQLite without the mutexes and the memory statistics that this program does not need: one thread at a time uses a
connection, and no one asks how much memory SQLite takes."""

from __future__ import annotations

import _sqlite3
import ctypes
import sys
from contextlib import suppress

_MULTITHREAD, _MEMSTATUS = 2, 9  # SQLITE_CONFIG_… of sqlite3.h


def configure() -> None:
    """Set up the library that Python's `sqlite3` uses. To be called before the process opens a database. Nothing
    happens where SQLite is a part of Python, and outside Linux, where a C function with a variable number of arguments
    may be called in another way."""
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(_sqlite3.__file__)  # finds what it is linked to, not another copy of SQLite
        library.sqlite3_shutdown()
        library.sqlite3_config(_MULTITHREAD)
        library.sqlite3_config(_MEMSTATUS, 0)
