"""Splits JSON into the records of its lists, in constant memory: an array, or the `users`, `items` or `data` of an
object.

Several such documents may follow each other, as exports in parts do. Records are cut out, not parsed: brackets are
counted outside strings, and whoever parses a record finds what is wrong within it.

Splits NDJSON into its lines, in constant memory.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Iterator
from io import BufferedReader
from typing import NamedTuple, NoReturn, TypeVar

from rollbook.errors import InvalidParameter
from rollbook.sources.unpacking import CHUNK, ends_early

MAX_RECORD = 65_536
"""Bytes of a record: as many as the body of a request that creates a user may have."""


class Unreadable(NamedTuple):
    """The reason for which a piece of a file is not a record."""

    code: str
    reason: str
    raw: str | list[str] = ""
    """The piece, as far as it could be read."""


Piece = bytes | Unreadable | None
"""A record as it stands in the file, why there is none, or None: a stretch of the file was read that has none."""

STRETCH = 1 << 18
"""Bytes without a record that are read at a time: whoever reads a file is asked after each whether to go on."""

TOO_LONG = Unreadable("invalid_record", f"The record is longer than {MAX_RECORD:,} bytes.")


def split_lines(source: BufferedReader) -> Iterator[tuple[int, Piece]]:
    """The lines that aren't blank, with their numbers."""
    number = blank = 0
    while line := source.readline(MAX_RECORD):
        number += 1
        if len(line) == MAX_RECORD and line[-1:] != b"\n":
            yield from pass_over(source, number)
            yield number, TOO_LONG
        elif not line.isspace():
            yield number, line
        elif (blank := blank + len(line)) >= STRETCH:
            blank = 0
            yield number, None


def pass_over(source: BufferedReader, number: int) -> Iterator[tuple[int, None]]:
    """Read to the end of the line."""
    size = 0
    while (part := source.readline(MAX_RECORD)) and part[-1:] != b"\n":
        if (size := size + len(part)) >= STRETCH:
            size = 0
            yield number, None


LISTS = ("users", "items", "data")
"""Names of the list in an object: of most systems; PocketBase; Clerk."""

T = TypeVar("T")

