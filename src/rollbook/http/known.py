"""The head that a connection repeats. Clients and proxies send the same bytes behind the target with each request: the
parser reads them once, and the guard checks them once.

A request counts as a repetition only if it arrives alone and whole, what stands behind its target is byte for byte what
the parser has read, and the target needs no decoding. Everything else goes to the parser.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rollbook.http.request import Request

# A request line whose target is taken as it is: characters of RFC 3986 section 3.3 and 3.4, without percent signs in
# the path.
_LINE = re.compile(
    rb"(GET|HEAD|PUT|PATCH|POST|DELETE) "
    rb"(/[A-Za-z0-9._~!$&'()*+,;=:@/-]*)(?:\?([A-Za-z0-9._~!$&'()*+,;=:@/?%-]*))? HTTP/1\.1"
).fullmatch
LONGEST_LINE = 1_024
# Bytes of a head that is remembered: an idle connection keeps them, once as they came and once as fields.
LONGEST_HEAD = 2_048
# Fields after which the parser waits for something, or stops: such heads are left to it.
_UNUSUAL = (b"expect", b"transfer-encoding", b"upgrade")


class KnownHead(NamedTuple):
    """A head that the parser has read."""

    rest: bytes
    """From the end of the request line to the blank line, both included."""
    fields: dict[bytes, bytes]
    length: int
    """Length of the body."""


class Line(NamedTuple):
    """Request line and body of a repetition."""

    method: str
    path: str
    query: str
    body: bytes


def learn(data: bytes, request: Request) -> KnownHead | None:
    """The head of `request`, the first that the parser found in `data`. None unless `data` is that request and no
    more."""
    line = data.find(b"\r\n")
    head = data.find(b"\r\n\r\n") + 4
    fields = request.headers
    length = len(request.body)
    if (
        head + length != len(data)
        or length != int(fields.get(b"content-length", b"0"))
        or line > LONGEST_LINE
        or head - line > LONGEST_HEAD
        or _LINE(data, 0, line) is None
        or any(name in fields for name in _UNUSUAL)
    ):
        return None
    return KnownHead(data[line:head], fields, length)


def repeated(data: bytes, known: KnownHead, max_target: int) -> Line | None:
    """The request in `data`, if it is whole, alone, and has this head."""
    rest = known.rest
    line = data.find(b"\r\n")
    if len(data) != line + len(rest) + known.length or line > LONGEST_LINE or not data.startswith(rest, line):
        return None
    found = _LINE(data, 0, line)
    if found is None:
        return None
    method, path, query = found.groups(b"")
    if len(path) + len(query) >= max_target:
        return None
    return Line(method.decode(), path.decode(), query.decode(), data[line + len(rest) :] if known.length else b"")
