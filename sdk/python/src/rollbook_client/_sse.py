"""Reads server-sent events (WHATWG HTML Standard, section 9.2.6). Free of input and output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MAX_LINE = 4 << 20
"""Bytes. An event has less than a tenth of it."""


class Message(NamedTuple):
    type: str
    data: bytes
    """Empty where the message only moves on the position."""
    last_id: str
    """What `Last-Event-ID` is from here on; empty: as before."""


class Reader:
    """Lines end with a line feed alone, as Rollbook's do. A message that is cut short is none."""

    def __init__(self) -> None:
        self._rest = b""
        self._type, self._data, self._last_id = "message", list[bytes](), ""

    def feed(self, part: bytes) -> Iterator[Message]:
        """The messages that are complete with this part. Raises ValueError if it is no such stream."""
        if len(self._rest) > MAX_LINE:
            raise ValueError("a line without an end")
        *lines, self._rest = (self._rest + part).split(b"\n")
        for line in lines:
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if not line:
                if self._data or self._last_id:
                    yield Message(self._type, b"\n".join(self._data), self._last_id)
                self._type, self._data, self._last_id = "message", [], ""
            elif name == b"event":
                self._type = value.decode()
            elif name == b"data":
                self._data.append(value)
            elif name == b"id":
                self._last_id = value.decode()
