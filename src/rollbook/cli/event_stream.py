"""Reads server-sent events (WHATWG HTML Standard, section 9.2.6) from a server's answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

MAX_LINE = 4 << 20
"""Bytes. An event has less than a tenth of it."""


class Message(NamedTuple):
    type: str
    data: bytes
    """Empty where the message only moves on the position."""
    last_id: str
    """What `Last-Event-ID` is from here on; empty: as before."""


def messages(parts: Iterable[bytes]) -> Iterator[Message]:
    """Lines end with a line feed alone, as ours do. A message that is cut short is none. Raises ValueError if it is no such stream."""
    type, data, last_id = "message", [], ""
    for line in _lines(parts):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data or last_id:
                yield Message(type, b"\n".join(data), last_id)
            type, data, last_id = "message", [], ""
        elif name == b"event":
            type = value.decode()
        elif name == b"data":
            data.append(value)
        elif name == b"id":
            last_id = value.decode()


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for part in parts:
        if len(rest) > MAX_LINE:
            raise ValueError("a line without an end")
        *whole, rest = (rest + part).split(b"\n")
        yield from whole
