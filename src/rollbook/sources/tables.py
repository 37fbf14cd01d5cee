"""Splits CSV (RFC 4180) into rows by the names of its columns, in constant memory."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from io import BufferedReader

from rollbook.api import files
from rollbook.auth import password_hashes
from rollbook.errors import InvalidParameter
from rollbook.records import rules
from rollbook.sources.arrays import MAX_RECORD, STRETCH, TOO_LONG, Unreadable, pass_over

DELIMITERS = ",;\t|"
MAX_COLUMNS = 1_000
NULLS = frozenset(("NULL", "\\N"))
"""The words by which databases say in CSV that a column has no value: phpMyAdmin, the clients of MySQL and
PostgreSQL."""

_QUOTED = re.compile(r'"[^"]*+"')


class _Bad(Exception):
    """The row can't be read; its argument says why."""


class CsvTable:
    """The rows of a CSV file. `columns`: of a file that doesn't name them in its first line."""

    def __init__(
        self,
        source: BufferedReader,
        delimiter: str | None,
        columns: Sequence[str] = (),
        nulls: frozenset[str] = frozenset(),
    ) -> None:
        """`nulls`: how cells without a value may be written, other than empty. Raises InvalidParameter for a header
        that can't be read."""
        self._nulls = nulls | {""}
        self._source = source
        self._line = 0
        self._size = 0
        self._pending = b""
        self.raw = b""
        """The row that is being read, so far."""
        self._is_cut = False  # the last line goes on
        self._named = not columns
        self.delimiter = delimiter or ","
        self.columns = tuple(columns)
        if self._named:
            self._read_header(delimiter)

    def rows(self) -> Iterator[tuple[int, dict[str, str] | Unreadable | None]]:
        """Each row by column, with the number of its first line. Empty lines are passed over."""
        reader = self._reader()
        empty = 0
        while True:
            first, self._size = self._line + 1, 0
            try:
                cells = next(reader, None)
            except (csv.Error, UnicodeDecodeError, _Bad) as problem:
                if self._is_cut:
                    self._is_cut = False
                    yield from pass_over(self._source, self._line)
                raw = self.raw.decode(errors="replace").rstrip("\r\n")
                yield first, _unreadable(problem)._replace(raw=raw)
                reader = self._reader()
                continue
            if cells is None:
                return
            if cells:
                yield first, self._row(cells)
            elif (empty := empty + self._size) >= STRETCH:
                empty = 0
                yield first, None

    def cells(self, raw: bytes) -> list[str]:
        """The cells of a row that was read, without what keeps spreadsheets from taking them for formulas."""
        lines = (f"{line}\n" for line in raw.decode(errors="replace").split("\n"))
        cells = next(csv.reader(lines, delimiter=self.delimiter), [])
        return [files.plain(cell) for cell in cells]

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """A line for the parser, which asks for as many as a row has."""
        line = self._pending or self._source.readline(MAX_RECORD)
        self._pending = b""
        if not line:
            raise StopIteration
        self._line += 1
        self.raw = self.raw + line if self._size else line
        self._size += len(line)
        if self._size >= MAX_RECORD:
            self._is_cut = line[-1:] != b"\n"
            raise _Bad(TOO_LONG)
        if b"\0" in line:
            raise _Bad(Unreadable("invalid_record", "The row contains a NUL character."))
        return line.decode()

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self, delimiter=self.delimiter, strict=True)

    def _row(self, cells: list[str]) -> dict[str, str] | Unreadable:
        if self._named and len(cells) != len(self.columns):
            why = f"The row has {len(cells)} cells, and the header {len(self.columns)}."
            return Unreadable("invalid_record", why, [files.plain(cell) for cell in cells])
        return {
            column: files.plain(cell)
            for column, cell in zip(self.columns, cells, strict=False)
            if cell not in self._nulls
        }

    def _read_header(self, delimiter: str | None) -> None:
        self._pending = self._source.readline(MAX_RECORD)
        try:
            self.delimiter = delimiter or _most_frequent(self._pending.decode())
            names = next(self._reader(), [])
        except (csv.Error, UnicodeDecodeError, _Bad) as problem:
            raise InvalidParameter(f"The header can't be read. {_unreadable(problem).reason}") from None
        self.columns = tuple(name.strip() for name in names)
        if len(self.columns) > MAX_COLUMNS:
            raise InvalidParameter(f"The file has more than {MAX_COLUMNS:,} columns.")
        for number, name in enumerate(self.columns, 1):
            if content := _held(name):
                raise InvalidParameter(
                    f"The first line must name the columns, but column {number} holds {content}. Put a line with "
                    "names above it."
                )
        for number, name in enumerate(self.columns, 1):
            if (first := self.columns.index(name) + 1) < number:
                raise InvalidParameter(f"Columns {first} and {number} have the same name.")


def _held(name: str) -> str | None:
    """Kind of value in a cell of the first line, where it is a user's and no name: such files lack their header."""
    if password_hashes.canonical(name) is not None:
        return "a password hash"
    if "@" not in name:
        return None
    try:
        rules.email(name)
    except ValueError:
        return None
    return "an email address"


def _most_frequent(header: str) -> str:
    plain = _QUOTED.sub("", header)
    return max(DELIMITERS, key=plain.count)


def _unreadable(problem: Exception) -> Unreadable:
    if isinstance(problem, _Bad):
        return problem.args[0]
    if isinstance(problem, UnicodeDecodeError):
        return Unreadable("invalid_record", "The row is not valid UTF-8. Save the file as UTF-8.")
    if "end of data" in str(problem):
        return Unreadable("invalid_record", "A quotation mark that begins in this row has no partner.")
    return Unreadable(
        "invalid_record",
        "The row is not valid CSV: a quotation mark inside a cell is not doubled, or a line break is not quoted.",
    )
