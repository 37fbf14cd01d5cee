"""Reads users from a file, one record at a time and in constant memory. A record that holds no user is refused alone,
with the reason."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from itertools import islice
from typing import Any, BinaryIO, Literal, NamedTuple

import msgspec
from msgspec import UNSET
from msgspec.structs import astuple

from rollbook.actions.arguments.imports import ConvertedUser, FileRecord, ImportedUser, ImportOptions
from rollbook.actions.checking import check, field_hook, invalid, refuse
from rollbook.actions.import_sources import OWN_FILE, SYSTEMS
from rollbook.auth import password_hashes
from rollbook.errors import ApiError, Fault, InvalidJson, InvalidParameter
from rollbook.json_objects import look_closely, read_object
from rollbook.records.import_rows import Column, FileFacts, Raw
from rollbook.records.imports import Refusal
from rollbook.sources import arrays, columns, recognizing, systems, unpacking
from rollbook.sources.arrays import Unreadable
from rollbook.sources.column_report import ColumnReport
from rollbook.sources.columns import PROBLEM, Targets
from rollbook.sources.recognizing import other_source, wrong_source
from rollbook.sources.systems import System
from rollbook.sources.tables import NULLS, CsvTable
from rollbook.sources.unpacking import Compression, Encoding, Utf8
from rollbook.sources.values import tidied, with_times

Format = Literal["ndjson", "json", "csv"]

MAX_REASON = 300
LOOKED_AT = 200
"""Records from which a preview learns what becomes of each column."""
PREVIEWED = 1 << 20
"""Unpacked bytes at the beginning of a file that a preview looks at: a packed one can have thousands of blank lines in
each byte."""


FIELDS = len(ImportedUser.__struct_fields__)
NOBODY = (None, None)
_NESTED = (dict, list)


class Broken(Exception):
    """A bug of ours that a record has shown. Says its line, and nothing that the record holds."""


class Preview(NamedTuple):
    """Format of a file, and what its first records would become."""

    format: Format
    compression: Compression
    encoding: Encoding
    looks_like: str | None
    """Another system, of which it may be an export."""
    columns: tuple[str, ...]
    """Columns of CSV. Empty for JSON."""
    mapping: Targets
    """The field of each column: as asked for, else as proposed. Empty where columns have no choice: for JSON, and other
    systems' files."""
    records: list[FileRecord]
    report: list[Column]
    """Fate of each column, by the first records."""


