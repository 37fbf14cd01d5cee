"""Sends events to one endpoint: HTTP/1.1 over connections that are kept, with a bound on everything the receiver can
do.

Why not a library: decision 36.

The status decides. Once the head of an answer has come, the outcome is known, and the body is only read to be shown and
to keep the connection: a body that is too long, too slow or breaks off costs the connection and nothing else.
"""

from __future__ import annotations

import asyncio
import email.utils
import os
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC
from functools import cache
from typing import NamedTuple

import httptools

from rollbook import __version__, clock
from rollbook.client_tls import client_context, how_to_fix
from rollbook.delivery import outcomes
from rollbook.delivery.addresses import Addresses, Unresolved, UrlParts

MAX_HEAD = 32_768
"""Bytes of status lines and headers, those of informational responses included."""
MAX_BODY = 65_536
"""Bytes of a body, with the framing of chunks, that are read so that the connection can be kept."""
KEPT_BODY = 4096
"""Bytes of a body that are kept to be shown."""
MAX_PIECES = 256
"""Pieces that a body may come in: each costs as much as a kilobyte, and a chunk may have one byte."""
MAX_ADDRESSES = 4
_MAX_AGE = re.compile(rb"(?:.*[, ])?max-age=([0-9]{1,9})\b", re.IGNORECASE).match


class Timeouts(NamedTuple):
    """Seconds."""

    total: float = 15.0
    """From the call to the head of the answer."""
    connect: float = 5.0
    """Seconds to connect to an address if another can be tried."""
    body: float = 1.0
    """Seconds for the rest of the body once the head has come."""
    idle: float = 30.0
    """Seconds that a connection is kept without being used; up to twice as long."""


TIMEOUTS = Timeouts()


class Sent(NamedTuple):
    """Outcome of an attempt."""

    outcome: str
    """A name of `outcomes`."""
    http_status: int | None = None
    duration: int = 0
    """Microseconds, the body of the answer included."""
    address: str | None = None
    """The IP address of the connection."""
    retry_after: float | None = None
    """Seconds from now that the receiver asks to wait, 0 if that time is over."""
    response_type: str | None = None
    response: str = ""
    """The beginning of the body of the answer, at most 4 KiB of UTF-8."""
    detail: str | None = None
    """Exact failure, for people, where it is known and the outcome does not say it."""
    max_age: int | None = None
    """Seconds for which the receiver says that its answer may be remembered."""


class Sender:
    """One for each endpoint. Keeps up to `connections`; how many requests there are at a time is up to the caller."""

    def __init__(
        self,
        url: str,
        addresses: Addresses,
        *,
        connections: int = 64,
        timeouts: Timeouts = TIMEOUTS,
        tls: ssl.SSLContext | None = None,
        method: str = "POST",
        keeps: int = KEPT_BODY,
    ) -> None:
        """`keeps`: bytes of each answer that are kept. `tls` is by default what the system trusts. Raises ValueError
        with a sentence if events may not be sent to this URL."""
        self._target = addresses.check_url(url)
        self._addresses = addresses
        self._connections = connections
        self._timeouts = timeouts
        self._tls = tls
        self._start = _start(self._target, method)
        self._keeps = keeps
        self._idle: list[_Connection] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def post(self, head: Sequence[tuple[str, str]], body: bytes) -> Sent:
        """Send one request. `head` has the fields in addition to Host, User-Agent, Accept-Encoding and Content-Length.

        Never raises, except if canceled; then the request may have arrived. A request that a kept connection did not
        take, since it was closed at the same moment, is sent once more over a new one: it may arrive twice, as any
        delivery may, with the same ID.
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        message = self._message(head, body)
        connection: _Connection | None = None
        problem, detail = outcomes.TIMED_OUT, None
        try:
            async with asyncio.timeout(self._timeouts.total):
                connection = self._kept()
                if connection is not None:
                    await connection.exchange(message)
                if connection is None or connection.is_stale:
                    connection = None
                    connection = await self._connect()
                    await connection.exchange(message)
                problem = connection.problem
        except TimeoutError:
            pass
        except _Failed as failed:
            problem, detail = failed.outcome, failed.detail
        finally:
            if connection is not None:
                self._release(connection)
        # How long the look-up took could tell which names there are.
        duration = 0 if problem == outcomes.NO_ADDRESS else round((loop.time() - start) * 1e6)
        return (
            Sent(problem, duration=duration, detail=detail)
            if connection is None
            else connection.sent(problem, duration)
        )

    async def close(self) -> None:
        """Close the connections. Those in use are closed when their requests have ended."""
        self._is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        while self._idle:
            self._idle.pop().abort()
        await asyncio.sleep(0)

    def _message(self, head: Sequence[tuple[str, str]], body: bytes) -> bytes:
        fields = "".join([f"{name}: {value}\r\n" for name, value in head])
        # They were checked when they were set. A line more would be another header, or another request.
        if fields.count("\n") != len(head) or fields.count("\r") != len(head):
            raise ValueError("a header has a line break")
        return f"{self._start}{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body

    # ---- connections

    def _kept(self) -> _Connection | None:
        """The one that was used last, so that those beyond what is needed are closed."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed:
                return connection
        return None

    def _release(self, connection: _Connection) -> None:
        if self._is_closed or not connection.can_be_kept or len(self._idle) >= self._connections:
            connection.abort()
            return
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(self._timeouts.idle, self._sweep)

    def _sweep(self) -> None:
        """Close connections that were not used since the last time."""
        self._sweeper = None
        idle = []
        for connection in self._idle:
            if connection.was_used and not connection.is_closed:
                connection.was_used = False
                idle.append(connection)
            else:
                connection.abort()
        self._idle = idle
        if idle:
            self._sweeper = asyncio.get_running_loop().call_later(self._timeouts.idle, self._sweep)

    async def _connect(self) -> _Connection:
        """Over the first address that works. Raises _Failed."""
        try:
            addresses = (await self._addresses.resolve(self._target))[:MAX_ADDRESSES]
        except Unresolved:
            raise _Failed(outcomes.NO_ADDRESS) from None
        for address in addresses[:-1]:
            try:
                async with asyncio.timeout(self._timeouts.connect):
                    opened = await self._open(address)
            except (OSError, TimeoutError):
                continue
            return await self._start_tls(opened, address)
        try:
            opened = await self._open(addresses[-1])
        except OSError as problem:
            raise _not_connected(problem) from None
        return await self._start_tls(opened, addresses[-1])

    async def _open(self, address: str) -> socket.socket:
        """A TCP connection. Raises OSError."""
        opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            await asyncio.get_running_loop().sock_connect(opened, (address, self._target.port))
        except BaseException:
            opened.close()
            raise
        return opened

    async def _start_tls(self, opened: socket.socket, address: str) -> _Connection:
        """The connection over this socket, by TLS if the URL says so. Raises _Failed."""
        loop = asyncio.get_running_loop()
        secure = self._target.secure
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(loop, address, self._timeouts.body, self._keeps),
                sock=opened,
                ssl=(self._tls or _system_tls()) if secure else None,
                server_hostname=self._target.host if secure else None,
            )
        except OSError as problem:  # ssl.SSLError too
            if not secure:
                raise _not_connected(problem) from None
            raise _Failed(outcomes.TLS_FAILED, tls_fault(problem)) from None
        return connection


