"""Splits NDJSON into its lines, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedReader
from typing import NamedTuple

MAX_RECORD = 65_536
"""Bytes of a record: as many as the body of a request that creates a user may have."""


class Unreadable(NamedTuple):
    """The reason for which a piece of a file is not a record."""

    code: str
    reason: str
    raw: str | list[str] = ""
    """The piece, as far as it could be read."""


Piece = bytes | Unreadable | None
"""A record as it stands in the file, why there is none, or None: a stretch of the file was read that has none."""

STRETCH = 1 << 18
"""Bytes without a record that are read at a time: whoever reads a file is asked after each whether to go on."""

TOO_LONG = Unreadable("invalid_record", f"The record is longer than {MAX_RECORD:,} bytes.")


def split(source: BufferedReader) -> Iterator[tuple[int, Piece]]:
    """The lines that aren't blank, with their numbers."""
    number = blank = 0
    while line := source.readline(MAX_RECORD):
        number += 1
        if len(line) == MAX_RECORD and line[-1:] != b"\n":
            yield from pass_over(source, number)
            yield number, TOO_LONG
        elif not line.isspace():
            yield number, line
        elif (blank := blank + len(line)) >= STRETCH:
            blank = 0
            yield number, None


def pass_over(source: BufferedReader, number: int) -> Iterator[tuple[int, None]]:
    """Read to the end of the line."""
    size = 0
    while (part := source.readline(MAX_RECORD)) and part[-1:] != b"\n":
        if (size := size + len(part)) >= STRETCH:
            size = 0
            yield number, None
