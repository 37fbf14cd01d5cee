"""Opens a file of users: counts what is read of it, and unpacks gzip (RFC 1952) and zstd (RFC 8878), recognized by
their first bytes."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from typing import TYPE_CHECKING, BinaryIO, Literal

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
"""How many times its size a file may have unpacked. Exports of users reach 10 to 50; a file made to keep a server busy,
thousands."""
MAX_UNPACKED = 256 << 30
"""Bytes that a file may have unpacked, whatever its size."""
FREE = 64 << 20
"""Unpacked bytes before the ratio counts."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_EARLY_END = "ends early"
_UTF_8 = b"\xef\xbb\xbf"
_OTHERS = (b"\xff\xfe", b"\xfe\xff")


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


def unpacked(
    source: io.BufferedReader, counted: Counted, most: int | None = None
) -> tuple[io.BufferedReader, Compression]:
    """The file without its compression, and which one it has. `most`: of a packed file, no more than the beginning is
    wanted, so many bytes and up to CHUNK more. Raises InvalidParameter, also while it is read."""
    head, source = peeked(source)
    if head.startswith(_GZIP):
        return buffered(_Unpacked(gzip.GzipFile(fileobj=source), "gzip", counted, most)), "gzip"
    if head.startswith(_ZSTD):
        return buffered(_Unpacked(zstd.ZstdFile(source), "zstd", counted, most)), "zstd"
    return source, "none"


def as_text(source: io.BufferedReader) -> tuple[bytes, io.BufferedReader]:
    """The head, and the file, without the mark that some programs put before UTF-8. Raises InvalidParameter for other
    encodings."""
    head, source = peeked(source)
    if head.startswith(_OTHERS) or b"\0" in head[:4]:
        raise InvalidParameter("The file is not UTF-8. Save it as UTF-8, or convert it: iconv -f UTF-16 -t UTF-8 FILE")
    if head.startswith(_UTF_8):
        source.read(len(_UTF_8))
        head = head[len(_UTF_8) :]
    return head, source


class _Joined(io.RawIOBase):
    def __init__(self, start: bytes, rest: io.BufferedReader) -> None:
        self._start, self._rest = start, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        if not self._start:
            return self._rest.readinto1(view)
        size = min(len(view), len(self._start))
        view[:size] = self._start[:size]
        self._start = self._start[size:]
        return size


class _Unpacked(io.RawIOBase):
    def __init__(self, file: gzip.GzipFile | zstd.ZstdFile, name: str, counted: Counted, most: int | None) -> None:
        self._file, self._name, self._counted, self._most = file, name, counted, most
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        if self._most is not None and self._size >= self._most:
            raise ends_early("Only the beginning of the file is read.")
        try:
            found = self._file.read1(len(view))  # not `readinto`: of a file without its end, it would return nothing
        except EOFError:
            raise ends_early(f"The file's {self._name} data ends early.") from None
        except (OSError, zlib.error, zstd.ZstdError):
            raise InvalidParameter(f"The file's {self._name} data is damaged. Compress it again.") from None
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