_OF_PHPMYADMIN = re.compile(rb'\{"type":"(?:header|database|(table))",').match
"""The objects around the rows in an export of phpMyAdmin; those of a table hold them as `data`."""
_QUOTE, _OPENING = b'"'[0], b"[{"
# All repetitions are possessive: nothing backtracks.
_PLAIN = re.compile(
    rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL
).match  # up to a bracket, or a string without an end
_IN_STRING = re.compile(rb"(?:[^\"\\]++|\\.)*+", re.DOTALL).match
_SCALAR = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[^",\[\]{}:\s]++', re.DOTALL).match
_SPACE = re.compile(rb"[ \t\r\n]*+").match


Steps = Generator[tuple[int, None], None, T]
"""Finds something, with a pause for each stretch of the file that it has to read."""


def split(text: Text, lists: Collection[str] = LISTS) -> Iterator[tuple[int, Piece]]:
    """The records with their positions, from 1. Raises InvalidParameter when it isn't JSON or has none of these
    lists."""
    names = frozenset(f'"{name}"'.encode() for name in lists)
    has_list = False
    while start := (yield from text.next(at_end=b"")):
        if start == b"[":
            has_list = True
            yield from _elements(text, is_outer=True)
        elif start == b"{":
            has_list = (yield from _lists(text, names)) or has_list
        else:
            text.refuse("is not a JSON array or object")
    if not has_list:
        text.refuse(f"has no list of users: an array, or an object with one as {', '.join(lists)}")


def _elements(text: Text, is_outer: bool = False) -> Iterator[tuple[int, Piece]]:
    if (yield from text.next()) == b"]":
        return
    text.at -= 1
    is_of_phpmyadmin = is_outer and text.phpmyadmin_here() is not None
    while True:
        around = text.phpmyadmin_here() if is_of_phpmyadmin else None
        if around and around[1]:
            text.at += 1
            yield from _lists(text, {b'"data"'})
        elif around:
            yield from text.value()
        else:
            text.number += 1
            yield text.number, text.record_here() or (yield from text.value()) or TOO_LONG
        end = text.next_here() or (yield from text.next())
        if end == b"]":
            return
        if end != b",":
            text.refuse("is not valid JSON")
        if not text.next_here():
            yield from text.next()
        text.at -= 1


def _lists(text: Text, names: Collection[bytes | None]) -> Generator[tuple[int, Piece], None, bool]:
    """The elements of each list of an object. Returns whether it has one."""
    has_list = False
    if (start := (yield from text.next())) == b"}":
        return has_list
    while start == b'"':
        text.at -= 1
        name = yield from text.value()
        if (yield from text.next()) != b":":
            break
        if (yield from text.next()) == b"[" and name in names:
            has_list = True
            yield from _elements(text)
        else:
            text.at -= 1
            yield from text.value()
        if (end := (yield from text.next())) == b"}":
            return has_list
        if end != b",":
            break
        start = yield from text.next()
    text.refuse("is not valid JSON")


class Text:
    """A file's text, and a place in it. What lies before the place, or before the value that is being read, is
    forgotten."""

    def __init__(self, source: BufferedReader) -> None:
        self._source = source
        self._buffer = b""
        self.at = 0
        self.number = 0
        """Records so far."""

    def tell(self) -> int:
        """The place in the whole file."""
        return self._source.tell() - len(self._buffer) + self.at

    def refuse(self, what: str) -> NoReturn:
        raise InvalidParameter(self.sentence(what))

    def sentence(self, what: str) -> str:
        return f"The file {what}{f', after record {self.number:,}' if self.number else ''}."

    # Without reading on: for most records, that is all.

    def next_here(self) -> bytes:
        """The next byte that isn't white space, which is passed over. Empty where more of the file is needed."""
        space = _SPACE(self._buffer, self.at)
        self.at = space.end() if space else self.at
        if self.at == len(self._buffer):
            return b""
        self.at += 1
        return self._buffer[self.at - 1 : self.at]

    def phpmyadmin_here(self) -> re.Match[bytes] | None:
        while len(self._buffer) - self.at < 24 and self._read(self.at):
            pass
        return _OF_PHPMYADMIN(self._buffer, self.at)

    def record_here(self) -> bytes | None:
        """The object or list that begins here, if all of it is there and it isn't too long."""
        start = at = self.at
        buffer = self._buffer
        depth = 0
        while plain := _PLAIN(buffer, at):
            end = plain.end()
            if end == len(buffer) or buffer[end] == _QUOTE or not (depth or end == start):
                return None
            depth += 1 if buffer[end] in _OPENING else -1
            at = end + 1
            if not depth:
                if at - start > MAX_RECORD:
                    return None
                self.at = at
                return buffer[start:at]
        return None

    # Reading on.

    def next(self, at_end: bytes | None = None) -> Steps[bytes]:
        """The next byte that isn't white space. At the end of the file: `at_end`, if there may be one."""
        while not (byte := self.next_here()):
            if not self._read(self.at):
                if at_end is None:
                    raise ends_early(self.sentence("ends early"))
                return at_end
            yield self.number, None
        return byte

    def value(self) -> Steps[bytes | None]:
        """The value that begins here; None if it is longer than a record may be."""
        return self._nested() if self._buffer[self.at] in _OPENING else self._scalar()

    def _nested(self) -> Steps[bytes | None]:
        start: int | None = self.at
        depth = 0
        while True:
            plain = _PLAIN(self._buffer, self.at)
            end = plain.end() if plain else self.at
            if end == len(self._buffer) or self._buffer[end] == _QUOTE:
                start = yield from self._go_on(start, end)
                continue
            depth += 1 if self._buffer[end] in _OPENING else -1
            self.at = end + 1
            if not depth:
                return None if start is None or self.at - start > MAX_RECORD else self._buffer[start : self.at]

    def _scalar(self) -> Steps[bytes | None]:
        start: int | None = self.at
        while start is not None:
            scalar = _SCALAR(self._buffer, start)
            if scalar and scalar.end() < len(self._buffer):
                self.at = scalar.end()
                return scalar[0] if len(scalar[0]) <= MAX_RECORD else None
            if not scalar and self._buffer[start] != _QUOTE:
                self.refuse("is not valid JSON")
            start = yield from self._go_on(start, start)
        return None

    def _go_on(self, start: int | None, end: int) -> Steps[int | None]:
        """Read more of a value that begins at `start` and is whole up to `end`. A string that is too long is passed
        over, and its value with it. Returns where the value begins now; None if it is too long."""
        self.at = end
        if start is not None and len(self._buffer) - start > MAX_RECORD:
            start = None
        if start is None and len(self._buffer) - end > MAX_RECORD:
            yield from self._pass_over_string()
        elif not self._read(end if start is None else start):
            raise ends_early(self.sentence("ends early"))
        yield self.number, None
        return None if start is None else 0

    def _pass_over_string(self) -> Steps[None]:
        self.at += 1
        while True:
            inside = _IN_STRING(self._buffer, self.at)
            self.at = inside.end() if inside else self.at
            if self.at < len(self._buffer) and self._buffer[self.at] == _QUOTE:
                self.at += 1
                return
            if not self._read(self.at):
                raise ends_early(self.sentence("ends early"))
            yield self.number, None

    def _read(self, keep: int) -> bool:
        """Put more text behind what is kept from `keep` on; False at the end of the file."""
        more = self._source.read1(CHUNK)
        self._buffer = self._buffer[keep:] + more
        self.at -= keep
        return bool(more)
