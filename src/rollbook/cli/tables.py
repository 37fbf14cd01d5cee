"""Tables: for people as wide as the terminal, for programs a line of tab-separated values per row.

Values as a terminal shows them: without what could control it, and times in the zone of whoever reads them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any, TextIO

import msgspec

_is_time = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z").fullmatch
COLORS = {
    **dict.fromkeys(("active", "enabled", "delivered", "done", "finished"), "green"),
    **dict.fromkeys(("invited", "paused", "running", "waiting", "queued", "canceled", "undone"), "yellow"),
    **dict.fromkeys(("suspended", "deleted", "revoked", "expired", "disabled", "failed"), "red"),
}
"""The colors of words that say how something is."""

NOTHING = {
    "scopes": "all",
    "ip_allow": "any",
    "rate_limit": "default",
    "expires_at": "never",
    "last_used_at": "never",
    **dict.fromkeys(("last_sign_in_at", "last_active_at", "ends_at"), "never"),
}
"""Words for the absence of a value at a terminal, by the name of the field; a dash for all others."""


def printable(text: str) -> str:
    """The text without what could control a terminal: names, and what another server says, come from strangers."""
    return "".join(character if character.isprintable() or character == "\n" else "�" for character in text)


def cell(value: Any) -> str:
    """A value on one line, as programs read it in a table, too."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        value = ",".join(map(str, value))
    elif isinstance(value, msgspec.Raw):
        value = bytes(value).decode()
    elif isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    return printable(str(value)).replace("\n", "�")


def at_terminal(name: str, value: Any) -> str:
    """The value of a field, on one line, as people read it."""
    return local(value) if is_time(value) else cell(NOTHING.get(name) if value is None else value)


def when(value: Any, stream: TextIO | None = None) -> str:
    """A time as people read it, such as `2026-11-29 11:24:31 CET`; as it is where `stream`, by default standard error,
    is no terminal, or it is no time."""
    if not is_time(value) or not (stream or sys.stderr).isatty():
        return cell(value)
    return f"{local(value)} {zone((value,))}"


def is_time(value: Any) -> bool:
    """Test whether it is a time as the API writes it, and one that there is in the zone of this machine."""
    if not isinstance(value, str) or _is_time(value) is None:
        return False
    try:
        return _read(value) is not None
    except (ValueError, OverflowError):
        return False


def local(time: str) -> str:
    """A time of the API in the zone of this machine, without its name."""
    return f"{_read(time):%Y-%m-%d %H:%M:%S}"


def zone(times: Iterable[str]) -> str:
    """The name of the zone of this machine at these times: two around a change of the clocks."""
    return "/".join(dict.fromkeys(str(_read(time).tzname()) for time in times))


def _read(time: str) -> datetime:
    return datetime.fromisoformat(time).astimezone()


