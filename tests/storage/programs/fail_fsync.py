"""PATH: opens the database, lets the kernel fail every later fsync of this process, and writes. Prints what the writers
were told.

A seccomp filter does it (seccomp(2)); it cannot be taken back, so this is a process of its own.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import platform
import struct
import sys

from rollbook.errors import StorageUnavailable
from rollbook.storage.database import Tx
from rollbook.storage.sqlite import SQLite

FSYNC, FDATASYNC = {"x86_64": (74, 75), "aarch64": (82, 83)}[platform.machine()]
SET_NO_NEW_PRIVS, SET_MODE_FILTER, TSYNC, SECCOMP = 38, 1, 1, {"x86_64": 317, "aarch64": 277}[platform.machine()]
LOAD, JUMP_IF_EQUAL, RETURN, ALLOW, ERRNO = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050000


def fail_fsyncs() -> None:
    """For all threads, those to come as well."""
    program = [
        (LOAD, 0, 0, 0),  # the number of the system call
        (JUMP_IF_EQUAL, 1, 0, FSYNC),
        (JUMP_IF_EQUAL, 0, 1, FDATASYNC),
        (RETURN, 0, 0, ERRNO | errno.EIO),
        (RETURN, 0, 0, ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.syscall(SECCOMP, SET_MODE_FILTER, TSYNC, header):
        raise OSError(ctypes.get_errno(), "seccomp")


async def add(tx: Tx, name: str) -> None:
    await tx.run("INSERT INTO things (name) VALUES (?)", name)


async def main() -> None:
    db = SQLite.open(sys.argv[1])
    await db.write(add, "before")
    fail_fsyncs()
    results = await asyncio.gather(*(db.write(add, f"n{number}") for number in range(20)), return_exceptions=True)
    for number in range(5):
        results += await asyncio.gather(db.write(add, f"m{number}"), return_exceptions=True)
    assert all(isinstance(result, StorageUnavailable) for result in results), results
    assert await db.all("SELECT name FROM things") == [("before",)]
    db.close()
    print("refused", len(results))


asyncio.run(main())
