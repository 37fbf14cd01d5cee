"""The way of bytes between sockets and connections.

All sockets of a process are in one selector that the event loop watches as a single file. In each turn, first the bytes
of all that are ready are taken, then they are handed over, and what is read of the database meanwhile is of one
snapshot: each request of the turn had arrived before it began, so it sees all that was acknowledged before it was sent.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from selectors import EVENT_READ, EVENT_WRITE, SelectorKey
from typing import Any, Protocol

from rollbook.http.reader import SLICE

log = logging.getLogger("rollbook")

# Sockets of a turn, of each of which it takes a slice: the loop has other work, and a worker holds a turn's bytes.
AT_ONCE = 64
MOST = AT_ONCE * SLICE
# Further slices of a socket that is ready alone.
MORE = 15
# Bytes that wait to be sent, beyond which the connection is to write no more, and up to which it may go on.
HIGH, LOW = 65_536, 16_384


class Receiver(Protocol):
    """The connection behind a link, or its TLS."""

    def connection_made(self, link: Any, /) -> None: ...

    def data_received(self, data: bytes, /) -> None: ...

    def eof_received(self) -> bool:
        """True: the other direction stays open."""
        ...

    def connection_lost(self, problem: Exception | None, /) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


class Turns:
    """All links of a process. What a turn does runs within `at_once()`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, at_once: Callable[[], AbstractContextManager[object]]) -> None:
        self.loop = loop
        self.selector = selectors.DefaultSelector()
        self._at_once = at_once
        self._ready: list[tuple[SelectorKey, int]] = []  # beyond the last turn
        loop.add_reader(self.selector.fileno(), self._turn)

    def open(self, connection: socket.socket, receiver: Receiver) -> None:
        """Raises OSError when the system can't watch another socket."""
        with suppress(OSError):  # macOS, where the client has left
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        receiver.connection_made(Link(self, connection, receiver))

    def close(self) -> None:
        self.loop.remove_reader(self.selector.fileno())
        self.selector.close()

    def _turn(self) -> None:
        ready = self._ready or self.selector.select(0)
        self._ready = ready[AT_ONCE:]
        came = [
            (key.data, events & EVENT_WRITE, key.data.receive() if events & EVENT_READ else None)
            for key, events in ready[:AT_ONCE]
        ]
        if len(came) > 1:
            with self._at_once():
                for link, can_send, data in came:
                    link.go_on(can_send, data)
            return
        for link, can_send, data in came:
            link.go_on(can_send, data)
            for _ in range(MORE):  # an upload; no snapshot began before these bytes came
                if data is None or len(data) < SLICE:
                    return
                data = link.receive()
                link.go_on(0, data)


class Link:
    """One socket. `close` and the others do what those of an `asyncio.Transport` do."""

    __slots__ = (
        "_closing", "_ends", "_is_full", "_lost", "_reading", "_receiver", "_recv", "_send", "_socket", "_turns",
        "_unsent", "_watched",
    )  # fmt: skip
    is_secure = False
    is_open = True

    def __init__(self, turns: Turns, connection: socket.socket, receiver: Receiver) -> None:
        self._turns = turns
        self._socket = connection
        self._recv, self._send = connection.recv, connection.send
        self._receiver = receiver
        self._unsent = bytearray()
        self._watched = 0  # the events that the selector reports
        self._reading = True
        self._is_full = False  # the receiver is to write no more
        self._closing = False
        self._ends = False  # our direction ends once all is sent
        self._lost = False
        self._watch()

    # The turn's calls.

    def receive(self) -> bytes | None:
        """Bytes that came; empty at their end, None where there is nothing."""
        if not self._reading:
            return None
        try:
            return self._recv(SLICE)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as problem:
            self.abort(problem)
            return None

    def go_on(self, can_send: int, data: bytes | None) -> None:
        """Send what waits, and hand over what came, unless another of the turn has ended this one."""
        try:
            if can_send:
                self._send_on()
            if data is None or self._closing:
                return
            if data:
                self._receiver.data_received(data)
            elif self._receiver.eof_received():
                self.pause_reading()
            else:
                self.close()
        except Exception as problem:
            log.error("a connection failed", exc_info=problem)
            self.abort(problem)

    def _send_on(self) -> None:
        if not self._unsent:
            return
        try:
            sent = self._send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as problem:
            self.abort(problem)
            return
        del self._unsent[:sent]
        if self._is_full and len(self._unsent) <= LOW:
            self._is_full = False
            self._receiver.resume_writing()
        if not self._unsent and self._closing:
            self.abort()
        elif not self._unsent and self._ends:
            self._shut()
        self._watch()

    # The receiver's calls.

    def write(self, data: bytes) -> None:
        if self._lost:
            return
        if not self._unsent:
            try:
                sent = self._send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as problem:
                self.abort(problem)
                return
            if sent == len(data):
                return
            data = data[sent:]
        self._unsent += data
        self._watch()
        if len(self._unsent) > HIGH and not self._is_full:
            self._is_full = True
            self._receiver.pause_writing()

    def write_eof(self) -> None:
        self._ends = True
        if not self._unsent:
            self._shut()

    def close(self) -> None:
        """End it when all is sent."""
        self._closing = True
        self._reading = False
        if self._unsent:
            self._watch()
        else:
            self.abort()

    def abort(self, problem: Exception | None = None) -> None:
        """End it. The receiver is told in the next turn of the loop."""
        if self._lost:
            return
        self._lost = self._closing = True
        self._reading = False
        self._unsent.clear()
        self._watch()
        self._turns.loop.call_soon(self._over, problem)

    def pause_reading(self) -> None:
        self._reading = False
        self._watch()

    def resume_reading(self) -> None:
        self._reading = not self._closing
        self._watch()

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def _shut(self) -> None:
        with suppress(OSError):  # the client is gone, as reading will tell
            self._socket.shutdown(socket.SHUT_WR)

    def _over(self, problem: Exception | None) -> None:
        try:
            self._receiver.connection_lost(problem)
        finally:
            self._socket.close()
            del self._receiver, self._recv, self._send  # which know this link

    def _watch(self) -> None:
        """Have the selector report what is waited for."""
        events = EVENT_READ * self._reading | EVENT_WRITE * bool(self._unsent)
        before, self._watched = self._watched, events
        if events == before:
            return
        if not events:
            self._turns.selector.unregister(self._socket)
        elif before:
            self._turns.selector.modify(self._socket, events, self)
        else:
            self._turns.selector.register(self._socket, events, self)
