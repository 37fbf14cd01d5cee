"""The files of imports, in the folder `imports` of the data folder of the server that received them, until each import
is finished."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rollbook.errors import StorageUnavailable
from rollbook.machine import has_free_disk

logger = logging.getLogger("rollbook")

PART = 1 << 20
"""Bytes that are written at a time."""
ABANDONED = 3600
"""Seconds after which a file that no import needs is removed."""


def path(data: Path, id: str) -> Path:
    return data / "imports" / f"{id}.part"


async def store(data: Path, id: str, chunks: AsyncIterator[bytes]) -> int:
    """Write the file and return its size in bytes; it is durable then. Whatever goes wrong, nothing of it is left.
    Raises StorageUnavailable, and what `chunks` raises."""
    at = path(data, id)
    try:
        await asyncio.to_thread(_make_folder, at.parent)
        file = os.open(at.with_suffix(".upload"), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            size = await _fill(file, chunks)
        finally:
            os.close(file)
        await asyncio.to_thread(_publish, at)
    except OSError as problem:
        at.with_suffix(".upload").unlink(missing_ok=True)
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageUnavailable(
                "There is not enough room for the file on the server's disk. Nothing was imported."
            ) from None
        logger.error("the file of an import can't be stored: %s", problem)
        raise StorageUnavailable("The server can't store the file. Nothing was imported.") from problem
    except BaseException:
        at.with_suffix(".upload").unlink(missing_ok=True)
        raise
    return size


async def _fill(file: int, chunks: AsyncIterator[bytes]) -> int:
    size, waiting, held = 0, [], 0
    async for chunk in chunks:
        waiting.append(chunk)
        held += len(chunk)
        if held >= PART:
            await asyncio.to_thread(_write, file, b"".join(waiting))
            size, waiting, held = size + held, [], 0
    await asyncio.to_thread(_write, file, b"".join(waiting))
    await asyncio.to_thread(os.fsync, file)
    return size + held


def _write(file: int, content: bytes) -> None:
    """Raises OSError, also while there is room left that the database needs."""
    if not has_free_disk(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def _make_folder(folder: Path) -> None:
    """On PostgreSQL and with a secret from the environment, a server may have no data folder yet."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync(folder.parent)


def _publish(at: Path) -> None:
    at.with_suffix(".upload").rename(at)
    _sync(at.parent)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def opened(data: Path, id: str) -> Iterator[BinaryIO]:
    """The file, for one process at a time: the kernel lets go of it when that ends, however it ends. Raises
    BlockingIOError while another process has it, FileNotFoundError."""
    with open(path(data, id), "rb", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file


def exists(data: Path, id: str) -> bool:
    return path(data, id).exists()


def remove(data: Path, id: str) -> None:
    path(data, id).unlink(missing_ok=True)


def remove_abandoned(data: Path, needed: set[str]) -> None:
    """Remove the files of imports that are finished, and of requests that ended in the middle."""
    folder = data / "imports"
    if not folder.is_dir():
        return
    for each in folder.iterdir():
        if each.suffix == ".upload" or each.stem not in needed:
            try:
                if each.stat().st_mtime < time.time() - ABANDONED:
                    each.unlink()
            except FileNotFoundError:  # it was finished meanwhile
                continue
