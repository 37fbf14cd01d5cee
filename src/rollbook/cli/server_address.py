"""The address of the running server, in a file of its data folder: for links, and for `rollbook open`.

The server holds a lock on the file while it runs, so that one which was killed leaves an address that no one takes for
its own.
"""

from __future__ import annotations

import itertools
import os
from contextlib import suppress
from pathlib import Path

from rollbook.unix import fcntl

NAME = "server.url"
"""The file. A second server that runs on the folder has `server.url.2`."""


class Published:
    """The address in the first file that no other server has, until `withdraw`. Nothing happens in a folder that isn't
    there or can't be written: links then use the settings."""

    def __init__(self, data: Path, url: str) -> None:
        names = itertools.chain([NAME], (f"{NAME}.{number}" for number in itertools.count(2)))
        self._path = next(path for name in names if _address(path := data.absolute() / name) is None)
        self._file: int | None = None
        # Written and locked under another name first: a reader sees either nothing or all of it.
        new = self._path.with_name(f".{NAME}.{os.getpid()}")
        with suppress(OSError):
            self._file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            os.write(self._file, f"{url}\n".encode())
            new.replace(self._path)

    def withdraw(self) -> None:
        """Remove the file, unless a server that started at the same moment has replaced it."""
        if self._file is None:
            return
        with suppress(OSError):
            if os.path.samestat(os.fstat(self._file), self._path.stat()):
                self._path.unlink()
        os.close(self._file)
        self._file = None


def find(data: Path) -> str | None:
    """The address that people and programs use for the server that runs on this folder; of several, for the first. None
    if none does, as on Windows."""
    if not fcntl:
        return None
    return next(filter(None, map(_address, sorted(data.glob(f"{NAME}*")))), None)


def _address(path: Path) -> str | None:
    """Address in a file whose server runs."""
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read().strip() or None
    except OSError:
        pass
    return None  # no file, or one that a server left when it was killed
