"""Encodes responses for the wire."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

from rollbook.config import Settings
from rollbook.http.response import Response

# The phrases of RFC 9110 section 15. Before 3.13, Python had older ones for some.
REASON = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
STATUS_LINE = {status: f"HTTP/1.1 {status} {REASON.get(status, '')}\r\n".encode("ascii") for status in range(100, 600)}
LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# Statuses whose responses have neither a body nor a length (RFC 9110 section 8.6).
BODYLESS = frozenset((204, 304))
_EVERY = b"X-Content-Type-Options: nosniff\r\n"


def every(settings: Settings) -> tuple[bytes, bytes]:
    """Lines of every response without TLS, and with it: a browser that has once reached us over TLS must not fall back
    for a year (RFC 6797)."""
    is_public = settings.public_url.startswith("https://")
    more = b"; includeSubDomains" if is_public and settings.hsts_subdomains else b""
    secure = _EVERY + b"Strict-Transport-Security: max-age=31536000%b\r\n" % more
    # A proxy that is not trusted, or says nothing, may have ended TLS. Browsers do not heed the line without TLS.
    is_unknown = is_public and not settings.trusted_proxy and not settings.tls_cert
    return secure if is_unknown else _EVERY, secure


def date_line(now: float | None = None) -> bytes:
    """The Date field (RFC 9110 section 6.6.1), of `time.time()` or the seconds given."""
    return f"Date: {formatdate(time.time() if now is None else now, usegmt=True)}\r\n".encode("ascii")


def encode(
    response: Response, common: bytes, id: str, more: bytes, *, head: bool = False, close: bool = False
) -> bytes:
    """A complete response. `common` are the lines that all have (Date and the above), `more` those of the request's
    limits and trace; `head` omits the body but keeps its length (RFC 9110 section 9.3.2); `close`: no other response
    follows on this connection."""
    status, lines, body, _ = response
    if status in BODYLESS:
        return b"%b%bX-Request-Id: %b\r\n%b%b%b\r\n" % (
            STATUS_LINE[status],
            common,
            id.encode(),
            lines,
            more,
            b"Connection: close\r\n" if close else b"",
        )
    return b"%b%bX-Request-Id: %b\r\n%b%bContent-Length: %d\r\n%b%b" % (
        STATUS_LINE[status],
        common,
        id.encode(),
        lines,
        more,
        len(body),
        b"Connection: close\r\n\r\n" if close else b"\r\n",
        b"" if head else body,
    )


def encode_head(response: Response, common: bytes, id: str, more: bytes, *, chunked: bool, close: bool) -> bytes:
    """The head of a streamed response. Without `chunked` its body ends with the connection, or it has none (HEAD)."""
    return b"%b%bX-Request-Id: %b\r\n%b%b%b%b\r\n" % (
        STATUS_LINE[response.status],
        common,
        id.encode(),
        response.head,
        more,
        b"Transfer-Encoding: chunked\r\n" if chunked else b"",
        b"Connection: close\r\n" if close else b"",
    )


def chunk(data: bytes) -> bytes:
    """One chunk of a body (RFC 9112 section 7.1); not of empty data, which would end it."""
    return b"%x\r\n%b\r\n" % (len(data), data)
