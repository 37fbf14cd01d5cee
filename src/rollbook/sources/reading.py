"""Reads users from a file, one record at a time and in constant memory. A record that holds no user is refused alone,
with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, BinaryIO, Literal, NamedTuple, TypeVar

import msgspec

from rollbook.actions.arguments import ImportedUser, ImportOptions
from rollbook.actions.checking import check, field_hook, invalid, refuse
from rollbook.api.parsing import read_object
from rollbook.auth import password_hashes
from rollbook.errors import ApiError, Fault, InvalidJson, InvalidParameter
from rollbook.records.imports import Refusal
from rollbook.sources import arrays, columns, lines, unpacking
from rollbook.sources.columns import Targets
from rollbook.sources.lines import Unreadable
from rollbook.sources.systems import SYSTEMS
from rollbook.sources.tables import Table
from rollbook.sources.unpacking import Compression

Format = Literal["ndjson", "json", "csv"]
Piece = TypeVar("Piece", bytes, dict[str, str])

MAX_REASON = 300
PREVIEWED = 1 << 20
"""Unpacked bytes at the beginning of a file that a preview looks at: a packed one can have thousands of blank lines in
each byte."""


class Broken(Exception):
    """A bug of ours that a record has shown. Says its line, and nothing that the record holds."""


class Record(NamedTuple):
    """One record of the file: a user, or why it holds none."""

    line: int
    """The line it begins in; in JSON lists, its position. Both count from 1."""
    user: ImportedUser | None
    refusal: Refusal | None


class Preview(NamedTuple):
    """Format of a file, and what its first records would become."""

    format: Format
    compression: Compression
    columns: tuple[str, ...]
    """Of CSV. Empty for JSON."""
    mapping: Targets
    """The field of each column: as asked for, else as proposed. Empty where columns have no choice: for JSON, and other
    systems' files."""
    records: list[Record]


class Reading:
    """The records of a file, each once, from first to last. The first `skip` are passed over.

    Raises InvalidParameter, also while it is read, where the file as a whole can't be read.
    """

    def __init__(
        self, file: BinaryIO, options: ImportOptions, password_min_length: int, skip: int = 0, *, propose: bool = False
    ) -> None:
        """`propose`: go on with columns that have no field, and without those that a user needs, instead of refusing
        the file."""
        self._counted = unpacking.Counted(file)
        self._min_length = password_min_length
        self._decode = msgspec.json.Decoder(ImportedUser, dec_hook=field_hook(password_min_length)).decode
        self._convert: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None
        self.columns: tuple[str, ...] = ()
        self.mapping: Targets = columns.read_mapping(options.mapping)
        source = unpacking.buffered(self._counted)
        system = None
        if options.source != "rollbook":
            if self.mapping:
                refuse("mapping", "is for files that come from no other system")
            system = SYSTEMS[options.source]
            self._convert, source = system.begin(source)
        source, self.compression = unpacking.unpacked(source, self._counted, PREVIEWED if propose else None)
        head, source = unpacking.as_text(source)
        self.format: Format = _detect(head, options) if options.format == "auto" else options.format
        if self.format == "csv":
            table = Table(source, options.delimiter, system.columns if system else ())
            self.columns = table.columns
            if not system:
                columns.check_columns(table.columns, self.mapping)
                proposed = columns.propose if propose else columns.choose
                self.mapping = proposed(table.columns, self.mapping)
            self._records = self._read(table.rows(), self._from_row, skip)
        else:
            if options.delimiter:
                refuse("delimiter", "is for CSV files")
            pieces = lines.split(source) if self.format == "ndjson" else arrays.split(source)
            self._records = self._read(pieces, self._from_json if system or self.mapping else self._from_user, skip)

    @property
    def bytes_read(self) -> int:
        """Of the file as it lies there, compressed or not."""
        return self._counted.count

    def __iter__(self) -> Iterator[Record]:
        return self._records

    def __next__(self) -> Record:
        return next(self._records)

    def _read(
        self, pieces: Iterator[tuple[int, Piece | Unreadable]], parse: Callable[[Piece], ImportedUser | None], skip: int
    ) -> Iterator[Record]:
        for line, piece in pieces:
            if skip and not self._convert:
                skip -= 1
                continue
            if isinstance(piece, Unreadable):
                record = _refused(line, None, piece.code, piece.reason)
            else:
                try:
                    user = parse(piece)
                    if user is None:
                        continue
                    record = Record(line, user, None)
                except ApiError as problem:
                    record = _refused(line, problem.param, problem.code, problem.full_message)
                except Exception as bug:
                    # Not with its text, which may quote a cell, and whoever logs it would log.
                    error = Broken(f"record {line}: {type(bug).__name__}")
                    raise error.with_traceback(bug.__traceback__) from None
            if skip:
                skip -= 1
            else:
                yield record

    def _from_user(self, text: bytes) -> ImportedUser:
        try:
            if b"\\u0000" in text:
                raise ValueError
            return self._decode(text)
        except (msgspec.DecodeError, ValueError, RecursionError):
            # Again, as the API reads bodies: slowly, and with words for everything that is wrong.
            return self._checked(row := _object(text), row)

    def _from_json(self, text: bytes) -> ImportedUser | None:
        if self._convert and b"\\u0000" not in text:
            # Of other systems' objects, the last of two equal names counts, as their own programs would read them.
            with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                if type(row := msgspec.json.decode(text)) is dict:
                    return self._from_row(row)
        return self._from_row(_object(text))

    def _from_row(self, row: dict[str, Any]) -> ImportedUser | None:
        fields = self._convert(row) if self._convert else columns.to_fields(row, self.mapping)
        return None if fields is None else self._checked(fields, {} if self._convert else row)

    def _checked(self, fields: dict[str, Any], row: dict[str, Any]) -> ImportedUser:
        """`row` is the record that the fields were made of. Raises InvalidParameter."""
        try:
            return check(ImportedUser, fields, self._min_length)
        except InvalidParameter as problem:
            raise columns.without_cells(problem, row, self.mapping) from None


