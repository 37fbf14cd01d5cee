"""What the connections of one process share: the application, the limits, the coarse clock and the sweep that closes late ones."""

from __future__ import annotations

import asyncio
import logging
import time

import uvicorn
from uvicorn.server import ServerState

from rollbook.config import ConfigurationError, Settings
from rollbook.errors import ApiError
from rollbook.http import wire
from rollbook.http.application import Application
from rollbook.http.asgi import Asgi
from rollbook.http.driver import Driver
from rollbook.http.protocol import Protocol
from rollbook.http.proxies import Proxies
from rollbook.http.request import Request, RequestIds
from rollbook.http.response import Response

log = logging.getLogger("rollbook")

# Longest pause between two sweeps, in seconds: a deadline is kept to within it.
SWEEP = 0.5


class Worker:
    """One process' share of the server."""

    def __init__(self, settings: Settings, app: Application, loop: asyncio.AbstractEventLoop) -> None:
        """Raises ConfigurationError when the certificate or its key cannot be read."""
        self.settings = settings
        self.app = app
        self.loop = loop
        self.new_id = RequestIds()
        self.proxies = Proxies(settings.trusted_proxy)
        self.asgi = Asgi(app, settings)
        self.config = uvicorn.Config(
            self.asgi,
            http=Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            ssl_certfile=settings.tls_cert or None,
            ssl_keyfile=settings.tls_key or None,
        )
        try:
            self.config.load()
        except OSError as problem:
            raise ConfigurationError(f"tls_cert, tls_key: {problem}. Both are files in PEM form that belong together.") from None
        # Read for each request, so kept where it is one step away.
        self.max_body = settings.max_body
        self.max_target = settings.max_target
        self.max_header_fields = settings.max_header_fields
        self.max_header_bytes = settings.max_header_bytes
        self.state = ServerState()
        self.connections: set[Protocol] = self.state.connections  # type: ignore[assignment]
        self.running: dict[Request, Driver] = {}  # requests whose handlers have suspended
        self.hosts: set[bytes] = set()  # values of Host that were found good
        self.draining = False
        # Bytes that may be read before a head or a body has ended; llhttp keeps an unfinished header value in memory, and
        # a body may come in chunks of one byte, each with five bytes of framing, or with endless chunk extensions.
        self.most_raw = (0, settings.max_header_bytes + settings.max_target + 32_768, 8 * settings.max_body + 65_536)
        self.pause = min(SWEEP, settings.header_timeout / 4, settings.body_timeout / 4, settings.keep_alive_timeout / 4)
        self._sweeper: asyncio.TimerHandle | None = None
        self.sweep()

    def connection(self) -> Protocol:
        """A protocol for a new connection."""
        return Protocol(self)

    def sweep(self) -> None:
        """Refresh the clock and the date, and end what is late. A timer for each request would cost more than many requests do."""
        self.now = now = self.loop.time()
        self.head_until = now + self.settings.header_timeout
        self.body_until = now + self.settings.body_timeout
        self.idle_until = now + self.settings.keep_alive_timeout
        self.new_id.refresh()
        date = wire.date_line(time.time())
        self.common = (date + wire.EVERY, date + wire.SECURE)
        self.state.default_headers = [(b"Date", date[6:-2])]
        self._sweeper = self.loop.call_later(0.05 if self.draining else self.pause, self.sweep)
        self.app.connections = len(self.connections)
        for connection in list(self.connections):
            if connection.deadline < now:
                connection.expire()

    def failed(self, request: Request, error: BaseException | None) -> Response:
        """The answer when the application broke its promise not to raise."""
        log.error("the handler of %s %s raised", request.method, request.path, exc_info=error)
        return self.app.refuse(ApiError(), id=request.id, address=request.address, method=request.method, path=request.path)

    async def drain(self) -> bool:
        """Let running requests end. False when some had to be cut off after `drain_timeout`."""
        self.draining = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.sweep()
        for connection in list(self.connections):
            connection.shutdown()
        give_up = self.loop.time() + self.settings.drain_timeout
        while self.connections or self.running or self.state.tasks:
            if self.loop.time() > give_up:
                log.warning("stopped with %d connections and %d requests unfinished", len(self.connections), len(self.running))
                for connection in list(self.connections):
                    connection.transport.abort()
                return False
            await asyncio.sleep(0.01)
        return True

    def close(self) -> None:
        """End the sweep."""
        if self._sweeper is not None:
            self._sweeper.cancel()
