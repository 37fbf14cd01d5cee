"""What the client accepts, according to its headers."""

from __future__ import annotations

from rollbook.http.request import Request


def takes_gzip(request: Request) -> bool:
    """Whether it accepts gzip (RFC 9110 section 12.5.3)."""
    for part in request.headers.get(b"accept-encoding", b"").lower().split(b","):
        coding, _, weight = part.partition(b";")
        if coding.strip() == b"gzip":
            return weight.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return False


def takes_html(request: Request) -> bool:
    """Whether the client is a browser and not a program."""
    return b"text/html" in request.headers.get(b"accept", b"")
