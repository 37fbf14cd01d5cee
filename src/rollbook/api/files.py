"""Files that calls answer with: spreadsheets, and refused rows of imports.

The refused records of an import as a file that can be fixed and imported again: CSV for CSV, otherwise NDJSON. Each
record is as it was, and says at its end, as `problem`, why it was refused. Imports leave that out.

Rows of CSV (RFC 4180) that a spreadsheet can open without harm, and that are read back as they were.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

import msgspec

from rollbook.records.import_rows import FileFacts, Raw

CONTENT_TYPE = "text/csv; charset=utf-8; header=present"

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection), in full width too, and what looks like
# it behind quotation marks: it gets one more, so that taking one away gives the text itself.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]").match


def write_rows(cells: Iterable[Iterable[str]], delimiter: str = ",") -> bytes:
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator="\r\n").writerows(
        [[f"'{cell}" if _FORMULA(cell) else cell for cell in row] for row in cells]
    )
    return written.getvalue().encode()


def plain(cell: str) -> str:
    """A cell as it was before `rows`."""
    return cell[1:] if cell[:1] == "'" and _FORMULA(cell) else cell


PROBLEM = "problem"
_MARK = b"\xef\xbb\xbf"
"""Without it, spreadsheets take UTF-8 for Windows-1252."""
_problem = re.compile(r'"problem"\s*:\s*"(?:[^"\\]|\\.)*"\s*\}$').search

RawRefusal = tuple[Raw, str]
"""A record, and why it was refused."""


def content_type(facts: FileFacts) -> str:
    return CONTENT_TYPE if facts.format == "csv" else "application/x-ndjson"


def ending(facts: FileFacts) -> str:
    return "csv" if facts.format == "csv" else "ndjson"


def head(facts: FileFacts) -> bytes:
    """The lines before the records."""
    if facts.format != "csv" or not facts.header:
        return facts.start.encode()
    return _MARK + write_rows([[*facts.header, PROBLEM]], facts.delimiter)


def lines(facts: FileFacts, rows: Iterable[RawRefusal]) -> bytes:
    if facts.format == "csv":
        width = len(facts.header or facts.columns)
        return write_rows([[*_cells(raw, width, facts.delimiter), why] for raw, why in rows], facts.delimiter)
    return b"".join([_line(raw if isinstance(raw, str) else "", why) for raw, why in rows])


def _cells(raw: Raw, width: int, delimiter: str) -> list[str]:
    """The cells, as many as there are columns: what could not be read is in the first one, too many are in the last."""
    cells = [raw] if isinstance(raw, str) else raw
    if len(cells) > width:
        cells = [*cells[: width - 1], delimiter.join(cells[width - 1 :])]
    return [*cells, *[""] * (width - len(cells))]


def _line(raw: str, why: str) -> bytes:
    problem = msgspec.json.encode(why).decode()
    try:
        is_object = isinstance(msgspec.json.decode(raw), dict)
    except msgspec.DecodeError:
        is_object = False
    if not is_object:
        return msgspec.json.encode({"record": raw, PROBLEM: why}) + b"\n"
    inner = " ".join(raw.splitlines()).strip()[:-1].rstrip()
    if former := _problem(inner + "}"):
        inner = inner[: former.start()].rstrip().removesuffix(",").rstrip()
    return f'{inner}{"" if inner == "{" else ","}"{PROBLEM}":{problem}}}\n'.encode()
