"""One HTTP request as the application sees it: its head and framing are checked, its body read, or to be read as a
stream.

Interface between the transport and the application behind it: one request in, one response out.

An HTTP response as the application makes it: a status, header lines ready for the wire, and a body that is bytes or
a stream.
"""

from __future__ import annotations

import base64
import itertools
import os
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import msgspec

from rollbook import clock
from rollbook.errors import ApiError
from rollbook.http.body import BodyRule, BodyStream
from rollbook.trace_context import Trace


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
    """True for a stream that never ends by itself: it ends when the server stops, with what was sent, and when the
    client sends no more. Any other stream that cannot end in time is cut off."""
    cut_off: bytes = b""
    """Last part for a client that did not read for `body_timeout`, should it read on: why nothing else comes."""


class Response(msgspec.Struct, frozen=True):
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


_FORM = re.compile(r"req_[0-9a-v]{24}\Z").match


class RequestName(Protocol):
    """Name of a request for the access line and the metrics."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str:
        """The pattern, such as /v1/users/{userId}."""
        ...


class Request(msgspec.Struct, eq=False):
    """Request that the transport hands to the application.

    `headers` has lower-case names; values of a repeated field are joined by ", " (RFC 9110 section 5.3). `body` is
    complete, or empty where `stream` brings it. `address` is the client's, taken from a proxy's header only where the
    peer is a trusted proxy. `started` is `time.perf_counter_ns()` when the last byte of the request, or of the head of
    a streamed one, had arrived. The gate fills in `user_id`, `key_id` and `route` for the access line, in `head` the
    header lines that every answer carries: the rate limits', and in `limited_by` the window that refused the request.
    `error` is what it is answered with, if it failed. `trace` is the distributed trace it belongs to, if any. A handler
    that waits for something to happen sets `left`, which is called when the client has gone, or sends no more: then its
    answer is not worth waiting for. It is set already where that has happened before.
    """

    method: str
    path: str
    """Percent-decoded."""
    query: str
    """As sent, without the question mark."""
    headers: dict[bytes, bytes]
    body: bytes
    address: str
    secure: bool
    id: str
    started: int
    version: str = "1.1"
    stream: BodyStream | None = None
    head: bytes = b""
    user_id: str | None = None
    key_id: str | None = None
    limited_by: str | None = None
    route: RequestName | None = None
    error: ApiError | None = None
    trace: Trace | None = None
    left: Callable[[], None] | None = None
    # Of its answer, for the logs.
    status: int = 0
    size: int = 0
    """Bytes of the body that was sent."""
    microseconds: int = 0
    """From its last byte to the answer."""
    answered_at: int = 0
    """Microseconds since 1970."""

    @property
    def trace_id(self) -> str | None:
        return None if self.trace is None else self.trace.id

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The parts of the body, streamed or not. Raises ApiError when the rest of it will not come."""
        if self.body:
            yield self.body
        if self.stream is not None:
            async for part in self.stream:
                yield part

    async def complete(self) -> None:
        """Wait for the whole body, where it comes as a stream and is not handled as one. Its time is that of the
        client. Raises ApiError."""
        if (stream := self.stream) is None:
            return
        took = time.perf_counter_ns() - self.started
        parts = []
        async for part in stream:
            parts.append(part)
            stream.collected += len(part)
        self.body, self.stream = b"".join(parts), None
        self.started = time.perf_counter_ns() - took


class RequestIds:
    """Creates `req_` and 24 characters, unique, at the cost of a counter. Use one per process.

    The first 7 are the second (base32hex, so that ids sort by age and a log knows where to look for one), the next 9
    random for the process. The last eight are the counter multiplied by an odd number modulo 2^32, which takes each
    value once, so that ids do not tell how many requests there were.
    """

    def __init__(self) -> None:
        self._process = base64.b32hexencode(os.urandom(10)).decode("ascii").lower()[:9]
        self._next = itertools.count(int.from_bytes(os.urandom(4), "big")).__next__
        self.refresh()

    def refresh(self) -> None:
        """Read the clock. Call it from time to time: for each request, it would cost as much as the rest of the ID."""
        second = (clock.now() // clock.SECOND).to_bytes(5, "big")
        self._prefix = f"req_{base64.b32hexencode(second).decode('ascii').lower()[1:]}{self._process}"

    def __call__(self) -> str:
        return f"{self._prefix}{self._next() * 0x9E3779B1 & 0xFFFFFFFF:08x}"


def made_at(id: str) -> int | None:
    """Time at which the request with this ID arrived, in microseconds, or a few seconds earlier; None if it is not one
    of our IDs."""
    if _FORM(id) is None:
        return None
    return int.from_bytes(base64.b32hexdecode(f"0{id[4:11]}".upper()), "big") * clock.SECOND


class Application(Protocol):
    """Built once in each worker process."""

    connections: int
    """Open connections; the transport updates it about twice a second."""

    async def start(self) -> None:
        """Open what it needs. No connection is accepted before this has returned."""
        ...

    async def drain(self) -> None:
        """The server stops: answer requests that wait for something to happen, and finish within `drain_timeout` what
        is done besides requests. The others are answered meanwhile."""
        ...

    async def stop(self) -> None:
        """Flush and close. Called when the last response has been written."""
        ...

    def at_once(self) -> AbstractContextManager[object]:
        """Answer several requests within it. All of them have arrived."""
        ...

    def body_rule(self, method: str, path: str) -> BodyRule:
        """Asked at the end of the head of a request that has a body."""
        ...

    def answer(self, request: Request) -> Response | Coroutine[Any, Any, Response]:
        """At once, or by a coroutine. Neither raises. The coroutine waits only on futures (and `sleep(0)`): there may
        be no task around it, so `asyncio.timeout` and `current_task` do not work. The transport adds the lines of
        `request.head` to the response."""
        ...

    def finished(self, request: Request, status: int, size: int) -> None:
        """The request is answered with so many bytes of body, or as many as the client has waited for. Logs and counts
        it."""
        ...

    def refuse(
        self,
        error: ApiError,
        *,
        id: str,
        address: str,
        method: str = "",
        path: str = "",
        headers: dict[bytes, bytes] | None = None,
    ) -> Response:
        """The response to a request that the transport itself rejects, with the header fields that it had; logs and
        counts it."""
        ...
