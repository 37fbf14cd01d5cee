"""Reads users from a file, one record at a time and in constant memory. A record that holds no user is refused alone, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import msgspec

from rollbook.actions.arguments import ImportedUser, ImportOptions
from rollbook.actions.checking import check, field_hook
from rollbook.api.parsing import read_object
from rollbook.errors import ApiError
from rollbook.sources import lines
from rollbook.sources.lines import MAX_RECORD
from rollbook.sources.opening import Counted, buffered, unpacked

MAX_REASON = 300


class Refusal(NamedTuple):
    """Why a record holds no user. The reason is a sentence that never repeats a password or a hash."""

    line: int
    field: str | None
    code: str
    reason: str


class Record(NamedTuple):
    """One record of the file: a user, or why it holds none."""

    line: int
    """The line it begins in; in a JSON array, its position. Both count from 1."""
    user: ImportedUser | None
    refusal: Refusal | None


class Reading:
    """The records of a file, each once, from first to last. The first `skip` are passed over.

    Raises InvalidParameter, also while it is read, where the file as a whole can't be read.
    """

    def __init__(self, file: BinaryIO, options: ImportOptions, password_min_length: int, skip: int = 0) -> None:
        self._counted = Counted(file)
        source, self.compression = unpacked(buffered(self._counted), self._counted)
        self._records = _records(lines.split(source), _parser(password_min_length), skip)

    @property
    def bytes_read(self) -> int:
        """Of the file as it lies there, compressed or not."""
        return self._counted.count

    def __iter__(self) -> Iterator[Record]:
        return self._records

    def __next__(self) -> Record:
        return next(self._records)


def _records(pieces: Iterator[tuple[int, bytes | None]], parse: Callable[[bytes], ImportedUser], skip: int) -> Iterator[Record]:
    for line, piece in pieces:
        if skip:
            skip -= 1
        elif piece is None:
            yield refused(line, None, "invalid_json", f"The line is longer than {MAX_RECORD:,} bytes.")
        else:
            try:
                yield Record(line, parse(piece), None)
            except ApiError as problem:
                yield refused(line, problem.param, problem.code, problem.full_message)


def refused(line: int, field: str | None, code: str, reason: str) -> Record:
    return Record(
        line, None, Refusal(line, field, code, reason if len(reason) <= MAX_REASON else reason[: MAX_REASON - 3] + "...")
    )


def _parser(password_min_length: int) -> Callable[[bytes], ImportedUser]:
    """A function from an object to its user. It raises ApiError."""
    decode = msgspec.json.Decoder(ImportedUser, dec_hook=field_hook(password_min_length)).decode

    def parse(line: bytes) -> ImportedUser:
        try:
            if b"\\u0000" in line:
                raise ValueError
            return decode(line)
        except (msgspec.DecodeError, ValueError, RecursionError):
            # Again, as the API reads bodies: slowly, and with words for everything that is wrong.
            return check(ImportedUser, read_object(line.strip(), None, None), password_min_length)

    return parse
