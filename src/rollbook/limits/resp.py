"""Commands and replies in RESP2, the protocol that every Valkey and Redis speaks
(https://valkey.io/topics/protocol/)."""

from __future__ import annotations

from typing import Any, NamedTuple


class ReplyError(NamedTuple):
    """Valkey's refusal. Its first word says what kind, such as NOSCRIPT."""

    text: str

    @property
    def kind(self) -> str:
        return self.text.partition(" ")[0]


Reply = bytes | int | None | ReplyError | list[Any]

_STATUS, _ERROR, _NUMBER, _BULK = b"+-:$"


def encode(*words: str | bytes | int) -> bytes:
    """A command as bytes."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        text = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(text), text))
    return b"".join(parts)


class Reader:
    """Parses replies out of the bytes that arrive, in whatever pieces."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are complete now."""
        if self._rest:
            data = self._rest + data
        replies: list[Reply] = []
        at = 0
        while True:
            end = data.find(b"\r\n", at)
            if end < 0:
                break
            if data[at] == _STATUS:  # nearly all of them
                replies.append(data[at + 1 : end])
                at = end + 2
                continue
            found = _value(data, at)
            if found is None:
                break
            reply, at = found
            replies.append(reply)
        self._rest = data[at:]
        return replies


def _value(data: bytes, at: int) -> tuple[Reply, int] | None:
    """The value at this place and where the next one starts; None while it is incomplete. Raises ValueError when it is
    not RESP."""
    end = data.find(b"\r\n", at)
    if end < 0:
        return None
    kind, line, at = data[at], data[at + 1 : end], end + 2
    if kind == _STATUS:
        return line, at
    if kind == _ERROR:
        return ReplyError(line.decode(errors="replace")), at
    number = int(line)
    if kind == _NUMBER:
        return number, at
    if number < 0:
        return None, at
    if kind == _BULK:
        after = at + number + 2
        return None if len(data) < after else (data[at : after - 2], after)
    values = []
    for _ in range(number):
        found = _value(data, at)
        if found is None:
            return None
        values.append(found[0])
        at = found[1]
    return values, at
