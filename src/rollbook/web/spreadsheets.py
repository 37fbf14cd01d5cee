"""Rows of CSV (RFC 4180) that a spreadsheet can open without harm."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

CONTENT_TYPE = "text/csv; charset=utf-8; header=present"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)."""


def rows(cells: Iterable[Iterable[str]]) -> bytes:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows([[_harmless(cell) for cell in row] for row in cells])
    return written.getvalue().encode()


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
