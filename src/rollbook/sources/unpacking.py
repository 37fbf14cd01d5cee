"""Opens a file of users: counts what is read of it, and unpacks gzip (RFC 1952) and zstd (RFC 8878), recognized by
their first bytes."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple

from rollbook import units
from rollbook.errors import InvalidParameter

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Compression = Literal["none", "gzip", "zstd"]

CHUNK = 1 << 20
HEAD = 65_536
"""Bytes at the beginning that show what a file is."""
MAX_RATIO = 250
"""The number of times its size that a file may have unpacked. Exports of users reach 10 to 50; a file made to keep a
server busy, thousands."""
MAX_UNPACKED = 256 << 30
"""Bytes that a file may have unpacked, whatever its size."""
FREE = 64 << 20
"""Unpacked bytes before the ratio counts."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_EARLY_END = "ends early"


def ends_early(sentence: str) -> InvalidParameter:
    """The error for a file that is not whole; `is_early_end` tells it from others, for who has only the beginning of
    one."""
    error = InvalidParameter(sentence)
    error.add_note(_EARLY_END)
    return error


def is_early_end(error: InvalidParameter) -> bool:
    return _EARLY_END in getattr(error, "__notes__", ())


class Counted(io.RawIOBase):
    """A file that knows how many of its bytes were read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        found = getattr(self._file, "read1", self._file.read)(len(memoryview(buffer)))  # what there is
        memoryview(buffer)[: len(found)] = found
        self.count += len(found)
        return len(found)


def buffered(file: io.RawIOBase) -> io.BufferedReader:
    return io.BufferedReader(file, CHUNK)


def peeked(source: io.BufferedReader) -> tuple[bytes, io.BufferedReader]:
    """The head of a file, also of one that comes in bits, and the file from its beginning."""
    head = source.read(HEAD)
    return head, joined(head, source)


def joined(start: bytes, rest: io.BufferedReader) -> io.BufferedReader:
    return buffered(_Joined(start, rest))


class Packed(NamedTuple):
    """A file without its compression."""

    source: io.BufferedReader
    compression: Compression
    unpacking: _Unpacked | None

    def position(self, at: int) -> int:
        """The number of bytes of the file before this byte of what is in it."""
        return at if self.unpacking is None else self.unpacking.position(at)


def unpacked(source: io.BufferedReader, counted: Counted, most: int | None = None) -> Packed:
    """The file without its compression. `most`: of a packed file, no more than the beginning is wanted, so many bytes
    and up to CHUNK more. Raises InvalidParameter, also while it is read."""
    head, source = peeked(source)
    if head.startswith(_GZIP):
        inside = _Unpacked(source, gzip.GzipFile(fileobj=source), "gzip", counted, most)
    elif head.startswith(_ZSTD):
        inside = _Unpacked(source, zstd.ZstdFile(source), "zstd", counted, most)
    else:
        return Packed(source, "none", None)
    return Packed(buffered(inside), inside.name, inside)


class _Joined(io.RawIOBase):
    def __init__(self, start: bytes, rest: io.BufferedReader) -> None:
        self._start, self._rest = start, rest
        self._given = 0

    def tell(self) -> int:
        """For the position of the reader above, which subtracts what it still holds."""
        return self._given

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        if self._start:
            size = min(len(view), len(self._start))
            view[:size] = self._start[:size]
            self._start = self._start[size:]
        else:
            size = self._rest.readinto1(view)
        self._given += size
        return size


class _Unpacked(io.RawIOBase):
    def __init__(
        self,
        source: io.BufferedReader,
        file: gzip.GzipFile | zstd.ZstdFile,
        name: Literal["gzip", "zstd"],
        counted: Counted,
        most: int | None,
    ) -> None:
        self._source, self._file, self.name = source, file, name
        self._counted, self._most = counted, most
        self._size = 0

    def readable(self) -> bool:
        return True

    def position(self, at: int) -> int:
        return self._source.tell() * at // self._size if self._size else 0

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        if self._most is not None and self._size >= self._most:
            raise ends_early("Only the beginning of the file is read.")
        try:
            found = self._file.read1(len(view))  # not `readinto`: of a file without its end, it would return nothing
        except EOFError:
            raise ends_early(f"The file's {self.name} data ends early.") from None
        except (OSError, zlib.error, zstd.ZstdError):
            raise InvalidParameter(f"The file's {self.name} data is damaged. Compress it again.") from None
        size = len(found)
        view[:size] = found
        self._size += size
        if self._size > FREE and self._size > self._counted.count * MAX_RATIO:
            raise InvalidParameter(
                f"The file unpacks to more than {MAX_RATIO} times its size. Send it without compression."
            )
        if self._size > MAX_UNPACKED:
            raise InvalidParameter(f"The file unpacks to more than {units.size(MAX_UNPACKED)}. Send it in parts.")
        return size
