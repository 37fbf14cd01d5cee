"""Opens a file of users: counts what is read of it, and unpacks gzip (RFC 1952) and zstd (RFC 8878), recognized by
their first bytes.

A file of users as UTF-8, whichever encoding it has: UTF-8, UTF-16, UTF-32 or Windows-1252, with or without a mark.

What can't be decoded stays as it is: it is no UTF-8 then, and whoever reads its row refuses that one alone.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import sys
import zlib
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple

from rollbook import units
from rollbook.errors import InvalidParameter

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


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


class CountingFile(io.RawIOBase):
    """A file that knows how many of its bytes were read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        part = getattr(self._file, "read1", self._file.read)(len(memoryview(buffer)))  # what there is
        memoryview(buffer)[: len(part)] = part
        self.count += len(part)
        return len(part)


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


def unpacked(source: io.BufferedReader, counted: CountingFile, most: int | None = None) -> Packed:
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
        """Position for the reader above, which subtracts what it still holds."""
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
        counted: CountingFile,
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
            part = self._file.read1(len(view))  # not `readinto`: of a file without its end, it would return nothing
        except EOFError:
            raise ends_early(f"The file's {self.name} data ends early.") from None
        except (OSError, zlib.error, zstd.ZstdError):
            raise InvalidParameter(f"The file's {self.name} data is damaged. Compress it again.") from None
        size = len(part)
        view[:size] = part
        self._size += size
        if self._size > FREE and self._size > self._counted.count * MAX_RATIO:
            raise InvalidParameter(
                f"The file unpacks to more than {MAX_RATIO} times its size. Send it without compression."
            )
        if self._size > MAX_UNPACKED:
            raise InvalidParameter(f"The file unpacks to more than {units.size(MAX_UNPACKED)}. Send it in parts.")
        return size


Encoding = Literal["utf-8", "utf-16", "utf-32", "windows-1252"]


WINDOW = 65_536
"""Bytes from the first character on that isn't ASCII, which tell UTF-8 from Windows-1252."""
# The longer ones come first: each of UTF-32 begins like one of UTF-16.
_MARKS: tuple[tuple[bytes, Encoding, str], ...] = (
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32", "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8", ""),
)
_SAMPLE = 256
"""Bytes at the beginning in which UTF-16 shows by its zeros: names of columns, and JSON's brackets."""
_CHARACTERS = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_NOT_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]").search
"""Bytes that are no character of Windows-1252."""


class Utf8(io.RawIOBase):
    """The file as UTF-8. `head` is its beginning. Raises InvalidParameter for what is no text."""

    def __init__(self, head: bytes, source: io.BufferedReader) -> None:
        mark, self._encoding, codec = _encoding(head)
        self._source = source
        self._source.read(mark)
        self._taken, self._given = mark, 0
        self._ready = b""
        self._is_certain = bool(mark or codec)
        self._decoder = codecs.getincrementaldecoder(codec)("surrogatepass") if codec else None

    @property
    def encoding(self) -> Encoding:
        """The one of what was read so far."""
        return self._encoding

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        """The position for the reader above, which subtracts what it still holds."""
        return self._given

    def position(self, at: int) -> int:
        """The number of bytes of the file before this byte of the text."""
        return self._taken * at // self._given if self._given else 0

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        if not self._ready:
            self._ready = self._next(len(view))
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        self._given += size
        return size

    def _next(self, size: int) -> bytes:
        part = self._source.read1(size)
        if not self._is_certain and not part.isascii():
            part = self._decide(part)
        self._taken += len(part)
        if self._decoder is None:
            return part
        # Some bytes may be only the beginning of a character. None is left out at the end: it would be half a one.
        while not (text := self._decoded(self._decoder, part)) and part:
            part = self._source.read1(size)
            self._taken += len(part)
        if not part and self._decoder.getstate()[0]:
            raise InvalidParameter("The file ends in the middle of a character.")
        return text.encode("utf-8", "surrogateescape" if self._encoding == "windows-1252" else "surrogatepass")

    def _decoded(self, decoder: codecs.IncrementalDecoder, part: bytes) -> str:
        try:
            return decoder.decode(part)
        except UnicodeDecodeError:
            raise InvalidParameter(f"The file is damaged: not all of it is {self._encoding.upper()}.") from None

    def _decide(self, part: bytes) -> bytes:
        match = _NOT_ASCII.search(part)
        start = match.start() if match else 0
        while len(part) - start < WINDOW and (more := self._source.read1(WINDOW)):
            part += more
        self._is_certain = True
        if _is_windows_1252(part[start : start + WINDOW]):
            self._encoding = "windows-1252"
            self._decoder = codecs.getincrementaldecoder("cp1252")("surrogateescape")
        return part


def _encoding(head: bytes) -> tuple[int, Encoding, str]:
    """The size of the mark, the encoding, and the codec; none for UTF-8 and what can't be told from it yet. Raises
    InvalidParameter."""
    for mark, name, codec in _MARKS:
        if head.startswith(mark):
            return len(mark), name, codec
    sample = head[:_SAMPLE]
    first, second = sample[::2].count(0), sample[1::2].count(0)
    if max(first, second) * 5 >= len(sample) and min(first, second) * 10 <= max(first, second):
        return 0, "utf-16", "utf-16-le" if second else "utf-16-be"
    if (first + second) * 10 >= len(sample) > 0:
        raise InvalidParameter("The file is not text: its beginning contains NUL characters.")
    return 0, "utf-8", ""


def _is_windows_1252(window: bytes) -> bool:
    """Test whether this is not UTF-8, also where some of its rows are damaged: of what isn't ASCII in it, less than
    half is a character of UTF-8."""
    try:
        codecs.utf_8_decode(window, "strict", False)  # its last character may be cut off
    except UnicodeDecodeError:
        rest, characters = _CHARACTERS.subn(b"", window)
        return len(_NOT_ASCII.findall(rest)) > characters and not _NOT_WINDOWS(rest)
    return False
