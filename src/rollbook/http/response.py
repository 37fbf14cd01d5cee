"""An HTTP response as the application makes it: a status, header lines ready for the wire, and a body that is bytes or
a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol


class Chunks(Protocol):
    """The parts of a body, in order; an async generator is one.

    They are pulled by a task of the transport, one at a time and not faster than the client reads. `aclose` is called
    when the last one is sent, and when the client leaves.
    """

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class Stream(NamedTuple):
    """A body that is produced while it is sent."""

    chunks: Chunks
    endless: bool = False
    """It never ends by itself: it ends when the server stops, with what was sent, and when the client sends no more.
    Any other stream that cannot end in time is cut off."""
    cut_off: bytes = b""
    """Its last part for a client that did not read for `body_timeout`, should it read on: why nothing else comes."""


class Response(NamedTuple):
    """`head` holds whole header lines, each ended by CRLF, without those the transport adds itself (`Date`,
    `Content-Length`, `Transfer-Encoding`, `X-Request-Id`, `Connection` and the security fields of every response). With
    `stream`, `body` is empty."""

    status: int
    head: bytes = b""
    body: bytes = b""
    stream: Stream | None = None


# For what is no page: a browser that is led there loads nothing for it, and shows it in no frame (CSP level 3).
LOCKED = b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
JSON = b"Content-Type: application/json\r\n" + LOCKED
PROBLEM = b"Content-Type: application/problem+json\r\n" + LOCKED
# Private data is stored by no cache (RFC 9111 section 5.2.2.5).
PRIVATE = b"Cache-Control: no-store\r\n"


def line(name: str, value: str) -> bytes:
    """One header line. Raises ValueError on a character that would end it (response splitting)."""
    raw = f"{name}: {value}".encode("latin-1")
    if b"\r" in raw or b"\n" in raw or b"\0" in raw:
        raise ValueError(f"{name}: a header value holds no control characters")
    return raw + b"\r\n"
