"""Splits NDJSON into its lines, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedReader
from typing import NamedTuple

MAX_RECORD = 65_536
"""Bytes of a record: as many as the body of a request that creates a user may have."""


class Unreadable(NamedTuple):
    """Why a piece of a file is not a record."""

    code: str
    reason: str


TOO_LONG = Unreadable("invalid_record", f"The record is longer than {MAX_RECORD:,} bytes.")


def split(source: BufferedReader) -> Iterator[tuple[int, bytes | Unreadable]]:
    """The lines that aren't blank, with their numbers."""
    number = 0
    while line := source.readline(MAX_RECORD):
        number += 1
        if len(line) == MAX_RECORD and line[-1:] != b"\n":
            pass_over(source)
            yield number, TOO_LONG
        elif not line.isspace():
            yield number, line


def pass_over(source: BufferedReader) -> None:
    """Read to the end of the line."""
    while (part := source.readline(MAX_RECORD)) and part[-1:] != b"\n":
        pass
