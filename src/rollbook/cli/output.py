"""Output of commands: tables for people, JSON for programs, single values for scripts, hints on standard error."""

from __future__ import annotations

import codecs
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

from rollbook.cli.failures import Failure, Misuse
from rollbook.config import Settings

LEAST_COLUMNS = 3
LEAST_WIDTH = 8
"""Of a column whose values may be cut."""
GAP = 3  # characters between columns
EDGES = 2  # characters beside them


def table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """One line per row. Pipes get tab-separated values, for `cut` and `awk`."""
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(_text(row[name]) for name in columns))
        return
    # Imported here: it takes a tenth of a second, and only terminals need it.
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    lines = [[_text(row[name]) for name in columns] for row in rows]
    widths = [max(map(len, [name, *(line[at] for line in lines)])) for at, name in enumerate(columns)]
    room = Console().width - EDGES
    fitted = _fitted(columns, widths, room)
    kept = len(fitted)
    console = Console(width=max(room, sum(fitted) + GAP * (kept - 1)) + EDGES)
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, width in zip(columns, fitted, strict=False):
        overflow: Literal["fold", "ellipsis"] = "fold" if name == "email" else "ellipsis"
        shown.add_column(name.replace("_", " "), no_wrap=True, overflow=overflow, width=width)
    for line in lines:
        shown.add_row(*[Text(value) for value in line[:kept]])
    console.print(shown)
    if kept < len(columns):
        left_out = ", ".join(name.replace("_", " ") for name in columns[kept:])
        hint(f"Hidden (terminal too narrow): {left_out}. Use --json to see everything.")


def _fitted(columns: Sequence[str], widths: Sequence[int], room: int) -> list[int]:
    """The widths of the columns that are shown. In a narrow window, columns are hidden from the right instead of
    wrapping lines, then values are cut: never those that people copy, even where the window is too narrow for them."""
    least = [
        width if _is_copied(name) else min(width, LEAST_WIDTH) for name, width in zip(columns, widths, strict=True)
    ]
    kept = len(columns)
    while kept > LEAST_COLUMNS and sum(widths[:kept]) + GAP * (kept - 1) > room:
        kept -= 1
    while kept > 1 and sum(least[:kept]) + GAP * (kept - 1) > room:
        kept -= 1
    found = list(widths[:kept])
    for at in sorted(range(kept), key=lambda at: -found[at]):
        excess = sum(found) + GAP * (kept - 1) - room
        found[at] = max(least[at], found[at] - max(0, excess))
    return found


def _is_copied(column: str) -> bool:
    return column in ("id", "masked") or column.endswith("_id")


def listed(
    found: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    json: bool,
    quiet: bool,
    *,
    id: str = "id",
    row: Callable[[Any], Mapping[str, Any]] = dict,
    empty: str = "",
) -> None:
    """The objects of a list, as JSON, with `quiet` only the field `id` of each, else as a table, of the rows that `row`
    makes of them. `empty` is the hint beside a table without rows."""
    if json:
        as_json(found)
    elif quiet:
        for each in found:
            line(each[id])
    else:
        table(columns, map(row, found))
        if empty and not found:
            hint(empty)


def shown(found: Mapping[str, Any], json: bool, quiet: bool = False) -> None:
    """An object: as JSON, with `quiet` only its ID, else a line per value."""
    if quiet:
        line(found["id"])
    elif json:
        as_json(found)
    else:
        details(found)


def details(values: Mapping[str, Any]) -> None:
    """One line per value, with its name."""
    width = max(map(len, values))
    for name, value in values.items():
        print(f"{name.replace('_', ' '):<{width}}  {_text(value)}")


def line(value: Any) -> None:
    """One value, for scripts."""
    print(_text(value))


@contextmanager
def written(file: Path) -> Iterator[BinaryIO]:
    """A file to write to, `-` for standard output. No one else may read it, and it is there once it is complete. Raises
    Failure."""
    if file == Path("-"):
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if file.exists() and not file.is_file():  # a device, a pipe
        with open(file, "wb") as output:
            yield output
        return
    part = file.with_name(file.name + ".part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
            os.fchmod(output.fileno(), 0o600)
            yield output
        part.replace(file)
    except OSError as problem:
        raise Failure(f"{file} can't be written: {problem.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)


def as_json(value: Any) -> None:
    """The value as indented JSON."""
    print(_json(msgspec.json.format(msgspec.json.encode(value), indent=2)))


def as_it_is(parts: Iterable[bytes]) -> None:
    """A body that isn't JSON, as it arrives. At a terminal, without what could control it."""
    if not sys.stdout.isatty():
        for part in parts:
            sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
        return
    for text in codecs.iterdecode(parts, "utf-8", "replace"):
        print(printable(text.replace("\r", "")), end="", flush=True)


def json_line(value: Any) -> None:
    """The value as JSON on one line."""
    print(_json(msgspec.json.encode(value)))


def as_json_list(values: Iterable[Any]) -> None:
    """A JSON array, written as its values arrive, in constant memory."""
    opening = "["
    for value in values:
        print(f"{opening}\n  {_json(msgspec.json.encode(value))}", end="")
        opening = ","
    print("[]" if opening == "[" else "\n]")


def counted(number: int, name: str) -> str:
    """`1 user`, `2,000 users`."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def hint(text: str) -> None:
    """A hint for people, next to the command's output."""
    print(printable(text), file=sys.stderr)


def printable(text: str) -> str:
    """The text without what could control a terminal: names, and what another server says, come from strangers."""
    return "".join(character if character.isprintable() or character == "\n" else "�" for character in text)


def where(settings: Settings) -> str:
    """The option for this server's data. The URL of PostgreSQL may contain a password, so it stays in the environment
    or file."""
    return "" if settings.database else f" --data {shlex.quote(str(settings.data))}"


def base_url(url: str) -> str:
    """The URL of a server as people write it, without what follows its address. Raises Misuse."""
    if not url.strip().startswith(("http://", "https://")):
        raise Misuse(f"--url must start with http:// or https://, not {url!r}.")
    return url.strip().rstrip("/").removesuffix("/v1")


def has_browser() -> bool:
    """Test whether opening a page shows it to whoever types here. Without a display, a browser would take over the
    terminal."""
    if "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def program() -> str:
    """Name by which this command was called, for commands that people paste: the virtual environment need not be
    active."""
    name = Path(sys.argv[0])
    if name.name != "rollbook":
        return f"{shlex.quote(sys.executable)} -m rollbook.cli.main"
    if shutil.which("rollbook") is not None:
        return "rollbook"
    return shlex.quote(os.path.relpath(name) if name.is_relative_to(Path.cwd()) else str(name))


def _text(value: Any) -> str:
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


def _json(encoded: bytes) -> str:
    """JSON in which what could control a terminal is escaped. The encoder only escapes what JSON demands."""
    text = encoded.decode()
    return text if text.isascii() and "\x7f" not in text else _UNPRINTABLE(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return character if character.isprintable() else json.dumps(character)[1:-1].replace("\x7f", "\\u007f")


_UNPRINTABLE = re.compile(r"[^\x20-\x7e\n]").sub
