"""Recognizes the export of a system by the names in its first record, for people who chose another one.

Files that people choose by mistake: what they are, and what to do instead.
"""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from rollbook import ids
from rollbook.actions.import_sources import OWN_FILE, SYSTEMS
from rollbook.errors import ApiError, InvalidParameter
from rollbook.sources import arrays, columns, systems, unpacking
from rollbook.sources.tables import NULLS, CsvTable
from rollbook.sources.values import Fields, Record

_SPACES = re.compile(r"[\s_]+")
_LISTS = (*arrays.LISTS, "Users", "identities", "result", "value")
_REALM = re.compile(rb"\s*[\[{][^\0]*\"(?:sslRequired|accessTokenLifespan)\"\s*:").match
"""A realm of Keycloak, whose users come after its settings."""
_FIREBASE_CELLS = 26
"""Of its CSV, which has no header, at least: the second holds the email, the third whether it is verified."""


def other_source(source: str, head: bytes, form: str, delimiter: str | None) -> str | None:
    """The source whose export a file is, if that isn't `source`; by its beginning."""
    record = _first_record(head, form, delimiter)
    system = _by_head(head, form) or (system_of(record) if record else None)
    if system is None or system == source or (record and (_matches(source, record) or _fits(source, system, record))):
        return None
    return system


def wrong_source(system: str) -> InvalidParameter:
    return InvalidParameter(
        f"This looks like an export of {SYSTEMS.get(system, 'Rollbook')}: choose it under “Where the file comes "
        f"from”, or set the source to {system} (on the command line: --from {system}).",
        param="source",
    )


def system_of(record: Collection[str]) -> str | None:
    """The source whose exports have records with these names; None for one that is not known by them."""
    return next((name for name in _marks() if _matches(name, record)), None)


@cache
def _marks() -> dict[str, list[frozenset[str]]]:
    """Sets of names by which the exports of each system are known."""
    marks = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
    return {name: [frozenset(names.split()) for names in sets] for name, sets in marks.items()}


def _matches(source: str, record: Collection[str]) -> bool:
    names = set(map(_spelled, record))
    return any(names.issuperset(marks) for marks in _marks().get(source, ()))


def _fits(source: str, system: str, record: Record) -> bool:
    """Test whether the record is a user of this source, too, and the other reads no field more."""
    if source == OWN_FILE:
        return columns.are_fields(record) and not any(
            value and _spelled(name) == "id" and not ids.is_id("user", str(value)) for name, value in record.items()
        )
    user = _converted(source, record)
    return bool(user.get("email")) and _converted(system, record).keys() <= {*user, "metadata"}


def _converted(source: str, record: Record) -> Fields:
    """Empty where it can't be read so."""
    if source == OWN_FILE:
        return dict(record) if columns.are_fields(record) else {}
    with suppress(ApiError):
        return systems.find(source).begin(b"")[0](record) or {}
    return {}


def _by_head(head: bytes, form: str) -> str | None:
    if head.lstrip().startswith(b"hash_config"):
        return "firebase"
    if form == "csv":
        cells = head.partition(b"\n")[0].split(b",")
        is_firebase = len(cells) >= _FIREBASE_CELLS and b"@" in cells[1] and cells[2] in (b"true", b"false")
        return "firebase" if is_firebase else None
    return "keycloak" if _REALM(head) else None


def _first_record(head: bytes, form: str, delimiter: str | None) -> dict[str, Any] | None:
    """The first record with its columns, if there is one and it can be read."""
    source = unpacking.buffered(unpacking.CountingFile(io.BytesIO(head)))
    with suppress(ApiError, msgspec.DecodeError, UnicodeDecodeError, RecursionError, StopIteration, AttributeError):
        if form == "csv":
            table = CsvTable(source, delimiter, nulls=NULLS)
            _, row = next(table.rows(), (0, None))
            return {**dict.fromkeys(table.columns), **(row if isinstance(row, dict) else {})}
        pieces = arrays.split_lines(source) if form == "ndjson" else arrays.split(arrays.Text(source), _LISTS)
        value = msgspec.json.decode(next(piece for _, piece in pieces if isinstance(piece, bytes)))
        listed = next((value[name] for name in _LISTS if isinstance(value.get(name), list)), None)
        value = listed[0] if listed and "email" not in value else value
        return value if isinstance(value, dict) else None
    return None


def _spelled(name: str) -> str:
    return _SPACES.sub("", name).lower()


_SHEET = "Save the sheet as CSV, and import that"
_STARTS: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    ((b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",), "an Excel workbook (.xls), or another old Office file", _SHEET),
    ((b"%PDF-",), "a PDF", "Export the users as CSV or JSON instead"),
    ((b"SQLite format 3\0",), "an SQLite database", "Export its table of users as CSV or JSON instead"),
    ((b"PGDMP",), "a dump of PostgreSQL (pg_dump)", "Export the table of users as CSV or JSON instead"),
    ((b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07"), "an archive", "Unpack it, or use gzip or zstd"),
    ((b"PAR1",), "a Parquet file", "Save it as CSV or NDJSON"),
    ((b"\x89PNG", b"\xff\xd8\xff", b"GIF8"), "an image", "Choose the file with the users"),
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_ZIPPED = (
    (b"xl/", "an Excel workbook (.xlsx)", _SHEET),
    (b"opendocument.spreadsheet", "an OpenDocument spreadsheet (.ods)", _SHEET),
    (b"word/", "a Word document", "Export the users as CSV or JSON instead"),
    (b"Index/", "a Numbers spreadsheet", _SHEET),
)
_PAGE = re.compile(
    rb"\s*(?:<!--(?:(?!-->).){0,2000}-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_XML = re.compile(rb"\s*<(?:\?xml|[A-Za-z][\w:.-]*[\s/>])")
_LDIF = re.compile(rb"\s*(?:version: *1\s+)?(?:#[^\n]*\n\s*)*dn:[: ]")
_SQL = re.compile(
    rb"--[ \r\n]|/\*|INSERT INTO |(?:CREATE|DROP) (?:TABLE|DATABASE|SCHEMA) |(?:BEGIN|START) TRANSACTION"
    rb"|PRAGMA \w+=|SET \S+ *="
)
"""The beginnings of dumps of databases."""


def refuse_packed(head: bytes) -> None:
    """Raises InvalidParameter for a file of bytes that is none of users: `head` is its beginning."""
    if head.startswith(_ZIP):
        for sign, name, instead in _ZIPPED:
            if sign in head:
                raise _wrong(name, instead)
        raise _wrong("a ZIP archive", "Unpack it, and import the file that is in it")
    if head[257:262] == b"ustar":
        raise _wrong("an archive (tar)", "Unpack it, and import the file that is in it")
    for starts, name, instead in _STARTS:
        if head.startswith(starts):
            raise _wrong(name, instead)


def refuse_text(head: bytes, is_whole: bool) -> None:
    """Raises InvalidParameter for a text that is none of users, and for an empty file."""
    if is_whole and not head.strip():
        raise InvalidParameter("The file is empty.")
    if _PAGE.match(head):
        raise _wrong("a web page (HTML)", "Often it says that a sign-in has expired. Download the export again")
    if _XML.match(head):
        raise _wrong("an XML document", "Export the users as CSV or JSON instead")
    if _SQL.match(head.lstrip()):
        raise _wrong("an SQL dump", "Export the table of users as CSV or JSON instead")
    if _LDIF.match(head):
        raise _wrong("LDIF, an export of a directory (LDAP)", "Export the users as CSV instead")


def _wrong(name: str, instead: str) -> InvalidParameter:
    return InvalidParameter(f"The file is {name}. {instead}.")
