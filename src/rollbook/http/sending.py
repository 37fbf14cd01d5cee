"""Sends a streamed response: pulls its chunks no faster than the client reads, and ends it for whatever reason there
is.

A task does it, not `http/driver`: a stream must be cancelled when its client leaves, wherever it waits, and a task is
what can be cancelled. Its 15 microseconds are paid once for a response that is long anyway.

Encodes responses for the wire.
"""

from __future__ import annotations

import asyncio
import logging
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from rollbook.config import Settings
from rollbook.errors import ApiError
from rollbook.http.request import Request, Response, Stream

if TYPE_CHECKING:
    from rollbook.http.connection import Connection


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
    status, lines, body = response.status, response.head, response.body
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


def chunked(data: bytes) -> bytes:
    """One chunk of a body (RFC 9112 section 7.1); not of empty data, which would end it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


log = logging.getLogger("rollbook")


class Sending:
    """One streamed response on its way. Its head is written; the connection is told by `stream_ended` when all is
    done."""

    def __init__(
        self, connection: Connection, request: Request, response: Response, stream: Stream, keep: bool
    ) -> None:
        self.request = request
        self.response = response
        self.keep = keep  # the connection stays open after it
        self.size = 0  # bytes of the body so far
        is_head = request.method == "HEAD"
        # HTTP/1.0 has no chunks: there the end of the connection ends the body.
        self.is_chunked = request.version != "1.0" and not is_head
        self.complete = is_head
        self._cancelled = is_head
        self._connection = connection
        self._stream = stream
        self._room: asyncio.Future[None] | None = None  # while the client has more than enough to read
        self._pulling = False
        self.task = connection.worker.loop.create_task(self._send())
        self.task.add_done_callback(self._done)

    def cancel(self) -> None:
        """The client has left."""
        if not self._cancelled:
            self._cancelled = True
            if self._pulling:
                self.task.cancel()

    def stop(self) -> None:
        """The server stops: a stream without an end of its own ends here."""
        if self._stream.endless:
            self.complete = True
            self.cancel()

    @property
    def is_endless(self) -> bool:
        return self._stream.endless

    def cut_off(self) -> bool:
        """The client does not read. False if the stream has nothing to say to that."""
        reason = self._stream.cut_off
        if not reason or self._cancelled:
            return False
        transport = self._connection.transport
        transport.write(chunked(reason) + LAST_CHUNK if self.is_chunked else reason)
        transport.close()  # once it has read all, if it does
        self.cancel()
        return True

    def resume(self) -> None:
        """The client reads again."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _send(self) -> None:
        connection = self._connection
        chunks = self._stream.chunks
        try:
            if self._cancelled:
                return
            self._pulling = True
            async for chunk in chunks:
                if self._cancelled:
                    return
                if not chunk:  # would be the last one
                    continue
                connection.transport.write(chunked(chunk) if self.is_chunked else chunk)
                self.size += len(chunk)
                connection.moved()
                if connection.write_blocked:
                    self._room = connection.worker.loop.create_future()
                    await self._room
                else:  # a producer that never waits must not keep the others waiting
                    await asyncio.sleep(0)
            self.complete = True
        finally:
            self._pulling = False
            await chunks.aclose()

    def _done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.complete = False
            what = f"{self.request.method} {self.request.path}"
            if isinstance(error, ApiError) and error.status < 500:
                log.warning("the body of %s was cut off: %s", what, error.message)
            else:
                log.error("sending the body of %s failed", what, exc_info=error)
        transport = self._connection.transport
        if self.complete and self.is_chunked and not transport.is_closing():
            transport.write(LAST_CHUNK)
        self._connection.stream_ended(self)
