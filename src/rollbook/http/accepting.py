"""Accepts connections on a listening socket: in each turn of the event loop as many as are waiting, so that new
clients, such as a load balancer's health check, don't wait until others are less busy.

asyncio's own servers do so too, but when the process has no file left for a connection, they report it once for each
place in the backlog.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import socket
import struct
import sys
from contextlib import suppress
from functools import partial

from rollbook.http.connection import LINGER, Connection
from rollbook.http.door import Admission
from rollbook.http.proxies import plain
from rollbook.http.worker import Worker

log = logging.getLogger("rollbook")

# Connections that the kernel completes before we accept them.
BACKLOG = 2048
# Connections accepted in a turn, 0.1 ms each: more would keep the others waiting.
AT_ONCE = 256
# Seconds to wait when the system has no file or memory for another connection.
PAUSE = 1.0
# Seconds that the last connections have to complete their TLS handshake when the server stops.
LAST = 1.0

# A program for the kernel's packet filter, with the TCP header as its data: drop a segment with the flag SYN (RFC 9293
# section 3.1), let any other pass.
_DROP_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
_SO_ATTACH_FILTER = 26  # of <asm-generic/socket.h>; Python doesn't name it


def begin_nothing(listener: socket.socket) -> None:
    """Have the system begin no more connections on a port that is about to close, so that none is reset between the
    last `accept` and `close`. A client that comes in between tries again after a second, and is refused. Only Linux can
    do this; elsewhere, and where it may not, nothing happens."""
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _DROP_SYN))
    with suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_DROP_SYN), ctypes.addressof(program))
        )


class Acceptor:
    """Accepts from the start on, until `stop`."""

    def __init__(self, worker: Worker, listener: socket.socket) -> None:
        """Raises OSError if the port is taken."""
        self._worker = worker
        self._listener = listener
        self._opening: set[asyncio.Task[None]] = set()
        self._paused: asyncio.TimerHandle | None = None
        listener.listen(BACKLOG)
        worker.loop.add_reader(listener, self._accept)

    async def stop(self) -> None:
        """Accept what is waiting in the system's queue, which closing the port would reset, and close the port at once:
        what came in between would be lost. Whoever stops the whole server calls `begin_nothing` before."""
        if self._paused is not None:
            self._paused.cancel()
        self._worker.loop.remove_reader(self._listener)
        with suppress(OSError):
            for _ in range(BACKLOG):
                if not self._accept_one():
                    break
        self._listener.close()
        if self._opening:
            await asyncio.wait(self._opening, timeout=LAST)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                if not self._accept_one():
                    return
            except OSError as problem:
                log.error("cannot accept connections: %s", problem.strerror)
                self._worker.loop.remove_reader(self._listener)
                self._paused = self._worker.loop.call_later(PAUSE, self._resume)
                return

    def _resume(self) -> None:
        self._paused = None
        self._worker.loop.add_reader(self._listener, self._accept)

    def _accept_one(self) -> bool:
        """Test whether there was one. Raises OSError where the system cannot give it to us."""
        try:
            connection, peer = self._listener.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionError:  # its client has left
            return True
        admission = self._worker.door.enter(plain(peer[0]) if peer else "")
        if admission is None:
            connection.close()
            return True
        connection.setblocking(False)
        task = self._worker.loop.create_task(self._open(connection, admission))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return True

    async def _open(self, connection: socket.socket, admission: Admission) -> None:
        worker, tls = self._worker, self._worker.tls
        try:
            await worker.loop.connect_accepted_socket(
                partial(Connection, worker, admission),
                connection,
                ssl=tls,
                ssl_handshake_timeout=worker.settings.header_timeout if tls else None,
                ssl_shutdown_timeout=LINGER if tls else None,
            )
        except OSError:  # the handshake failed, or the client has left
            connection.close()
            admission.leave()