def preview(file: BinaryIO, options: ImportOptions, password_min_length: int, rows: int = 20) -> Preview:
    """Read the beginning of a file, also if no more of it is there. Raises InvalidParameter."""
    reading = Reading(file, options, password_min_length, propose=True)
    records: list[Record] = []
    try:
        records.extend(islice(reading, rows))
    except InvalidParameter as problem:
        if not unpacking.is_early_end(problem):
            raise
    if options.unknown_hashes == "refuse":
        records = [_with_known_hash(record) for record in records]
    return Preview(reading.format, reading.compression, reading.columns, reading.mapping, records)


def _with_known_hash(record: Record) -> Record:
    """As the import will find it."""
    hash = record.user.password_hash if record.user else None
    if not isinstance(hash, str) or password_hashes.canonical(hash) is not None:
        return record
    problem = invalid([Fault("password_hash", str(password_hashes.why_unknown(hash)))])
    return _refused(record.line, problem.param, problem.code, problem.full_message)


def _detect(head: bytes, options: ImportOptions) -> Format:
    start = head.lstrip()
    if options.delimiter or (start and start[:1] not in (b"[", b"{")):
        return "csv"
    if start[:1] != b"{":
        return "json" if start else "ndjson"
    first, newline, _ = start.partition(b"\n")
    try:
        found = msgspec.json.decode(first)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # An object that goes on in the next line, or is longer than a record: not a line of its own.
        return "ndjson" if first.rstrip().endswith(b"}") and newline else "json"
    return "json" if any(isinstance(found.get(name), list) for name in arrays.LISTS) else "ndjson"


def _object(text: bytes) -> dict[str, Any]:
    try:
        return read_object(text.strip(), None, None, names=False)
    except InvalidJson as problem:
        # It is a line of the file, whose number stands beside the message.
        raise InvalidJson(problem.message.replace("body", "record").replace("(line 1, ", "(")) from None


def _refused(line: int, field: str | None, code: str, reason: str) -> Record:
    short = reason if len(reason) <= MAX_REASON else reason[: MAX_REASON - 3] + "..."
    return Record(line, None, Refusal(line, field or None, code, short))