def is_colored(stream: TextIO) -> bool:
    """Test whether colors are wanted there (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def colored(text: str, word: str) -> str:
    """The text in the color of a word, if it has one."""
    color = COLORS.get(word.strip().lower())
    return styled(text, fg=color) if color else text


def styled(text: str, **styles: Any) -> str:
    # Imported here: a worker of the server starts without it.
    import click

    return click.style(text, **styles)


GAP = 2  # characters between columns
COMFORT = 20
"""Characters that a column may be cut to before another one is hidden."""
LEAST = 8
"""Characters that a column may be cut to where nothing is left to hide."""
MEASURED = 200
"""Rows that tell the widths of the columns. Further ones are printed as they arrive."""
STATES = ("status", "state", "outcome")
"""Columns whose words have colors."""

TableRow = Mapping[str, Any]


def table(
    columns: Sequence[str], rows: Iterable[TableRow], spare: Sequence[str] = (), like: TableRow | None = None
) -> int:
    """Print a line per row, and return how many there are. In a narrow terminal, the columns `spare` are hidden first,
    then those on the right. With `like`, rows are awaited one by one, and this one tells the widths instead of the
    first of them."""
    rows = iter(rows)
    if not sys.stdout.isatty():
        return _print(("\t".join(cell(row[name]) for name in columns) for row in rows), like is not None)
    measured = [like] if like is not None else list(islice(rows, MEASURED))
    if not measured:
        return 0
    shown = _Columns(columns, measured, spare)
    print(shown.head)
    if like is not None:
        shown.tell_hidden()
    number = _print(map(shown.line, rows if like is not None else chain(measured, rows)), like is not None)
    if like is None:
        shown.tell_hidden()
    return number


def _print(lines: Iterator[str], is_live: bool) -> int:
    number = 0
    for line in lines:
        print(line, flush=is_live)
        number += 1
    return number


class _Columns:
    """The columns that fit into the terminal. Values that people copy and times are never cut."""

    def __init__(self, columns: Sequence[str], rows: Sequence[TableRow], spare: Sequence[str]) -> None:
        self._zones = {name: zone(row[name] for row in rows if is_time(row[name])) for name in columns}
        titles = {name: _title(name, self._zones[name]) for name in columns}
        widths = {
            name: max(map(width, (titles[name], *(at_terminal(name, row[name]) for row in rows)))) for name in columns
        }
        self._whole = {name for name in columns if self._zones[name] or _is_copied(name)}
        self._numbers = {name for name in columns if _are_numbers([row[name] for row in rows])}
        room = shutil.get_terminal_size().columns
        self._widths = _fitted(widths, self._whole, spare, room)
        self._hidden = [name for name in columns if name not in self._widths]
        self._is_colored = is_colored(sys.stdout)
        head = self._joined(titles)
        self.head = styled(head, bold=True) if self._is_colored else head

    def line(self, row: TableRow) -> str:
        return self._joined({name: self._value(name, row[name]) for name in self._widths})

    def _value(self, name: str, value: Any) -> str:
        """With its zone, where the head of the column names another."""
        text = at_terminal(name, value)
        here = zone((value,)) if is_time(value) else ""
        return text if here in self._zones[name].split("/") or not here else f"{text} {here}"

    def tell_hidden(self) -> None:
        if self._hidden:
            names = ", ".join(name.replace("_", " ") for name in self._hidden)
            print(f"Hidden (terminal too narrow): {names}. Use --json to see everything.", file=sys.stderr)

    def _joined(self, texts: Mapping[str, str]) -> str:
        cells = []
        for name, room in self._widths.items():
            text = texts[name]
            if (blank := room - width(text)) >= 0:
                text = " " * blank + text if name in self._numbers else text + " " * blank
            elif name not in self._whole:
                text = filled(text, room - 1) + "…"
            cells.append(colored(text, texts[name]) if self._is_colored and name in STATES else text)
        return (" " * GAP).join(cells).rstrip()


def width(text: str) -> int:
    """Columns of a terminal that it takes: two for each wide letter and emoji, none for what is put onto another."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def filled(text: str, room: int) -> str:
    """The text cut or filled up to this width."""
    for at, character in enumerate(text):
        if (left := room - _columns(character)) < 0:
            return text[:at] + " " * room
        room = left
    return text + " " * room


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _title(name: str, zone: str) -> str:
    return name.replace("_", " ").upper() + (f" ({zone})" if zone else "")


def _are_numbers(values: Sequence[Any]) -> bool:
    kinds = {type(value) for value in values if value is not None}
    return bool(kinds) and kinds <= {int, float}


def _is_copied(column: str) -> bool:
    return column in ("id", "masked") or column.endswith("_id")


def _fitted(widths: dict[str, int], whole: set[str], spare: Sequence[str], room: int) -> dict[str, int]:
    """The widths of the columns that are shown: some are cut, some hidden. One is always shown."""

    def least(comfort: int) -> dict[str, int]:
        return {name: widths[name] if name in whole else min(widths[name], comfort) for name in columns}

    def needed(sizes: dict[str, int]) -> int:
        return sum(sizes.values()) + GAP * (len(sizes) - 1)

    columns = list(widths)
    for name in (*spare, *reversed([name for name in widths if name not in spare])):
        if len(columns) == 1 or needed(least(COMFORT if len(columns) > 2 else LEAST)) <= room:
            break
        columns.remove(name)
    fitted = least(COMFORT if len(columns) > 2 else LEAST)
    left = max(0, room - needed(fitted))
    for number, name in enumerate(sorted(columns, key=lambda name: widths[name] - fitted[name])):
        more = min(widths[name] - fitted[name], left // (len(columns) - number))
        fitted[name] += more
        left -= more
    return fitted
