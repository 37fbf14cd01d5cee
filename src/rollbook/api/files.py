"""Files with a row for each user, event or record: NDJSON with an object on each line, or CSV (RFC 4180) that a
spreadsheet can open without harm, and that is read back as it was.

The refused records of an import are a file that can be fixed and imported again: CSV for CSV, otherwise NDJSON. Each
record is as it was, and says at its end, as `problem`, why it was refused. Imports leave that out.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

import msgspec

from rollbook.actions.exporting import Form
from rollbook.http.request import Chunks
from rollbook.records.import_rows import FileFacts, Raw

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection), in full width too, and what looks like
# it behind quotation marks: it gets one more, so that taking one away gives the text itself.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]").match
_encode_lines = msgspec.json.Encoder().encode_lines
Cells = Callable[[Any], Mapping[str, Any]]
"""A function from a row to its values by column."""
CONTENT_TYPES = {"csv": "text/csv; charset=utf-8; header=present", "ndjson": "application/x-ndjson"}


class File(NamedTuple):
    """A file to send, in parts."""

    format: str
    """Its name ends so, too."""
    parts: Chunks

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.format]


async def written(form: Form, parts: AsyncGenerator[list[Any], None]) -> AsyncGenerator[bytes, None]:
    yield form.start
    async with aclosing(parts):
        async for part in parts:
            yield form.part(part)


def table(format: str, columns: Sequence[str], record: Callable[[Any], Any], cells: Cells | None = None) -> Form:
    """The form of a file with rows of one kind: each as its `record`, or in CSV as its `cells` if those differ."""
    if format == "ndjson":
        return Form(b"", lambda rows: _encode_lines([record(row) for row in rows]))
    values = cells or record
    return Form(write_rows([columns]), lambda rows: write_rows([map(values(row).get, columns) for row in rows]))


def write_rows(rows: Iterable[Iterable[Any]], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(
        [[f"'{cell}" if _FORMULA(cell) else cell for cell in map(_text, row)] for row in rows]
    )
    return text.getvalue().encode()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value or "")


def plain(cell: str) -> str:
    """A cell as it was before `write_rows`."""
    return cell[1:] if cell[:1] == "'" and _FORMULA(cell) else cell


PROBLEM = "problem"
_MARK = b"\xef\xbb\xbf"
"""Without it, spreadsheets take UTF-8 for Windows-1252."""
_problem = re.compile(r'"problem"\s*:\s*"(?:[^"\\]|\\.)*"\s*\}$').search


def format_of(facts: FileFacts) -> str:
    return "csv" if facts.format == "csv" else "ndjson"


def refused_rows(facts: FileFacts) -> Form:
    """The form of a file with the refused records of an import."""
    delimiter = facts.delimiter
    if facts.format != "csv":
        return Form(
            facts.start.encode(),
            lambda rows: b"".join([_line(raw if isinstance(raw, str) else "", why) for raw, why in rows]),
        )
    width = len(facts.header or facts.columns)
    start = _MARK + write_rows([[*facts.header, PROBLEM]], delimiter) if facts.header else facts.start.encode()
    return Form(start, lambda rows: write_rows([[*_cells(raw, width, delimiter), why] for raw, why in rows], delimiter))


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
