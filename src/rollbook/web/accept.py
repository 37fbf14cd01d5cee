"""Content types that the client accepts, according to its headers."""

from __future__ import annotations

from rollbook.http.request import Request


def takes_html(request: Request) -> bool:
    """Test whether the client is a browser and not a program."""
    return b"text/html" in request.headers.get(b"accept", b"")
