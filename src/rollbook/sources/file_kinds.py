"""Files that people choose by mistake: what they are, and what to do instead."""

from __future__ import annotations

import re

from rollbook.errors import InvalidParameter

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
