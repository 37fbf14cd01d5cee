"""A connection to a server that breaks: bytes go through a proxy, which cuts them off where a test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.harness import Server


class Wire:
    """`cuts` says what happens to the next connections that carry a request, in turn: after how many bytes of the
    response they are cut."""

    def __init__(self, server: Server) -> None:
        self._to = ("127.0.0.1", server.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cuts: list[int] = []
        self.requests: list[bytes] = []
        self.open: set[socket.socket] = set()

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        """Ends when either side does. A response is cut in the middle of what the server sends, after the server has
        done what it was asked."""
        server = socket.create_connection(self._to)
        self.open |= {client, server}
        threading.Thread(target=self._ask, args=(client, server), daemon=True).start()
        with suppress(OSError):
            while part := server.recv(65536):
                left = self.cuts.pop(0) if self.cuts else len(part)
                client.sendall(part[:left])
                if left < len(part):
                    break
        self._close(client, server)

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while part := client.recv(65536):
                self.requests.append(part)
                server.sendall(part)
        self._close(client, server)

    def _close(self, *ends: socket.socket) -> None:
        for end in ends:
            self.open.discard(end)
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self._close(self._listener, *self.open)

    def cut(self) -> None:
        """All connections that are open."""
        self._close(*self.open)


@contextmanager
def wire(server: Server) -> Iterator[Wire]:
    found = Wire(server)
    thread = threading.Thread(target=found.serve, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.close()
        thread.join()
