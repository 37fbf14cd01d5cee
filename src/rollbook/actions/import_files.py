"""The files of imports, in the folder `imports` of the data folder of the server that received them, until each import
is finished. That of a dry run is kept for a week, encrypted, so that it can be imported as it was tested."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from rollbook.errors import StorageUnavailable
from rollbook.machine import has_free_disk

logger = logging.getLogger("rollbook")

PART = 1 << 20
"""Bytes that are written at a time."""
ABANDONED = 3600
"""Seconds after which a file that no import needs is removed."""


KEPT = 7 * 86_400
"""Seconds for which tested files are kept."""
MAX_KEPT = 1 << 30
"""Bytes of tested files that are kept. The oldest go first."""

Cipher = Callable[[bytes, bytes], bytes]
"""Seals or unseals a piece of a tested file; the second value says which. Unsealing raises ValueError."""


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


def _tested(data: Path, id: str) -> Path:
    return path(data, id).with_suffix(".tested")


def is_kept(data: Path, id: str) -> bool:
    return _tested(data, id).exists()


def keep(data: Path, id: str, options: bytes, seal: Cipher) -> bool:
    """Keep the file of a dry run, with its options, unless it is too large. Raises OSError."""
    at, kept = path(data, id), _tested(data, id)
    older = sorted((each.stat().st_mtime, each.stat().st_size, each) for each in at.parent.glob("*.tested"))
    room = MAX_KEPT - at.stat().st_size
    if room < 0:
        return False
    while older and sum(size for _, size, _ in older) > room:
        older.pop(0)[2].unlink(missing_ok=True)
    with _written(kept.with_suffix(".upload")) as file, at.open("rb") as source:
        for number, piece in enumerate(chain([options], iter(lambda: source.read(PART), b""))):
            sealed = seal(piece, f"{id}/{number}".encode())
            _write(file, len(sealed).to_bytes(4, "big") + sealed)
    kept.with_suffix(".upload").rename(kept)
    _sync(at.parent)
    return True


def tested_options(data: Path, id: str, unseal: Cipher) -> bytes:
    """The options of the dry run whose file is kept. Raises FileNotFoundError, ValueError."""
    with _tested(data, id).open("rb") as kept:
        return next(_pieces(kept, id, unseal))


def take(data: Path, id: str, new: str, unseal: Cipher) -> None:
    """Let the file of a dry run become that of the import `new`. Raises FileNotFoundError, ValueError, OSError."""
    at = path(data, new)
    with _tested(data, id).open("rb") as kept, _written(at.with_suffix(".upload")) as file:
        pieces = _pieces(kept, id, unseal)
        next(pieces)
        for piece in pieces:
            _write(file, piece)
    _publish(at)
    _tested(data, id).unlink(missing_ok=True)


@contextmanager
def _written(at: Path) -> Iterator[int]:
    """A new file to write to, durable at the end of the block. Nothing is left of it if that fails."""
    file = os.open(at, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        yield file
        os.fsync(file)
    except BaseException:
        at.unlink(missing_ok=True)
        raise
    finally:
        os.close(file)


def _pieces(kept: BinaryIO, id: str, unseal: Cipher) -> Iterator[bytes]:
    number = 0
    while size := kept.read(4):
        yield unseal(kept.read(int.from_bytes(size, "big")), f"{id}/{number}".encode())
        number += 1


def remove_abandoned(data: Path, needed: set[str]) -> None:
    """Remove the files of imports that are finished, of requests that ended in the middle, and of old dry runs."""
    folder = data / "imports"
    if not folder.is_dir():
        return
    for each in folder.iterdir():
        if each.suffix == ".upload" or each.stem not in needed:
            try:
                if each.stat().st_mtime < time.time() - (KEPT if each.suffix == ".tested" else ABANDONED):
                    each.unlink()
            except FileNotFoundError:  # it was finished meanwhile
                continue
