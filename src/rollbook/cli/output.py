"""Output of commands: tables for people, JSON for programs, single values for scripts, hints and progress bars on
standard error, and failures: one line that says why, and an exit code."""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from rollbook.cli.tables import STATES, at_terminal, cell, colored, filled, is_colored, printable, table, when
from rollbook.config import Settings
from rollbook.errors import Fault, InvalidParameter

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""


class Failure(Exception):
    """The command failed. The message is one line that says why and what to do."""


class Misuse(Failure):
    """The command can't be right as it was called, whatever the server or the folder contains."""


class Refused(Failure):
    """The server answered with an error. `faults` are what it found wrong with the values of the call."""

    def __init__(self, sentence: str, code: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(sentence)
        self.code = code
        self.faults = faults


class Unreachable(Failure):
    """The server doesn't answer now, but may do so later."""


def wrong_values(problem: Exception) -> Sequence[Fault]:
    """Faults that the rules of the API found in the values of a call. Empty for a failure of another kind."""
    if isinstance(problem, InvalidParameter):
        return problem.faults or [Fault(problem.param or "", problem.message)]
    if isinstance(problem, Refused) and problem.code == InvalidParameter.code:
        return problem.faults or [Fault("", str(problem))]
    return []


def listed(
    records: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    json: bool,
    quiet: bool,
    *,
    id: str = "id",
    row: Callable[[Any], Mapping[str, Any]] = lambda record: record,
    spare: Sequence[str] = (),
    empty: str = "There are none.",
) -> None:
    """The objects of a list, as JSON, with `quiet` only the field `id` of each, else as a table, of the rows that `row`
    makes of them. `empty` is said where there are none; `spare` as `table` has it."""
    if json:
        as_json(records)
    elif quiet:
        for record in records:
            line(record[id])
    else:
        if not table(columns, map(row, records), spare):
            hint(empty)


def tell_limit(number: int, limit: int) -> None:
    """Tell people that a list, newest first, goes on, also where it goes to a file."""
    if number == limit and sys.stderr.isatty():
        hint(f"The newest {number:,}. For more: --limit {10 * limit}")


def shown(record: Mapping[str, Any], json: bool, quiet: bool = False) -> None:
    """An object: as JSON, with `quiet` only its ID, else a line per value."""
    if quiet:
        line(record["id"])
    elif json:
        as_json(record)
    else:
        details(record)


def details(values: Mapping[str, Any]) -> None:
    """One line per value, with its name."""
    width = max(map(len, values), default=0)
    colors = is_colored(sys.stdout)
    for name, value in values.items():
        text = at_terminal(name, value) if value is None and sys.stdout.isatty() else when(value, sys.stdout)
        title = f"{cell(name.replace('_', ' ')):<{width}}"
        print(f"{title}  {colored(text, text) if colors and name in STATES else text}")


def line(value: Any) -> None:
    """One value, for scripts."""
    print(cell(value))


@contextmanager
def written(file: Path) -> Iterator[BinaryIO]:
    """A file to write to, `-` for standard output, of which a terminal shows no more than text. No one else may read
    the file, and it is there once it is complete. Raises Failure."""
    if file == Path("-"):
        output = cast(BinaryIO, _Terminal()) if sys.stdout.isatty() else sys.stdout.buffer
        yield output
        output.flush()
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


class _Terminal(io.RawIOBase):
    """Shows bytes as text, without what could control a terminal."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: Any, /) -> int:
        print(printable(self._decoder.decode(bytes(data)).replace("\r", "")), end="")
        return len(data)

    def flush(self) -> None:
        sys.stdout.flush()


def as_json(value: Any) -> None:
    """The value as indented JSON."""
    print(_json(msgspec.json.format(msgspec.json.encode(value), indent=2)))


def as_it_is(parts: Iterable[bytes]) -> None:
    """A body that isn't JSON, as it arrives. At a terminal, without what could control it."""
    with written(Path("-")) as output:
        for part in parts:
            output.write(part)
            output.flush()


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
    active. In what is read elsewhere, its path is absolute."""
    name = Path(sys.argv[0]).absolute()
    if name.name != "rollbook":
        return f"{shlex.quote(sys.executable)} -m rollbook.cli.main"
    if shutil.which("rollbook") is not None:
        return "rollbook"
    is_near = sys.stderr.isatty() and name.is_relative_to(Path.cwd())
    return shlex.quote(os.path.relpath(name) if is_near else str(name))


def _json(encoded: bytes) -> str:
    """JSON in which what could control a terminal is escaped. The encoder only escapes what JSON demands."""
    text = encoded.decode()
    return text if text.isascii() and "\x7f" not in text else _UNPRINTABLE(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return character if character.isprintable() else json.dumps(character)[1:-1].replace("\x7f", "\\u007f")


_UNPRINTABLE = re.compile(r"[^\x20-\x7e\n]").sub


Show = Callable[[float, str], None]

FIRST, LONGEST = 0.2, 5.0
"""Seconds between two looks at what a running server does: more and more, since each counts toward the rate limit."""
OFTEN, LENGTH = 0.1, 20
"""Seconds between two pictures of a bar, and the characters in it."""


def looks() -> Iterator[None]:
    """Without end, a pause before each: about a twentieth of what was waited, so that the end is seen soon."""
    pause = FIRST
    while True:
        time.sleep(pause)
        yield
        pause = min(1.05 * pause, LONGEST)


@contextmanager
def bar(title: str, total: float | None) -> Iterator[tuple[Callable[[str], None], Show]]:
    """A function that prints a line above the bar, and one that advances it."""
    if not sys.stderr.isatty():
        yield hint, lambda done, text: None
        return
    began = drawn = time.monotonic()
    picture = title

    def draw(above: str = "") -> None:
        room = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r{above}{filled(picture, room)}")
        sys.stderr.flush()

    def show(done: float, text: str) -> None:
        nonlocal drawn, picture
        now = time.monotonic()
        picture = f"{title} {_share(min(done / total, 1), now - began) if total else ''}{text}"
        if now - drawn >= OFTEN:
            drawn = now
            draw()

    draw()
    try:
        yield lambda line: draw(f"\x1b[K{printable(line)}\n"), show
    finally:
        draw()
        sys.stderr.write("\n")


def _share(share: float, seconds: float) -> str:
    """The bar, and the time that is left if the rest is as fast."""
    left = timedelta(seconds=round(seconds / share - seconds)) if share else "-:--:--"
    return f"{'━' * round(share * LENGTH):{LENGTH}} {share:4.0%} {left} "
