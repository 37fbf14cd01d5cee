"""Rows of CSV (RFC 4180) that a spreadsheet can open without harm, and that are read back as they were."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

CONTENT_TYPE = "text/csv; charset=utf-8; header=present"

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection), in full width too, and what looks like
# it behind quotation marks: it gets one more, so that taking one away gives the text itself.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]").match


def rows(cells: Iterable[Iterable[str]], delimiter: str = ",") -> bytes:
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator="\r\n").writerows(
        [[f"'{cell}" if _FORMULA(cell) else cell for cell in row] for row in cells]
    )
    return written.getvalue().encode()


def plain(cell: str) -> str:
    """A cell as it was before `rows`."""
    return cell[1:] if cell[:1] == "'" and _FORMULA(cell) else cell
