"""People to invite, as somebody pastes them: `Name <email>` or `email` on each line, or CSV with a header."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_PEOPLE = 1_000
COLUMNS = ("name", "email", "role", "external_id")

_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<email>[^<>]*)>").fullmatch
# Between the people of one line. Quotation marks keep a name with a comma together.
_PEOPLE = re.compile(r'(?:"[^"]*"|<[^<>]*>|[^,;\t"<>]|["<>])+')
UNCLEAR = "Write one person on each line: Name <email>, or only the email."


class Pasted(NamedTuple):
    """One person of the list. `problem` says why the line is none; what is wrong with the values is not checked."""

    line: int
    text: str
    fields: dict[str, str]
    problem: str = ""


class UnreadableList(ValueError):
    """The list as a whole can't be read; the message is for people."""


def read(text: str) -> list[Pasted]:
    """The people of a list, at most MAX_PEOPLE. Without a name, they get what the email begins with. Raises
    Unreadable."""
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    people: list[Pasted] = []
    columns = _header(lines[0][1]) if lines else None
    for person in _rows(text, *columns) if columns else _people(lines):
        people.append(person)
        if len(people) > MAX_PEOPLE:
            raise UnreadableList(
                f"At most {MAX_PEOPLE:,} people can be invited at once. Import longer lists as a file."
            )
    return people


def header(text: str) -> str:
    """The header of CSV; empty for a list."""
    first = text.strip().partition("\n")[0].strip()
    return first if first and _header(first) else ""


def _header(line: str) -> tuple[str, list[str]] | None:
    """The separator and the names of the columns, if this line is a header. Raises Unreadable."""
    for separator in (",", ";", "\t"):
        names = [cell.strip().strip('"').lower().replace(" ", "_") for cell in line.split(separator)]
        if "email" in names and "@" not in line:
            if unknown := next((name for name in names if name not in COLUMNS), None):
                raise UnreadableList(f"The column “{unknown[:40]}” is not known. Columns: {', '.join(COLUMNS)}.")
            if len(set(names)) < len(names):
                raise UnreadableList("Two columns have the same name.")
            return separator, names
    return None


def _rows(text: str, separator: str, names: list[str]) -> Iterator[Pasted]:
    """The rows of CSV after its header. Raises Unreadable."""
    rows = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    lines = text.splitlines()
    is_header, line = True, 0
    try:
        for cells in rows:
            before, line = line, rows.line_num
            whole = lines[line - 1] if line == before + 1 else separator.join(cells)
            if not any(cell.strip() for cell in cells):
                continue
            if is_header:
                is_header = False
                continue
            if len(cells) != len(names):
                yield Pasted(line, whole, {}, f"The row has {len(cells)} cells, the header {len(names)}.")
                continue
            fields = {name: cell.strip() for name, cell in zip(names, cells, strict=True) if cell.strip()}
            yield Pasted(line, whole, _with_name(fields))
    except csv.Error:
        raise UnreadableList(
            f"The CSV can't be read from line {rows.line_num:,} on: a quotation mark is missing."
        ) from None


def _people(lines: list[tuple[int, str]]) -> Iterator[Pasted]:
    for number, line in lines:
        parts = [part.strip() for part in _PEOPLE.findall(line) if part.strip()]
        if len(parts) == 2 and ("@" in parts[0]) != ("@" in parts[1]) and "<" not in line:
            email, name = sorted(parts, key=lambda part: "@" not in part)
            yield Pasted(number, line, _with_name({"email": email, "name": name.strip('"')}))
        elif len(parts) > 1 and not all("@" in part for part in parts):
            yield Pasted(number, line, {}, UNCLEAR)
        else:
            for part in parts:
                yield _person(number, part)


def _person(number: int, part: str) -> Pasted:
    if named := _NAMED(part):
        fields = {"email": named["email"].strip(), "name": named["name"].strip().strip('"').strip()}
        return Pasted(number, part, _with_name(fields))
    if " " in part or "<" in part or ">" in part:
        return Pasted(number, part, {}, UNCLEAR)
    return Pasted(number, part, _with_name({"email": part}))


def _with_name(fields: dict[str, str]) -> dict[str, str]:
    email = fields.get("email", "")
    return {**fields, "name": fields.get("name") or email.partition("@")[0]}