class Reading:
    """The records of a file, each once, from first to last. The first `skip` are passed over.

    Raises InvalidParameter, also while it is read, where the file as a whole can't be read.
    """

    def __init__(
        self, file: BinaryIO, options: ImportOptions, password_min_length: int, skip: int = 0, *, propose: bool = False
    ) -> None:
        """`propose`: go on with columns that have no field, and without those that a user needs, instead of refusing
        the file."""
        self._counted = unpacking.CountingFile(file)
        self._min_length = password_min_length
        self._decode = msgspec.json.Decoder(ImportedUser, dec_hook=field_hook(password_min_length)).decode
        self._convert: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None
        self._skip = skip
        self._who = NOBODY
        self.is_over = False
        """True once all of the file was read."""
        self.columns: tuple[str, ...] = ()
        self._header: list[str] = []
        self._rows: CsvTable | None = None
        self._start, self._delimiter = b"", ","
        self.mapping: Targets = columns.read_mapping(options.mapping)
        if options.source != OWN_FILE and self.mapping:
            refuse("mapping", "is for files that come from no other system")
        system = None if options.source == OWN_FILE else systems.find(options.source)
        self._record = system.record if system else None
        head, source = self._opened(system, PREVIEWED if propose else None)
        self.compression = self._packed.compression
        lists = system.lists if system else arrays.LISTS
        self.format: Format = _detect(head, options, lists) if options.format == "auto" else options.format
        self._recognize(head, options, propose)
        if self.format == "csv":
            self._place: BufferedReader | arrays.Text = source
            table = self._table(source, options, system, propose)
            self._parse, pieces = self._from_row, table.rows()
        else:
            if options.delimiter:
                refuse("delimiter", "is for CSV files")
            text = arrays.Text(source)
            self._place = source if self.format == "ndjson" else text
            self._parse = self._from_json if system or self.mapping else self._from_user
            pieces = arrays.split_lines(source) if self.format == "ndjson" else arrays.split(text, lists)
        self._pieces = self._to_end(pieces)
        name = SYSTEMS.get(options.source, "")
        self._looks = system is not None or self.format != "csv"
        updates = options.on_conflict == "update"
        self._report = ColumnReport(self.columns, self.mapping, self._convert, name, propose, updates)

    def _opened(self, system: System | None, most: int | None) -> tuple[bytes, BufferedReader]:
        """The head of the file's text, and the text. Raises InvalidParameter."""
        head, source = unpacking.peeked(unpacking.buffered(self._counted))
        size = self._begin(system, head)
        self._start = source.read(size)
        recognizing.refuse_packed(head[size:])
        self._packed = unpacking.unpacked(source, self._counted, most)
        head, source = unpacking.peeked(self._packed.source)
        recognizing.refuse_packed(head)
        self._text = Utf8(head, source)
        head, source = unpacking.peeked(unpacking.buffered(self._text))
        if not size and (size := self._begin(system, head)):
            self._start = source.read(size)
            head, source = unpacking.peeked(source)
        recognizing.refuse_text(head, len(head) < unpacking.HEAD)
        return head, source

    def _recognize(self, head: bytes, options: ImportOptions, propose: bool) -> None:
        """Raises InvalidParameter for the export of another system. Where columns can still be mapped, it is only
        noted."""
        system = None if self.mapping else other_source(options.source, head, self.format, options.delimiter)
        if system and not (propose and self.format == "csv" and options.source == OWN_FILE):
            raise wrong_source(system)
        self.looks_like = system

    def _begin(self, system: System | None, head: bytes) -> int:
        if system is None:
            return 0
        self._convert, size = system.begin(head)
        return size

    def _table(self, source: BufferedReader, options: ImportOptions, system: System | None, propose: bool) -> CsvTable:
        """Raises InvalidParameter."""
        table = CsvTable(source, options.delimiter, system.columns if system else (), NULLS if system else frozenset())
        self._rows, self.columns, self._delimiter = table, table.columns, table.delimiter
        self._header = list(table.columns) if not system or not system.columns else []
        if not system:
            columns.check_columns(table.columns, self.mapping)
            if table.columns[-1:] == (PROBLEM,):
                self.mapping = {PROBLEM: None, **self.mapping}
            self.mapping = (columns.propose if propose else columns.choose)(table.columns, self.mapping)
        return table

    @property
    def encoding(self) -> Encoding:
        """The encoding of what was read so far."""
        return self._text.encoding

    @property
    def facts(self) -> FileFacts:
        """The facts about the file that are known by now."""
        header = [name for name in self._header if not self._is_problem(name)]
        start = self._start.decode(errors="replace")
        return FileFacts(self.format, self.encoding, self._report.columns(), header, self._delimiter, start)

    def raw(self, source: Any) -> Raw:
        """A record as it was."""
        if self._rows and isinstance(source, bytes):
            source = self._rows.cells(source)
        if isinstance(source, list):
            return source[:-1] if len(source) == len(self._header) and self._is_problem(self._header[-1]) else source
        return source.decode(errors="replace").strip() if isinstance(source, bytes) else source

    def _is_problem(self, name: str) -> bool:
        """Test whether this column says why a record was refused before."""
        return name == PROBLEM and self._header[-1] == PROBLEM and self.mapping.get(PROBLEM) is None

    @property
    def bytes_read(self) -> int:
        """The number of bytes of the file that the records so far take up."""
        if self.is_over:
            return self._counted.count
        at = self._place.tell()
        return min(self._counted.count, self._packed.position(self._text.position(at)))

    def __iter__(self) -> Iterator[FileRecord]:
        while not self.is_over:
            yield from self.some(LOOKED_AT)

    def some(self, pieces: int) -> Iterator[FileRecord]:
        """The records in the next pieces of the file: fewer than pieces, or none, where these hold no user."""
        for line, piece in islice(self._pieces, pieces):
            if piece is None:  # much was read
                return
            if self._skip and not self._convert:  # each is a record
                self._skip -= 1
            elif (record := self._of_piece(line, piece)) is not None:
                if self._skip:
                    self._skip -= 1
                else:
                    yield record

    def _to_end(self, pieces: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        yield from pieces
        self.is_over = True

    def _of_piece(self, line: int, piece: Any) -> FileRecord | None:
        """The record that a piece is. None: it is no user, which only another system's file tells."""
        if isinstance(piece, Unreadable):
            return _refused(line, None, piece.code, piece.reason, piece.raw)
        self._who = NOBODY
        try:
            user = self._parse(piece)
            return None if user is None else FileRecord(line, user, None, self._rows.raw if self._rows else piece)
        except ApiError as problem:
            source = self._rows.raw if self._rows else piece
            return _refused(line, problem.param, problem.code, problem.full_message, source, self._who)
        except Exception as bug:
            # Not with its text, which may quote a cell, and whoever logs it would log.
            error = Broken(f"record {line}: {type(bug).__name__}")
            raise error.with_traceback(bug.__traceback__) from None

    def _from_user(self, text: bytes) -> ImportedUser:
        try:
            if b"\\" in text and b"\\u0000" in text:
                raise ValueError
            user = self._decode(text)
            values = astuple(user)
            inner = sum([text.count('":') for text in (user.metadata, user.private_metadata) if isinstance(text, str)])
            _check_names(text, FIELDS - values.count(UNSET) + inner)
            self._report.saw_user(values)
            return user
        except (msgspec.DecodeError, ValueError, RecursionError):
            # Again, as the API reads bodies: slowly, and with words for everything that is wrong.
            row = _without_problem(_object(text))
            self._report.saw(row)
            return self._checked(row, row)

    def _from_json(self, text: bytes) -> ImportedUser | None:
        if self._convert and b"\\u0000" not in text:
            with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                if type(row := msgspec.json.decode(text)) is dict:
                    _check_names(text, _names_in(row))
                    return self._from_row(row)
        return self._from_row(_object(text))

    def _from_row(self, row: dict[str, Any]) -> ImportedUser | None:
        if PROBLEM in row:
            row = _without_problem(row)
        if self._record is not None:
            record = self._record(row)
            if record is None:
                return None
            row = record
        if self._looks:
            self._report.saw(row)
        fields = self._convert(row) if self._convert else columns.to_fields(row, self.mapping)
        return None if fields is None else self._checked(fields, {} if self._convert else row)

    def _checked(self, fields: dict[str, Any], row: dict[str, Any]) -> ImportedUser:
        """`row` is the record that the fields were made of. Raises InvalidParameter."""
        self._who = fields.get("email"), fields.get("external_id")
        try:
            if self._convert:
                return check(ConvertedUser, tidied(fields), self._min_length)
            return check(ImportedUser, tidied(with_times(fields)), self._min_length)
        except InvalidParameter as problem:
            raise columns.without_cells(problem, row, self.mapping) from None


def preview(file: BinaryIO, options: ImportOptions, password_min_length: int, rows: int = 20) -> Preview:
    """Read the beginning of a file, also if no more of it is there. Raises InvalidParameter."""
    reading = Reading(file, options, password_min_length, propose=True)
    records: list[FileRecord] = []
    try:
        for record in islice(reading, max(rows, LOOKED_AT)):
            if len(records) < rows:
                records.append(record)
    except InvalidParameter as problem:
        if not unpacking.is_early_end(problem):
            raise
    if options.unknown_hashes == "refuse":
        records = [_with_known_hash(record) for record in records]
    return Preview(
        reading.format,
        reading.compression,
        reading.encoding,
        reading.looks_like,
        reading.columns,
        reading.mapping,
        records,
        reading.facts.columns,
    )


def _with_known_hash(record: FileRecord) -> FileRecord:
    """Return the user as the import will find it."""
    hash = record.user.password_hash if record.user else None
    if not isinstance(hash, str) or password_hashes.canonical(hash) is not None:
        return record
    problem = invalid([Fault("password_hash", str(password_hashes.why_unknown(hash)))])
    return _refused(record.line, problem.param, problem.code, problem.full_message, record.source)


def _detect(head: bytes, options: ImportOptions, lists: Collection[str]) -> Format:
    start = head.lstrip()
    if options.delimiter or (start and start[:1] not in (b"[", b"{")):
        return "csv"
    if start[:1] != b"{":
        return "json" if start else "ndjson"
    first, newline, _ = start.partition(b"\n")
    try:
        value = msgspec.json.decode(first)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # An object that goes on in the next line, or is longer than a record: not a line of its own.
        return "ndjson" if first.rstrip().endswith(b"}") and newline else "json"
    return "json" if any(isinstance(value.get(name), list) for name in lists) else "ndjson"


def _object(text: bytes) -> dict[str, Any]:
    with _of_record():
        return read_object(text.strip(), None, None, names=False)


def _without_problem(row: dict[str, Any]) -> dict[str, Any]:
    """The row of a file of refused records, without the reason, which comes last."""
    if row and next(reversed(row)) == PROBLEM:
        del row[PROBLEM]
    return row


def _check_names(text: bytes, number: int) -> None:
    """Check that no object of a record has two equal names, of which each parser takes another one. `number` are the
    names that are left once the last of each counts. Raises InvalidJson.

    Each name ends in a quotation mark and a colon. Where the text has as many of them as there are names, none comes
    twice; otherwise, or where it may be written in another way, all are looked at.
    """
    if (
        text.count(b'":') != number
        # Space before a colon, and the escapes of a quotation mark and a colon. One byte is looked for faster than two.
        or b" :" in text
        or (b"\t" in text and b"\t:" in text)
        or (b"\r" in text and b"\r:" in text)
        or (text.find(b"\n", 0, -1) >= 0 and b"\n:" in text)
        or (b"\\" in text and (b"\\u002" in text or b"\\u003" in text))
    ):
        with _of_record():
            look_closely(text.strip(), names=False)


def _names_in(value: Any) -> int:
    if type(value) is dict:
        return len(value) + sum([_names_in(part) for part in value.values() if type(part) in _NESTED])
    return sum([_names_in(part) for part in value if type(part) in _NESTED])


@contextmanager
def _of_record() -> Iterator[None]:
    """Name the record in errors about a body. Its number stands beside the message."""
    try:
        yield
    except InvalidJson as problem:
        raise InvalidJson(problem.message.replace("body", "record").replace("(line 1, ", "(")) from None


def _refused(
    line: int, field: str | None, code: str, reason: str, source: Any, who: tuple[Any, Any] = NOBODY
) -> FileRecord:
    short = reason if len(reason) <= MAX_REASON else reason[: MAX_REASON - 3] + "..."
    email, external_id = who
    known = None if field == "email" else email, None if field == "external_id" else external_id
    return FileRecord(line, None, Refusal(line, field or None, code, short), source, known)
