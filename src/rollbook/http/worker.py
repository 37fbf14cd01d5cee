"""State that the connections of one process share: the application, the rules, a coarse clock, and the sweep that
enforces deadlines."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
from asyncio import sslproto

from rollbook.config import ConfigurationError, Settings
from rollbook.errors import ApiError
from rollbook.http import sending
from rollbook.http.body import Budget, give_back
from rollbook.http.connection import Connection
from rollbook.http.door import Door
from rollbook.http.driver import Driver
from rollbook.http.reader import Rules
from rollbook.http.request import Application, Request, Response
from rollbook.http.sending import Sending
from rollbook.http.turns import MOST, Turns

log = logging.getLogger("rollbook")

# Longest pause between two sweeps, in seconds: a deadline is kept to within it.
SWEEP = 0.5
# Seconds that streams have to clean up after they were cut off.
CLEAN_UP = 0.5


# Bytes that asyncio reads of a TLS connection to a receiver of webhooks at a time, one record (RFC 8446 section 5.1).
# Its own default, 256 KiB, is memory of each of them, for nothing.
TLS_BUFFER = 16_384


class Worker:
    """One process of the server."""

    def __init__(self, settings: Settings, app: Application, loop: asyncio.AbstractEventLoop) -> None:
        """Raises ConfigurationError if the certificate or its key cannot be read."""
        self.settings = settings
        self.app = app
        self.loop = loop
        self.rules = Rules(settings, app.body_rule)
        self.tls = _tls(settings)
        self._every = sending.every(settings)
        sslproto.SSLProtocol.max_size = TLS_BUFFER
        self.door = Door(settings, self.rules.proxies.trusts)
        self.turns = Turns(loop, app.at_once)
        self.budget = Budget((settings.request_memory << 20) - MOST)
        self.connections: set[Connection] = set()
        self.running: dict[
            Request, Driver | Sending
        ] = {}  # requests that wait for their handler, or for the end of a stream
        self.draining = False
        self._pause = min(
            SWEEP, settings.header_timeout / 4, settings.body_timeout / 4, settings.keep_alive_timeout / 4
        )
        self._sweeper: asyncio.TimerHandle | None = None
        self.sweep()

    def sweep(self) -> None:
        """Refresh the clock and the date, and end connections past their deadline. A timer per request would cost more
        than many requests."""
        self.now = now = self.loop.time()
        self.head_until = now + self.settings.header_timeout
        self.body_until = now + self.settings.body_timeout
        self.idle_until = now + self.settings.keep_alive_timeout
        self.rules.new_id.refresh()
        date = sending.date_line(time.time())
        plain, secure = self._every
        self.common = (date + plain, date + secure)
        self._sweeper = self.loop.call_later(0.05 if self.draining else self._pause, self.sweep)
        self.app.connections = len(self.connections)
        for connection in list(self.connections):
            if connection.deadline < now:
                connection.expire()
        if self.budget.has_fallen():
            self.loop.run_in_executor(None, give_back)

    def failed(self, request: Request, error: BaseException | None) -> Response:
        """The response when the application raised, which it promised not to do."""
        log.error("the handler of %s %s raised", request.method, request.path, exc_info=error)
        return self.app.refuse(
            ApiError(), id=request.id, address=request.address, method=request.method, path=request.path
        )

    async def drain(self) -> None:
        """Let running requests finish; abort those that have not after `drain_timeout`."""
        self.draining = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.sweep()
        for connection in list(self.connections):
            connection.stop()
        give_up = self.loop.time() + self.settings.drain_timeout
        while self.connections or self.running:
            if self.loop.time() > give_up:
                log.warning(
                    "stopped with %d connections and %d requests unfinished", len(self.connections), len(self.running)
                )
                for connection in list(self.connections):
                    connection.transport.abort()
                if streams := [handler.task for handler in self.running.values() if isinstance(handler, Sending)]:
                    await asyncio.wait(streams, timeout=CLEAN_UP)
                return
            await asyncio.sleep(0.01)

    def close(self) -> None:
        """End the sweep, and the turns."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.turns.close()


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    # What BCP 195 (RFC 9325 section 4.2) recommends of TLS 1.2: no CBC. Those of 1.3 are all of this kind.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError as problem:
        for name, file in (("tls_cert", settings.tls_cert), ("tls_key", settings.tls_key)):
            if not os.access(file, os.R_OK):
                raise ConfigurationError(f"{name}: {file} does not exist or cannot be read.") from None
        raise ConfigurationError(
            f"tls_cert, tls_key: {problem}. Both are files in PEM format that belong together."
        ) from None
    return context
