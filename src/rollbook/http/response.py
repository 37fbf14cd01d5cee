"""One HTTP answer as the API makes it: a status, header lines ready for the wire, a body."""

from __future__ import annotations

from typing import NamedTuple


class Response(NamedTuple):
    """`head` holds whole header lines, each ended by CRLF, without those the transport adds itself
    (`Date`, `Content-Length`, `X-Request-Id`, `Connection` and the security fields every answer carries)."""

    status: int
    head: bytes = b""
    body: bytes = b""


JSON = b"Content-Type: application/json\r\n"
PROBLEM = b"Content-Type: application/problem+json\r\n"
# Private data is stored by no cache (RFC 9111 section 5.2.2.5).
PRIVATE = b"Cache-Control: no-store\r\n"


def line(name: str, value: str) -> bytes:
    """One header line. Raises ValueError on a character that would end it (response splitting)."""
    raw = f"{name}: {value}".encode("latin-1")
    if b"\r" in raw or b"\n" in raw or b"\0" in raw:
        raise ValueError(f"{name}: a header value holds no control characters")
    return raw + b"\r\n"
