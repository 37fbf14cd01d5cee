"""Opens a file of users: counts what is read of it, and unpacks gzip (RFC 1952) and zstd (RFC 8878), recognized by their first bytes."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from typing import TYPE_CHECKING, BinaryIO, Literal

from rollbook.errors import InvalidParameter

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Compression = Literal["none", "gzip", "zstd"]

CHUNK = 1 << 20
MAX_RATIO = 250
"""How many times its size a file may have unpacked. Exports of users reach 10 to 50; a file made to keep a server busy, thousands."""
FREE = 64 << 20
"""Unpacked bytes before the ratio counts."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Counted(io.RawIOBase):
    """A file that knows how many of its bytes were read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        found = self._file.read(len(memoryview(buffer)))
        memoryview(buffer)[: len(found)] = found
        self.count += len(found)
        return len(found)


def buffered(file: io.RawIOBase) -> io.BufferedReader:
    return io.BufferedReader(file, CHUNK)


def unpacked(file: io.BufferedReader, counted: Counted) -> tuple[io.BufferedReader, Compression]:
    """The file without its compression, and which one it has. Raises InvalidParameter, also while it is read."""
    start = file.peek(4)[:4]
    if start.startswith(_GZIP):
        return buffered(_Unpacked(gzip.GzipFile(fileobj=file), "gzip", counted)), "gzip"
    if start == _ZSTD:
        return buffered(_Unpacked(zstd.ZstdFile(file), "zstd", counted)), "zstd"
    return file, "none"


class _Unpacked(io.RawIOBase):
    def __init__(self, file: io.BufferedIOBase, name: str, counted: Counted) -> None:
        self._file, self._name, self._counted = file, name, counted
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        try:
            size = self._file.readinto(buffer)
        except (OSError, EOFError, zlib.error, zstd.ZstdError):
            raise InvalidParameter(f"The file's {self._name} data is damaged or ends early. Compress it again.") from None
        self._size += size
        if self._size > FREE and self._size > self._counted.count * MAX_RATIO:
            raise InvalidParameter(f"The file unpacks to more than {MAX_RATIO} times its size. Send it without compression.")
        return size
