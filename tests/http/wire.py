"""A client that sends any bytes and reads the answers as RFC 9112 says."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests import processes


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for it. So long a time costs nothing when all is well, and a machine with other work needs some of it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


class Hold:
    """A request that the server has begun to answer, and answers when it is told to: `path` is what is asked for."""

    def __init__(self, folder: Path) -> None:
        self._end = folder / f"end-{time.monotonic_ns()}"
        self.path = f"/held?by={self._end}"

    def begun(self) -> None:
        """Wait until its handler runs."""
        until(self._end.with_suffix(".begun").exists)

    def let_go(self) -> None:
        self._end.touch()


class Answer(NamedTuple):
    """One answer as read from the wire; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Client:
    """One connection."""

    def __init__(
        self,
        port: int,
        *,
        timeout: float = 60.0,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        source: str = "",
    ) -> None:
        self.socket = socket.create_connection((host, port), timeout, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""
        self.asked = 0.0
        """Time of `time.monotonic` before its first request was sent, where that counts."""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes, piece: int = 0) -> None:
        """Send it, in pieces of so many bytes when `piece` is given. A peer that no longer listens is no error here."""
        try:
            if not piece:
                self.socket.sendall(data)
            for start in range(0, len(data), piece) if piece else ():
                self.socket.sendall(data[start : start + piece])
                time.sleep(0.0002)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def get(self, path: str = "/", *lines: str) -> Answer:
        """A plain GET and its answer."""
        self.send("\r\n".join((f"GET {path} HTTP/1.1", "Host: a", *lines, "", "")).encode("latin-1"))
        return self.read()

    def read(self, head: bool = False) -> Answer:
        """The next answer. `head`: it is to a HEAD request. Raises EOFError when the server has closed instead."""
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        raw, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        start, *lines = raw.decode("latin-1").split("\r\n")
        protocol, status, _ = start.split(" ", 2)
        assert protocol == "HTTP/1.1"
        headers: dict[str, str] = {}
        for line in lines:
            name, separator, value = line.partition(":")
            assert separator and name == name.strip() and name.lower() not in headers, (
                f"bad or repeated header line {line!r}"
            )
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding") == "chunked":
            assert "content-length" not in headers and not head
            return Answer(int(status), headers, b"".join(self.chunks()))
        assert "transfer-encoding" not in headers
        length = int(headers.get("content-length", "0"))
        if head or status in ("204", "304") or status.startswith("1"):
            length = 0
        while len(self.buffer) < length:
            self._more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Answer(int(status), headers, body)

    def chunks(self) -> Iterator[bytes]:
        """The parts of a chunked body, as they come. Raises EOFError when the server closes before the last."""
        while True:
            while b"\r\n" not in self.buffer:
                self._more()
            size, _, self.buffer = self.buffer.partition(b"\r\n")
            length = int(size, 16)
            while len(self.buffer) < length + 2:
                self._more()
            part, end, self.buffer = self.buffer[:length], self.buffer[length : length + 2], self.buffer[length + 2 :]
            assert end == b"\r\n"
            if not length:
                return
            yield part

    def at_end(self) -> bool:
        """Whether the server closes without another byte."""
        try:
            while not self.buffer:
                self._more()
        except EOFError:
            return True
        return False

    def _more(self) -> None:
        data = self.socket.recv(65_536)
        if not data:
            raise EOFError(self.buffer)
        self.buffer += data


class Server:
    """The echo application in a process of its own."""

    def __init__(self, *settings: str, environment: dict[str, str] | None = None, wait: bool = True) -> None:
        command = [sys.executable, "-m", "tests.http.echo", "port=0", *settings]
        variables = {**os.environ, "PYTHONPATH": str(processes.ROOT), **(environment or {})}
        (output, out), (errors, err) = os.pipe(), os.pipe()
        try:
            self.process = processes.start(command, env=variables, stdout=out, stderr=err)
        finally:
            os.close(out)
            os.close(err)
        self.output, self.errors = os.fdopen(output), os.fdopen(errors)
        self.port = 0
        if wait:
            url = self.output.readline().strip()
            assert url, self.errors.read()
            self.port = int(url.rpartition(":")[2])

    def client(self, **options: Any) -> Client:
        return Client(self.port, **options)

    def refuses(self) -> bool:
        """Whether its port is closed."""
        try:
            self.client().socket.close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:  # closed just now
            pass
        return False

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float, str]:
        """Exit code, seconds it took, and what was said on standard error. In a minute: what a server waits for at its
        end has ten times as long in these tests."""
        began = time.monotonic()
        self.process.send_signal(number)
        code, _, errors = self.end()
        return code, time.monotonic() - began, errors

    def end(self) -> tuple[int, str, str]:
        """Wait for it. Exit code, and what was said on standard output and standard error."""
        code = self.process.wait(60)
        return code, self.output.read(), self.errors.read()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.output.close()
        self.errors.close()
