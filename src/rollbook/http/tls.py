"""TLS between a link and its connection: to the one what `Connection` is, to the other what `Link` is."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

from rollbook.http.reader import SLICE
from rollbook.http.turns import Link, Receiver


class Secure:
    """The deadline of the connection holds for the handshake, too."""

    is_secure = True

    def __init__(self, context: ssl.SSLContext, connection: Receiver, loop: asyncio.AbstractEventLoop) -> None:
        self.is_open = False  # the handshake is over
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._connection = connection
        self._loop = loop
        self._reading = True
        self._ended = False  # our direction
        self._link: Link

    # The link's calls.

    def connection_made(self, link: Link) -> None:
        self._link = link
        self._connection.connection_made(self)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._incoming.write(data)
        try:
            if not self.is_open:
                self._tls.do_handshake()
                self.is_open = True
            self._read()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:  # no TLS, or a broken one, as the client is told
            self._flush()
            self._link.close()
        self._flush()

    def eof_received(self) -> bool:
        self._connection.eof_received()
        self._end()
        return False

    def connection_lost(self, problem: Exception | None) -> None:
        self._ended = True
        self._connection.connection_lost(problem)
        del self._connection, self._tls  # which know this one

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    # The connection's calls.

    def write(self, data: bytes) -> None:
        if self.is_open and data and not self._ended:
            self._tls.write(data)
            self._flush()

    def write_eof(self) -> None:
        self._end()
        self._link.write_eof()

    def close(self) -> None:
        self._end()
        self._link.close()

    def abort(self) -> None:
        self._link.abort()

    def pause_reading(self) -> None:
        self._reading = False
        self._link.pause_reading()

    def resume_reading(self) -> None:
        self._reading = True
        self._loop.call_soon(self._resume)  # not from here: the reader may be what asks

    def is_closing(self) -> bool:
        return self._link.is_closing()

    def get_write_buffer_size(self) -> int:
        return self._link.get_write_buffer_size()

    def _resume(self) -> None:
        if self._reading:
            self.data_received(b"")  # what came before the pause
        if self._reading:
            self._link.resume_reading()

    def _read(self) -> None:
        """Hand over what came. Raises ssl.SSLError, SSLWantReadError at its end."""
        while self._reading and not self._ended:
            if data := self._tls.read(SLICE):
                self._connection.data_received(data)
            else:
                self._connection.eof_received()
                self.close()

    def _end(self) -> None:
        """Tell the client that nothing follows. What still comes is not read."""
        if not self._ended:
            self._ended = True
            with suppress(ssl.SSLError):  # SSLWantReadError, too: the client has not ended its direction
                self._tls.unwrap()
            self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._link.write(self._outgoing.read())