class _Enough(Exception):
    """Stops the parser."""


class _Failed(Exception):
    """No connection was opened."""

    def __init__(self, outcome: str, detail: str | None = None) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.detail = detail


def _not_connected(problem: OSError) -> _Failed:
    """`Connection refused`, `No route to host`."""
    return _Failed(outcomes.CONNECT_FAILED, os.strerror(problem.errno) if problem.errno else None)


class _Connection(asyncio.Protocol):
    """One connection, and the answer to its latest request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, address: str, body_timeout: float, keeps: int) -> None:
        self.is_closed = False
        self.was_used = True
        """Since the last sweep."""
        self.problem = outcomes.DELIVERED
        self._loop = loop
        self._address = address
        self._body_timeout = body_timeout
        self._keeps = keeps
        self._transport: asyncio.Transport
        self._done: asyncio.Future[None] | None = None
        self._reset()

    def _reset(self) -> None:
        self.can_be_kept = False
        self._status: int | None = None
        self._head = self._received = self._pieces = 0
        self._body = b""
        self._type: str | None = None
        self._retry_after: float | None = None
        self._max_age: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    def exchange(self, message: bytes) -> asyncio.Future[None]:
        """Send a request. Done when the answer has come, or will not come; never raises."""
        self._reset()
        self.was_used = True
        self._parser = httptools.HttpResponseParser(self)
        self._done = self._loop.create_future()
        self._transport.write(message)
        return self._done

    @property
    def is_stale(self) -> bool:
        """Test whether it was closed before a byte of the answer came."""
        return self.is_closed and not self._received

    def sent(self, problem: str, duration: int) -> Sent:
        """Outcome of the request. `problem` is the outcome where no head came."""
        status = self._status
        if status is None:
            return Sent(problem, duration=duration, address=self._address)
        return Sent(
            outcome=outcomes.of_status(status),
            http_status=status,
            duration=duration,
            address=self._address,
            retry_after=self._retry_after,
            response_type=self._type,
            response=_text(self._body, self._keeps),
            max_age=self._max_age,
        )

    def abort(self) -> None:
        self._finish(outcomes.DISCONNECTED)
        self._transport.abort()

    def _finish(self, problem: str, can_be_kept: bool = False) -> None:
        if self._done is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self.problem = problem
        self.can_be_kept = can_be_kept
        if not self._done.done():
            self._done.set_result(None)
        self._done = None

    # ---- what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._done is None:  # nothing was asked
            self._break()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._finish(outcomes.BAD_RESPONSE)
            self._break()
            return
        if self._done is None:
            return
        if self._status is None:
            if self._received > MAX_HEAD:
                self._finish(outcomes.TOO_LARGE)
        elif self._received > MAX_HEAD + MAX_BODY:
            self._finish(outcomes.DELIVERED)
        elif self._timer is None:
            self._timer = self._loop.call_later(self._body_timeout, self._finish, outcomes.TIMED_OUT)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self._finish(outcomes.DISCONNECTED)

    def _break(self) -> None:
        """Mark the connection as broken: later bytes can't be trusted to answer the next request."""
        self.can_be_kept = False
        self.is_closed = True
        self._transport.abort()

    # ---- what the parser calls

    def on_message_begin(self) -> None:
        if self._done is None:  # another answer behind the one that was awaited
            raise _Enough

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value) + 4
        if self._head > MAX_HEAD:
            self._stop(outcomes.TOO_LARGE)
        if self._status is not None:  # a trailer
            return
        lower = name.lower()
        if lower == b"content-type":
            self._type = _text(value, KEPT_BODY)[:255]
        elif lower == b"cache-control" and (age := _MAX_AGE(value)) is not None:
            self._max_age = int(age[1])
        elif lower == b"retry-after":
            self._retry_after = _retry_after(value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 200 <= status < 600:
            self._status = status
        elif 100 <= status < 200:  # informational: another head follows (RFC 9110 section 15.2)
            self._type = self._retry_after = None
        else:
            self._stop(outcomes.BAD_RESPONSE)

    def on_body(self, data: bytes) -> None:
        if len(self._body) < self._keeps:
            self._body += data[: self._keeps - len(self._body)]
        self._pieces += 1
        if self._pieces > MAX_PIECES:
            self._stop(outcomes.DELIVERED)

    def _stop(self, problem: str) -> None:
        """Read nothing more of this answer, not even what has arrived."""
        self._finish(problem)
        raise _Enough

    def on_message_complete(self) -> None:
        if self._status is not None:
            is_sent = self._transport.get_write_buffer_size() == 0
            self._finish(outcomes.DELIVERED, is_sent and self._parser.should_keep_alive())


@cache
def _system_tls() -> ssl.SSLContext:
    """Certificates and names are verified against the authorities that the system trusts, or those of SSL_CERT_FILE."""
    context = client_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def tls_fault(problem: OSError, own_authority: str = "") -> str:
    """Fault of a handshake, in the words of OpenSSL, which hold nothing of what the receiver sent."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        fault = f"The certificate was not accepted: {problem.verify_message.rstrip('.')}."
        return f"{fault} {how_to_fix(problem, own_authority)}".rstrip()
    if isinstance(problem, ssl.SSLError) and problem.reason == "WRONG_VERSION_NUMBER":
        return "The port does not speak TLS."
    if isinstance(problem, ssl.SSLError) and problem.reason:
        return f"The TLS handshake failed: {problem.reason.lower().replace('_', ' ')}."
    return "The connection was closed during the TLS handshake."


def _start(target: UrlParts, method: str) -> str:
    """The beginning of each request."""
    return (
        f"{method} {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nUser-Agent: Rollbook/{__version__}\r\n"
        "Accept-Encoding: identity\r\n"
    )


def _text(data: bytes, most: int) -> str:
    """At most so many bytes of UTF-8 without NUL, which PostgreSQL does not store."""
    text = data.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text if text.isascii() else text.encode()[:most].decode(errors="ignore")


def _retry_after(text: str) -> float | None:
    """Seconds, of a number of seconds or a date (RFC 9110 section 10.2.3); None if it is neither."""
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        at = email.utils.parsedate_to_datetime(text)
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return max(0.0, seconds - clock.now() / clock.SECOND)


# ---- the next attempt

MINUTE = 60.0

HOUR = 60 * MINUTE

STEPS = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""Seconds from each failed attempt to the next: over three days in all, so that a receiver that breaks on a Friday can
be fixed on Monday."""

MAX_ATTEMPTS = len(STEPS) + 1

MAIL_STEPS = (5.0, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, *STEPS[3:])
"""Seconds from each failed attempt to send a mail to the next: shorter at first, since many links soon expire."""

JITTER = 0.2
"""Each wait is up to 20% longer or shorter, so that events that failed together are not retried together."""

BUSY = frozenset({429, 502, 503, 504})
"""Statuses of a receiver, or a proxy before it, that is overloaded: it gets at least a minute."""

BUSY_WAIT = MINUTE

MAX_RETRY_AFTER = 24 * HOUR
"""The longest that a receiver can ask for with `Retry-After` (RFC 9110 section 10.2.3)."""


def next_try(attempts: int, sent: Sent, random: Callable[[], float], steps: Sequence[float] = STEPS) -> float | None:
    """Seconds until the event is sent again, after the `attempts`-th attempt failed like this; None if that was the
    last.

    `random` returns a number from 0 to 1, such as `random.random`. Whether the endpoint gets disabled (`outcomes.GONE`)
    is not decided here.
    """
    if attempts > len(steps):
        return None
    wait = steps[attempts - 1] * (1 + JITTER * (2 * random() - 1))
    if sent.http_status in BUSY:
        wait = max(wait, BUSY_WAIT)
    if sent.retry_after is not None:
        wait = max(wait, min(sent.retry_after, MAX_RETRY_AFTER))
    return wait
