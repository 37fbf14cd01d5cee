"""One client connection: hands requests to the application in order, keeps deadlines, and writes the answers.

The application's coroutine is run inside the parser's callback, without a task; one that never waits is answered there
and then.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from rollbook.errors import Overloaded, RequestTimeout
from rollbook.http import sending
from rollbook.http.door import Admission
from rollbook.http.driver import Driver
from rollbook.http.reader import BODY, CLOSED, HEAD, IDLE, Reader, RefusedRequest
from rollbook.http.request import Request, Response, Stream
from rollbook.http.sending import Sending
from rollbook.networks import narrowest

if TYPE_CHECKING:
    from rollbook.http.tls import Secure
    from rollbook.http.turns import Link
    from rollbook.http.worker import Worker

log = logging.getLogger("rollbook")

# Seconds in which the client may read our last answer and hang up before we do.
LINGER = 2.0
# Seconds in which a connection that is idle when the server stops may still bring a request that is on its way.
GRACE = 0.5
# The same for one whose TLS handshake is not over.
LAST = 1.0
NEVER = math.inf
# Bytes that a request takes which waits behind another.
PENDING = 1_024


def _gone() -> None:
    """Stand-in for `left` once the client is gone, so that a handler that starts waiting returns at once."""


class Connection:
    """`worker` is what it shares with the other connections of the process, `admission` what it occupies of them."""

    transport: Link | Secure
    reader: Reader

    def __init__(self, worker: Worker, admission: Admission) -> None:
        self.worker = worker
        self.admission = admission
        self.deadline = worker.head_until  # when `expire` is called, in the time of the loop
        self.timed = IDLE  # the reader's state that the deadline is for

        self.pending: deque[tuple[Request | RefusedRequest, bool]] = deque()  # requests that wait for their turn
        self.busy = False  # a handler has suspended, or a stream is being sent
        self.sending: Sending | None = None
        self.waiting: Request | None = None  # the one whose handler has suspended
        self.write_blocked = False  # the client does not read our answers
        self.reading = True
        self.half_closed = False  # the client sends no more, but still reads
        self.closing = False  # our last answer is written
        self.holds = False  # something of the budget

    # The transport's calls.

    def connection_made(self, transport: Link | Secure) -> None:
        self.transport = transport
        worker = self.worker
        self.secure = transport.is_secure
        self.reader = Reader(worker.rules, self._receive, self.admission.address, self.secure)
        worker.connections.add(self)
        if self.admission.refusal is not None:
            self.reader.refuse(self.admission.refusal)

    def data_received(self, data: bytes) -> None:
        if self.reader.state == CLOSED:
            return
        self.reader.feed(data)
        if self.busy or self.holds or self.reader.state != IDLE:
            self._wait_for_more()
            if self.holds or self.pending or self.reader.state != IDLE:
                self._weigh()
                if self.worker.budget.is_exceeded:
                    self.worker.budget.make_room()
        if (self.pending or self.reader.body is not None) and not self._may_read():
            self._pause_reading()

    def eof_received(self) -> bool:
        """The client sends no more, but may still read: what it asked for is answered first."""
        self.reader.end()
        self._left()
        if self.sending is not None and self.sending.is_endless:
            return False
        if (self.busy or self.pending or self.write_blocked) and not self.secure:
            self.half_closed = True
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Handlers that have suspended go on to their end: what they write must not depend on who still listens."""
        self.closing = True
        self.reader.close()
        self.pending.clear()
        self._left()
        if self.sending is not None:
            self.sending.cancel()
        self.worker.connections.discard(self)
        self.admission.leave()
        self._hold_nothing()

    def _left(self) -> None:
        """The client has gone, or sends no more."""
        request = self.waiting
        if request is not None:
            if request.left is not None:
                request.left()
            request.left = _gone

    def pause_writing(self) -> None:
        self.write_blocked = True
        self.deadline = self.worker.body_until
        self._pause_reading()
        self._weigh()
        if self.worker.budget.is_exceeded:
            self.worker.loop.call_soon(self.worker.budget.make_room)  # not from here: the reader may be what writes

    def resume_writing(self) -> None:
        self.write_blocked = False
        self._weigh()
        if self.sending is not None:
            self.moved()
            self.sending.resume()
            if self._may_read():
                self._resume_reading()  # or we would not see the client leave
        else:
            self._next()

    # Reading.

    def _may_read(self) -> bool:
        body = self.reader.body
        return not (self.pending or self.write_blocked or (body is not None and body.is_full))

    def _wait_for_more(self) -> None:
        """A request has begun and not ended: time it from when nothing of ours is in its way."""
        state = self.reader.state
        if state == CLOSED or self.busy or self.write_blocked or self.pending:
            if self.busy and self.sending is None:
                self._keep_time()  # what the handler waited for may have come
            return
        if self.timed != state:
            self.timed = state
            self.deadline = self.worker.head_until if state == HEAD else self.worker.body_until
        if self.reader.continue_due:
            self.reader.continue_due = False
            self.transport.write(sending.CONTINUE)

    def _pause_reading(self) -> None:
        if self.reading and not self.transport.is_closing():
            self.reading = False
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self.reading and not self.transport.is_closing():
            self.reading = True
            self.transport.resume_reading()

    def _body_pulled(self) -> None:
        """Called when the handler consumes or awaits a part of the body."""
        body = self.reader.body
        if body is None or self.transport.is_closing():
            return
        if body.is_awaited:
            self._keep_time()
            if self.reader.continue_due:
                self.reader.continue_due = False
                self.transport.write(sending.CONTINUE)
        if self._may_read():
            self._resume_reading()

    # Answering.

    def _receive(self, message: Request | RefusedRequest, keep: bool) -> None:
        """The reader has read a request. `keep`: the connection stays open after its answer."""
        if isinstance(message, Request) and message.stream is not None:
            message.stream.pulled = self._body_pulled
        if self.busy or self.write_blocked or self.pending:
            self.pending.append((message, keep))
            return
        self.timed = IDLE
        self.deadline = self.worker.idle_until
        self._answer(message, keep)

    def _answer(self, message: Request | RefusedRequest, keep: bool) -> None:
        """Now, or when the handler is done."""
        if isinstance(message, RefusedRequest):
            self._answer_refusal(message, keep)
            return
        future = None
        try:
            answer = self.worker.app.answer(message)
            future = None if isinstance(answer, Response) else answer.send(None)
        except StopIteration as end:
            answer = end.value
        except BaseException as error:
            self._send(self.worker.failed(message, error), message.id, keep, message.method == "HEAD", message.secure)
            return
        if isinstance(answer, Response):
            self._respond(message, answer, keep)
            return
        self.busy = True
        self.waiting = message
        self._keep_time()
        self.worker.running[message] = Driver(answer, future, partial(self._finished, message, keep), self.worker.loop)

    def _answer_refusal(self, refusal: RefusedRequest, keep: bool) -> None:
        worker = self.worker
        address, secure = worker.rules.proxies.client(self.reader.peer, self.secure, refusal.headers)
        id = worker.rules.new_id()
        response = worker.app.refuse(
            refusal.error,
            id=id,
            address=address,
            method=refusal.method,
            path=refusal.target.partition(b"?")[0].decode("latin-1"),
            headers=refusal.headers,
        )
        self._send(response, id, keep, refusal.method == "HEAD", secure)

    def _finished(self, request: Request, keep: bool, response: Response | None, error: BaseException | None) -> None:
        """A handler that had suspended is done."""
        del self.worker.running[request]
        self.busy = False
        self.waiting = None
        if response is None:
            response = self.worker.failed(request, error)
            if not self.transport.is_closing():
                self._send(
                    response, request.id, keep and self._has_read(request), request.method == "HEAD", request.secure
                )
        else:
            self._respond(request, response, keep)
        if not self.transport.is_closing():
            self._next()

    def _respond(self, request: Request, response: Response, keep: bool) -> None:
        if response.stream is not None:
            self._respond_with_stream(request, response, response.stream, keep)
            return
        self.worker.app.finished(request, response.status, 0 if request.method == "HEAD" else len(response.body))
        if not self.transport.is_closing():
            keep = keep and self._has_read(request)
            self._send(response, request.id, keep, request.method == "HEAD", request.secure, request.head)

    def _has_read(self, request: Request) -> bool:
        """Test whether the next bytes are another request. The client of one that is answered early may still be
        sending."""
        return request.stream is None or request.stream.is_complete

    def _respond_with_stream(self, request: Request, response: Response, stream: Stream, keep: bool) -> None:
        worker = self.worker
        if (worker.draining and not self.pending) or not self._has_read(request):
            keep = False
        self.busy = True
        self.sending = worker.running[request] = Sending(self, request, response, stream, keep)
        if self.transport.is_closing():
            self.sending.cancel()
            return
        if worker.draining:
            self.sending.stop()
        self.moved()
        chunked = self.sending.is_chunked
        self.transport.write(
            sending.encode_head(
                response, worker.common[request.secure], request.id, request.head, chunked=chunked, close=not keep
            )
        )

    def moved(self) -> None:
        """A stream goes on: its client, and whoever produces it, have time again."""
        self._keep_time()

    def stream_ended(self, sending: Sending) -> None:
        del self.worker.running[sending.request]
        self.sending = None
        self.busy = False
        self.worker.app.finished(sending.request, sending.response.status, sending.size)
        if self.transport.is_closing():
            return
        if not sending.complete:
            self.transport.abort()  # not as if that were all
        elif sending.keep:
            self._next()
            if self.worker.draining:  # since its head was written, which did not say that we close
                self.stop()
        else:
            self._close()

    def _send(self, response: Response, id: str, keep: bool, head: bool, secure: bool, lines: bytes = b"") -> None:
        """`lines`: header lines beside those of the response."""
        worker = self.worker
        if worker.draining and not self.pending:
            keep = False
        self.transport.write(sending.encode(response, worker.common[secure], id, lines, head=head, close=not keep))
        if not keep:
            self._close()

    def _next(self) -> None:
        """After an answer that was waited for, or when the client reads again: the next request, or more of the
        client's bytes."""
        while self.pending and not self.busy and not self.write_blocked and not self.closing:
            self._answer(*self.pending.popleft())
        if self.busy and not self.write_blocked:
            self._keep_time()
            self._body_pulled()
        if self.holds:
            self._weigh()
        if self.busy or self.write_blocked or self.closing:
            return
        if self.half_closed:
            self.transport.close()
            return
        self.timed = IDLE
        if self.reader.state == IDLE:
            self.deadline = self.worker.idle_until
        else:
            self._wait_for_more()
        if self._may_read():
            self._resume_reading()

    def _close(self) -> None:
        """No more comes from us; the client may still read what came.

        Closing while unread bytes lie in our receive buffer sends a reset, at which the client's system may throw away
        the answer (RFC 9112 section 9.6). So we only end our direction, and read past what comes until the client hangs
        up.
        """
        self.closing = True
        self.reader.close()
        self.pending.clear()
        self._hold_nothing()
        transport = self.transport
        worker = self.worker
        if self.half_closed:
            transport.close()
            return
        if transport.get_write_buffer_size():
            self.deadline = worker.body_until
        else:
            self.deadline = worker.now + (GRACE if worker.draining else LINGER)
        transport.write_eof()
        self._resume_reading()

    # Memory.

    @property
    def is_known(self) -> bool:
        request = self.waiting if self.sending is None else self.sending.request
        return request is not None and request.user_id is not None

    @property
    def client(self) -> str:
        return narrowest(self.reader.client)

    def shed(self) -> None:
        """Let go of the requests that are not handled yet, and of what the client does not read."""
        if self.write_blocked or self.closing:
            self.transport.abort()
            self._hold_nothing()
        elif self.reader.state != CLOSED:  # or it was shed before
            self.pending.clear()
            self.reader.refuse(Overloaded("The server holds too many unfinished requests. Try again shortly."))
            if not self.closing:
                self._weigh()

    def _weigh(self) -> None:
        """Tell the budget what is held of requests that are not answered, and of answers that are not read."""
        size = self.reader.held + PENDING * len(self.pending)
        if self.waiting is not None:
            size += len(self.waiting.body)
        if self.write_blocked:
            size += self.transport.get_write_buffer_size()
        self.holds = size > 0
        self.worker.budget.charge(self, size)

    def _hold_nothing(self) -> None:
        if self.holds:
            self.holds = False
            self.worker.budget.charge(self, 0)

    # Deadlines.

    def _keep_time(self) -> None:
        """While a request is handled, its client has a deadline only where we wait for it: each part that moves renews
        it."""
        body = self.reader.body
        if self.write_blocked or self.sending is not None:
            self.deadline = self.worker.body_until
        elif body is None or not body.is_awaited:
            self.deadline = NEVER
        elif body.is_short:  # a trickle does not move it
            self.deadline = body.expires_at = body.expires_at or self.worker.body_until
        else:
            self.deadline = self.worker.body_until

    def expire(self) -> None:
        """The sweep found the deadline passed."""
        state = self.reader.state
        if self.sending is not None:
            log.warning("cut off a response after %g s without progress", self.worker.settings.body_timeout)
            self.deadline = self.worker.body_until
            if not (self.write_blocked and self.sending.cut_off()):
                self.transport.abort()
        elif state in (HEAD, BODY) and not self.write_blocked:
            self.reader.refuse(RequestTimeout())
        elif state == IDLE and not self.transport.get_write_buffer_size():
            self.transport.close()
        else:  # it neither reads our answers nor hangs up
            self.transport.abort()

    def stop(self) -> None:
        """The server stops. An idle connection has a moment for a request that is on its way; the answer then closes
        it."""
        if self.sending is not None:
            self.sending.stop()
        elif self.reader.state == IDLE and not self.busy and not self.pending and not self.write_blocked:
            self.deadline = self.worker.now + (GRACE if self.transport.is_open else LAST)
