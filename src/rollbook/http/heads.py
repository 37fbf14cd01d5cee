"""Heads of requests: the rules of RFC 9110 and 9112 that the parser leaves to us, and the head that a connection
repeats.

The parser (llhttp, strict) itself refuses bare line feeds, folded lines, control characters, a Content-Length beside a
Transfer-Encoding or beside another one, and broken chunks.

Clients and proxies send the same bytes behind the target with each request: they are parsed and checked once. A request
counts as a repetition only if it arrives alone and whole, what stands behind its target is byte for byte what the
parser has read, and the target needs no decoding. Everything else goes to the parser.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from rollbook.errors import BadMessage, BadRequest, NotFound
from rollbook.http.request import Request

ALLOW = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
METHODS = frozenset(ALLOW.encode().split(b", "))

# uri-host [":" port] of RFC 3986 section 3.2.2, without an empty host (RFC 9110 section 4.2.1).
_HOST = re.compile(rb"((?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?").fullmatch
_HOST_LENGTH = 255 + len(":65535")  # bytes; RFC 3986 section 3.2.2, RFC 1035 section 2.3.4
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})").search
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search
_ENCODED_SLASH = re.compile(rb"%2[Ff]|%5[Cc]").search


def check_host(host: bytes) -> None:
    """Raises BadMessage unless the value of a Host field is one host. Valid ones are cached, so their length is
    bounded."""
    if len(host) > _HOST_LENGTH or not _HOST(host):
        raise BadMessage("The Host header is invalid.")


def origin_form(target: bytes, host: bytes | None) -> bytes:
    """The path and query of a request target in absolute form (RFC 9112 section 3.2.2).

    Its authority must equal the Host field; otherwise a proxy may have used one of them and we the other. Raises
    BadMessage for that, and for a target that is not an http(s) URL.
    """
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise BadMessage("The request target must be a path that starts with a slash.")
    end = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
    authority, path = rest[:end], rest[end:]
    if not _HOST(authority) or authority.lower() != (host or authority).lower():
        raise BadMessage("The request target and the Host header name different hosts.")
    return path if path.startswith(b"/") else b"/" + path


def split_target(target: bytes) -> tuple[str, str]:
    """Decoded path and raw query of a target in origin form.

    Raises BadRequest for invalid percent-encoding, for bytes that are not UTF-8, for control characters and for a
    fragment. NotFound for an encoded slash or backslash: some readers of the path would take it as a separator and
    others as a character, and none of our paths contains one.
    """
    if b"#" in target:
        raise BadRequest("The request target has a fragment.")
    path, _, query = target.partition(b"?")
    if b"%" not in path:
        return path.decode("ascii"), query.decode("ascii")
    if _BAD_ESCAPE(path):
        raise BadRequest("The path has a percent sign without two hexadecimal digits.")
    try:
        decoded = unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The path is not UTF-8.") from None
    if _CONTROL(decoded):
        raise BadRequest("The path has a control character.")
    if _ENCODED_SLASH(path):
        raise NotFound()
    return decoded, query.decode("ascii")


def check_framing(headers: dict[bytes, bytes], version: str) -> int:
    """The length of the body, or -1 for a chunked one, which is counted as it arrives.

    Raises BadMessage for another transfer coding than `chunked`, and for any in HTTP/1.0, where proxies differ about
    what it means (RFC 9112 section 6.1).
    """
    coding = headers.get(b"transfer-encoding")
    if coding is not None:
        # The parser takes spaces after it and no tab, but looks at neither beside `Connection: upgrade`: one rule for
        # both.
        if coding.rstrip(b" ").lower() != b"chunked":
            raise BadMessage("The only supported transfer coding is chunked.")
        if version != "1.1":
            raise BadMessage("Transfer-Encoding needs HTTP/1.1.")
        return -1
    return int(headers.get(b"content-length", b"0"))


def wants_continue(headers: dict[bytes, bytes]) -> bool:
    """Test whether the client waits for `100 Continue` before it sends the body. Raises BadRequest for any other
    expectation."""
    expectation = headers.get(b"expect")
    if expectation is None:
        return False
    if expectation.strip().lower() != b"100-continue":
        raise BadRequest("The only supported expectation is 100-continue.")
    return True


def join(name: bytes, first: bytes, second: bytes) -> bytes:
    """The value of a field that was sent twice (RFC 9110 section 5.3).

    Raises BadMessage for fields that decide where a message goes or how long it is: two of them can be read in two
    ways.
    """
    if name in (b"host", b"content-length", b"transfer-encoding"):
        raise BadMessage(f"The request has several {name.decode()} headers.")
    if name == b"authorization":
        raise BadRequest("The request has several Authorization headers.")
    return first + (b"; " if name == b"cookie" else b", ") + second


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


def repeated(data: bytes, head: KnownHead, max_target: int) -> tuple[str, str, str, bytes] | None:
    """Method, path, query and body of the request in `data`, if it is whole, alone, and has this head."""
    rest = head.rest
    line = data.find(b"\r\n")
    if len(data) != line + len(rest) + head.length or line > LONGEST_LINE or not data.startswith(rest, line):
        return None
    parts = _LINE(data, 0, line)
    if parts is None:
        return None
    method, path, query = parts.groups(b"")
    if len(path) + len(query) >= max_target:
        return None
    return method.decode(), path.decode(), query.decode(), data[line + len(rest) :] if head.length else b""
