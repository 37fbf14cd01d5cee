"""One connection: reads requests, guards what HTTP allows and how long it may take, and answers in order.

It is uvicorn's protocol class with another heart. The parser and the ASGI cycle are uvicorn's; here a request is handed
on only when it is whole and its head and framing are beyond doubt, and, with the setting `direct`, without ASGI: the
application's coroutine is driven from the parser's callback, and one that does not wait is answered there and then.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from rollbook.errors import (
    ApiError,
    BadMessage,
    ContentTooLarge,
    HeadersTooLarge,
    MethodNotAllowed,
    RequestTimeout,
    Unavailable,
    UriTooLong,
)
from rollbook.http import guard, wire
from rollbook.http.driver import Driver
from rollbook.http.proxies import plain
from rollbook.http.request import Request
from rollbook.http.response import Response

if TYPE_CHECKING:
    from rollbook.http.worker import Worker

log = logging.getLogger("rollbook")

# A start line, to tell a method that nobody knows from bytes that are no HTTP at all.
_start_line = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) \S+ HTTP/1\.[01]\r\n").match

# Where the connection is in the client's bytes. A stage from SEALED on reads nothing more.
IDLE, HEAD, BODY, SEALED, CLOSING = range(5)
# Bytes given to the parser at a time. It cannot be stopped between two requests, so this bounds how many can wait.
SLICE = 16_384
# Seconds in which the client may read our last answer and hang up before we do.
LINGER = 2.0
# Seconds in which a connection that is idle when the server stops may still bring a request that is on its way.
GRACE = 0.5
NEVER = math.inf


class Refusal(NamedTuple):
    """A request that the application never sees."""

    error: ApiError
    method: str
    target: bytes
    headers: dict[bytes, bytes]


class Exchange(NamedTuple):
    """A request for the ASGI way."""

    scope: dict[str, Any]
    body: bytes


Turn = Request | Refusal | Exchange | Response


class Sealed(Exception):
    """Raised in a callback to stop the parser: what follows is not read."""


class Protocol(HttpToolsProtocol):
    """See the module. `worker` is what it shares with the other connections of the process."""

    alpn_protocols = ["http/1.1"]
    on_message_begin = None  # type: ignore[assignment]  # a callback less: everything is reset at the end of a message

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker.config, worker.state, {}, worker.loop)
        self.parser = httptools.HttpRequestParser(self)  # without the leniency that uvicorn asks for
        self.worker = worker
        self.stage = IDLE
        self.deadline = worker.head_until  # when `expire` is called, in the time of the loop
        self.timed = IDLE  # the stage that the deadline is for
        self.direct = worker.settings.direct
        self.peer = ""
        self.behind_proxy = False
        self.secure = False
        self.half_closed = False
        self.refused = False

        # The request that is being read.
        self.method = b""
        self.target = b""
        self.fields: dict[bytes, bytes] = {}
        self.repeated = 0  # header fields beyond those that `fields` counts
        self.content: bytes | bytearray = b""
        self.raw = 0  # upper bound of the bytes read of the current head, or body
        self.keep = True
        self.body_after_upgrade = False
        self.continue_due = False

        # Requests that were read and wait for their turn.
        self.turns: deque[tuple[Turn, bool]] = deque()
        self.busy = False  # a handler has suspended
        self.clogged = False  # the client does not read our answers
        self.reading = True
        self.held = b""  # bytes not yet given to the parser

    # The transport's calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        worker = self.worker
        self.peer = plain(self.client[0]) if self.client else ""
        self.secure = self.scheme == "https"
        self.behind_proxy = worker.proxies.trusts(self.peer)
        if len(worker.connections) > worker.settings.max_connections:
            if len(worker.connections) > 2 * worker.settings.max_connections:
                transport.abort()
            else:
                self._refuse(Unavailable("The server has too many connections. Try again shortly."))

    def data_received(self, data: bytes) -> None:
        if self.stage >= SEALED:
            return
        if self.held or len(data) > SLICE:
            self.held += data
            self._parse_held()
        else:
            self._parse(data)
        if self.turns:
            self._pause_reading()

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more, but may still read: what it asked for is answered first."""
        if self.stage == BODY or (self.stage == HEAD and self.target):
            self._refuse(BadMessage("The request ended before it was complete."))
        if (self.busy or self.turns or self.clogged) and not self.transport.get_extra_info("sslcontext"):
            self.half_closed = True
            self.stage = max(self.stage, SEALED)
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Handlers that have suspended go on to their end: what they write must not depend on who still listens."""
        self.stage = CLOSING
        self.turns.clear()
        self.held = b""
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self.clogged = True
        self.deadline = self.worker.body_until
        self._pause_reading()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.clogged = False
        super().resume_writing()
        self._next()

    # The parser's calls.

    def on_url(self, url: bytes) -> None:
        if self.stage == BODY:  # the head we made for a body after an upgrade
            return
        self.stage = HEAD
        self.target = self.target + url if self.target else url
        if len(self.target) > self.worker.max_target:
            raise UriTooLong()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.stage == BODY:  # trailers: read past, never merged into the head (RFC 9110 section 6.5.1)
            return
        name = name.lower()
        fields = self.fields
        if name in fields:
            self.repeated += 1
            value = guard.join(name, fields[name], value)
        fields[name] = value
        if len(fields) + self.repeated > self.worker.max_header_fields:
            raise HeadersTooLarge()

    def on_headers_complete(self) -> None:
        if self.stage == BODY:
            return
        fields = self.fields
        worker = self.worker
        parser = self.parser
        self.method = method = parser.get_method()
        if self.raw > worker.max_header_bytes:
            # `raw` is a bound. The sum has ": " and CRLF too, and the name of a repeated field once.
            if sum(len(name) + len(value) + 4 for name, value in fields.items()) > worker.max_header_bytes:
                raise HeadersTooLarge()
        version = "1.1"
        upgrade = False
        if b"connection" in fields or not parser.should_keep_alive():
            version = parser.get_http_version()
            if version != "1.1" and version != "1.0":
                raise BadMessage("The HTTP version must be 1.1 or 1.0.")
            self.keep = version == "1.1" and parser.should_keep_alive()
            upgrade = parser.should_upgrade()
        if method == b"CONNECT":  # what follows it is not HTTP
            raise MethodNotAllowed("CONNECT", guard.ALLOW)
        host = fields.get(b"host")
        if host not in worker.hosts:
            if host is not None:
                guard.check_host(host)
                if len(worker.hosts) < 1000:
                    worker.hosts.add(host)
            elif version == "1.1":
                raise BadMessage("The request has no Host header.")
        if b"content-length" in fields or b"transfer-encoding" in fields:
            if guard.check_framing(fields, version, worker.max_body):
                self.body_after_upgrade = upgrade
                self.continue_due = guard.wants_continue(fields) and version == "1.1"
                if self.continue_due and not self.busy and not self.turns:
                    self._continue()
        elif b"expect" in fields:
            guard.wants_continue(fields)
        self.stage = BODY
        self.raw = 0

    def on_body(self, body: bytes) -> None:
        content = self.content
        if not content:
            self.content = body
        elif isinstance(content, bytearray):
            content += body
        else:
            self.content = bytearray(content) + body
        if len(self.content) > self.worker.max_body:
            raise ContentTooLarge()

    def on_message_complete(self) -> None:
        if self.body_after_upgrade:
            return
        turn = self._turn()
        keep = self.keep
        self.fields = {}
        self.target = self.content = b""
        self.raw = SLICE
        if self.repeated or self.timed or self.continue_due:
            self.repeated = self.timed = 0
            self.continue_due = False
        self.stage = IDLE if keep else SEALED
        if self.busy or self.clogged or self.turns:
            self.turns.append((turn, keep))
        else:
            self.deadline = self.worker.idle_until
            self._take(turn, keep)
        if self.stage >= SEALED:
            raise Sealed()

    # Reading.

    def _parse(self, data: bytes) -> None:
        if self.stage == IDLE:
            self.stage = HEAD
        self.raw += len(data)
        try:
            rest = self._feed(data)
            if rest is not None:
                self._parse_on(rest)
        except httptools.HttpParserError as problem:
            if self.stage < SEALED:
                self._refuse(_meaning(problem, data))
        if self.stage == HEAD or self.stage == BODY:
            self._unfinished()

    def _parse_on(self, rest: bytes) -> None:
        """Behind the head of a request that wishes for another protocol, where the parser has stopped. We speak none, and may
        ignore the wish (RFC 9110 section 7.8): what follows is HTTP.

        llhttp takes such a request to have no body. Where it has one, a new parser is told of it by a head that we make:
        otherwise the body would be read as the next request.
        """
        while self.stage < SEALED and (rest or self.body_after_upgrade):
            if self.body_after_upgrade:
                self.body_after_upgrade = False
                length = self.fields.get(b"content-length")
                framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: " + length
                self.parser = httptools.HttpRequestParser(self)
                rest = b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n" + rest
            elif self.stage == IDLE:
                self.stage = HEAD
            more = self._feed(rest)
            if more is None:
                return
            rest = more

    def _feed(self, data: bytes) -> bytes | None:
        """What the parser left because it stopped at an upgrade; None when it read all."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return data[upgrade.args[0] :]
        return None

    def _parse_held(self) -> None:
        while self.held and not self.turns and not self.clogged and self.stage < SEALED:
            piece, self.held = self.held[:SLICE], self.held[SLICE:]
            self._parse(piece)
        if self.held:
            self._pause_reading()

    def _unfinished(self) -> None:
        """A message has begun and not ended: time it, and bound what it may bring besides what is kept."""
        worker = self.worker
        if self.timed != self.stage and not (self.busy or self.clogged or self.turns):
            self.timed = self.stage
            self.deadline = worker.head_until if self.stage == HEAD else worker.body_until
        if self.raw > worker.most_raw[self.stage]:
            self._refuse(HeadersTooLarge() if self.stage == HEAD else ContentTooLarge())

    def _continue(self) -> None:
        self.continue_due = False
        if not self.content:
            self.transport.write(wire.CONTINUE)

    def _pause_reading(self) -> None:
        if self.reading and not self.transport.is_closing():
            self.reading = False
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self.reading and not self.transport.is_closing():
            self.reading = True
            self.transport.resume_reading()

    # Answering.

    def _turn(self) -> Turn:
        """What is to be done about the request that was just read."""
        method = self.method.decode("ascii")
        fields = self.fields
        target = self.target
        try:
            if target[:1] != b"/":
                if target == b"*" and method == "OPTIONS":
                    return Response(204, b"Allow: " + guard.ALLOW.encode() + b"\r\n")
                target = guard.origin_form(target, fields.get(b"host"))
            if method == "TRACE":
                raise MethodNotAllowed(method, guard.ALLOW)
            path, query = guard.split_target(target)
        except ApiError as error:
            return Refusal(error, method, target, fields)
        content = bytes(self.content)
        if not self.direct:
            return Exchange(self._scope(method, path, query, target), content)
        address, secure = self.peer, self.secure
        if self.behind_proxy:
            address, secure = self.worker.proxies.client(address, secure, fields)
        return Request(method, path, query, fields, content, address, secure, self.worker.new_id(), time.perf_counter_ns())

    def _take(self, turn: Turn, keep: bool) -> None:
        """Answer, now or when the handler is done. `keep`: the connection stays open after it."""
        if isinstance(turn, Request):
            coroutine = self.worker.app.answer(turn)
            try:
                future = coroutine.send(None)
            except StopIteration as end:
                self._send(end.value, turn.id, keep, turn.method == "HEAD", turn.secure)
            except BaseException as error:
                self._send(self.worker.failed(turn, error), turn.id, keep, turn.method == "HEAD", turn.secure)
            else:
                self.busy = True
                self.deadline = NEVER
                self.worker.running[turn] = Driver(coroutine, future, partial(self._finished, turn, keep), self.loop)
        elif isinstance(turn, Refusal):
            address, secure = self.worker.proxies.client(self.peer, self.secure, turn.headers)
            id = self.worker.new_id()
            response = self.worker.app.refuse(
                turn.error,
                id=id,
                address=address,
                method=turn.method,
                path=turn.target.partition(b"?")[0].decode("latin-1"),
                accept=turn.headers.get(b"accept", b""),
            )
            self._send(response, id, keep, turn.method == "HEAD", secure)
        elif isinstance(turn, Exchange):
            self._run_asgi(turn, keep)
        else:
            self._send(turn, self.worker.new_id(), keep, False, self.secure)

    def _finished(self, request: Request, keep: bool, response: Response | None, error: BaseException | None) -> None:
        """A handler that had suspended is done."""
        del self.worker.running[request]
        self.busy = False
        if response is None:
            response = self.worker.failed(request, error)
        if not self.transport.is_closing():
            self._send(response, request.id, keep, request.method == "HEAD", request.secure)
            self._next()

    def _send(self, response: Response, id: str, keep: bool, head: bool, secure: bool) -> None:
        worker = self.worker
        if worker.draining and not self.turns:
            keep = False
        self.transport.write(wire.encode(response, worker.common[secure], id, head=head, close=not keep))
        if not keep:
            self._close()

    def _next(self) -> None:
        """After an answer that was waited for, or when the client reads again: the next request, or more of the client's bytes."""
        while self.turns and not self.busy and not self.clogged and self.stage != CLOSING:
            self._take(*self.turns.popleft())
        if self.busy and not self.clogged:
            self.deadline = NEVER
        if self.busy or self.clogged or self.stage == CLOSING:
            return
        if self.half_closed:
            self.transport.close()
            return
        self.timed = IDLE
        if self.stage == IDLE:
            self.deadline = self.worker.idle_until
        else:
            self._unfinished()
            if self.continue_due:
                self._continue()
        if self.held:
            self._parse_held()
        if not self.held and not self.turns and not self.clogged:
            self._resume_reading()

    def _refuse(self, error: ApiError) -> None:
        """Answer with an error and end the connection: where this request ends, or whose the next bytes are, is in doubt."""
        method = self.parser.get_method().decode("ascii") if self.target else ""
        refusal = Refusal(error, method, self.target[:1024], self.fields)
        self.stage = SEALED
        self.refused = True
        self.held = b""
        if self.busy or self.clogged or self.turns:
            self.turns.append((refusal, False))
        else:
            self._take(refusal, False)

    def _close(self) -> None:
        """No more comes from us; the client may still read what came.

        Closing while unread bytes lie in our receive buffer sends a reset, at which the client's system may throw away the
        answer (RFC 9112 section 9.6). So we only end our direction, and read past what comes until the client hangs up.
        """
        self.stage = CLOSING
        self.held = b""
        self.turns.clear()
        transport = self.transport
        worker = self.worker
        # Over TLS one direction cannot be ended alone; then only a client that we cut short is waited for.
        if self.half_closed or not (self.refused or transport.can_write_eof()):
            transport.close()
            return
        if transport.get_write_buffer_size():
            self.deadline = worker.body_until
        else:
            self.deadline = worker.now + (GRACE if worker.draining else LINGER)
        if transport.can_write_eof():
            transport.write_eof()
        self._resume_reading()

    # Deadlines.

    def expire(self) -> None:
        """The sweep found the deadline passed."""
        if (self.stage == HEAD or self.stage == BODY) and not self.clogged:
            self._refuse(RequestTimeout())
        elif self.stage == IDLE and not self.transport.get_write_buffer_size():
            self.transport.close()
        else:  # it neither reads our answers nor hangs up
            self.transport.abort()

    def shutdown(self) -> None:
        """The server stops. An idle connection has a moment for a request that is on its way; the answer then closes it."""
        if self.cycle is not None:
            self.cycle.keep_alive = False
        if self.stage == IDLE and not self.busy and not self.turns and not self.clogged:
            self.deadline = self.worker.now + GRACE

    # The ASGI way.

    def _scope(self, method: str, path: str, query: str, target: bytes) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1" if self.keep else self.parser.get_http_version(),
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": method,
            "root_path": "",
            "path": path,
            "raw_path": target.partition(b"?")[0],
            "query_string": query.encode("ascii"),
            "headers": list(self.fields.items()),
            "state": {},
        }

    def _run_asgi(self, exchange: Exchange, keep: bool) -> None:
        self.busy = True
        self.deadline = NEVER
        self.cycle = cycle = RequestResponseCycle(
            scope=exchange.scope,  # type: ignore[arg-type]
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep and not self.worker.draining,
            on_response=self._asgi_finished,
        )
        cycle.body = bytearray(exchange.body)
        cycle.more_body = False
        cycle.message_event.set()
        self._start_asgi_task(cycle, cast(Any, self.worker.asgi))

    def _asgi_finished(self) -> None:
        self.busy = False
        if not self.transport.is_closing():
            self._next()


def _meaning(problem: httptools.HttpParserError, data: bytes) -> ApiError:
    """Our error for the parser's; `data` is what it was reading."""
    if isinstance(problem, httptools.HttpParserCallbackError):
        cause = problem.__context__
        if isinstance(cause, ApiError):
            return cause
        log.error("reading a request failed", exc_info=cause)
        return ApiError()
    if isinstance(problem, httptools.HttpParserInvalidMethodError):
        line = _start_line(data)
        if line and line[1] not in guard.METHODS:
            return MethodNotAllowed("This method", guard.ALLOW)
    if isinstance(problem, httptools.HttpParserInvalidURLError):
        return BadMessage("The request target is invalid.")
    return BadMessage(f"The HTTP request is malformed: {problem}.")
