"""A pytest plugin: a Rollbook server for the tests of your application, on a free port over a temporary folder.

Rollbook itself must be installed beside the client. Put this in `conftest.py`:

>>> pytest_plugins = ["rollbook_client.testing"]

>>> def test_a_reset_link_is_mailed(rollbook):
...     rollbook.client.tokens.request(purpose="reset_password", email="ada@example.com")
...     rollbook.wait_until(lambda: rollbook.mail)
"""

from __future__ import annotations

import os
import re
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ._sync.client import Rollbook
from .types import Event
from .webhooks import verify

__all__ = ["Sandbox", "rollbook", "rollbook_sandbox", "sandbox"]

_PROGRAM = """
import os, signal, sys, threading
from rollbook import clock
from rollbook.cli.main import main

def end_with_the_tests():
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)

clock.follow(sys.argv.pop(1))
threading.Thread(target=end_with_the_tests, daemon=True).start()
main()
"""
"""Only a process that swaps its own clock, in Python, has one that can be moved: `rollbook serve` has no way to it."""
_FIXED = frozenset(
    "config data database database_direct database_replicas limits backup_folder host port workers".split()
)
"""Settings that could lead a server whose clock is wrong to data that exist, or others to it."""
_FIRST_START = re.compile(r"Bearer (rbk_\w{38})\" http")
_PATIENCE = 60.0
_TRIES = 5


class Sandbox:
    """A server for tests. Its clock goes forward only."""

    def __init__(self, url: str, key: str, clock: Path, http: httpx2.Client) -> None:
        self.url = url
        self.key = key
        """Of the owner."""
        self.client = Rollbook(url=url, key=key, http_client=http)
        """With the owner's key."""
        self.mail: list[EmailMessage] = []
        """Mail that the server has sent in this test, oldest first."""
        self.webhooks: list[Event] = []
        """All events of this test, each once, as a webhook gets them."""
        self._clock = clock
        self._ahead = 0.0

    def advance(self, seconds: float) -> None:
        """Move the server's clock ahead: sessions, links and keys expire."""
        if not 0 <= seconds < 1e9:
            raise ValueError("The clock goes forward only.")
        self._ahead += seconds
        with self._clock.open("r+b", buffering=0) as file:
            file.write(struct.pack("<q", int(self._ahead * 1_000_000)))

    def wait_until(self, happened: Callable[[], Any], seconds: float = 30) -> None:
        """Wait for what the server does a moment later, such as mail and webhooks. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not happened():
            if time.monotonic() > deadline:
                raise TimeoutError(f"It did not happen within {seconds} seconds.")
            time.sleep(0.02)


@contextmanager
def sandbox(python: str = sys.executable, **settings: object) -> Iterator[Sandbox]:
    """A server with settings of yours, such as `rate_limit="100/minute"`.

    Args:
        python: Of the environment in which Rollbook is installed, if it is not this one.
        settings: Of `rollbook serve`, except those of data and network.

    Raises RuntimeError if the server doesn't start.
    """
    if refused := sorted(_FIXED & settings.keys()):
        raise ValueError(f"A server for tests has its own {', '.join(refused)}.")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rollbook-tests-")))
        smtp = stack.enter_context(_listening(_Server(("127.0.0.1", 0), _Smtp)))
        hook = stack.enter_context(_listening(ThreadingHTTPServer(("127.0.0.1", 0), _Hook)))
        settings = {
            "smtp": f"smtp+insecure://127.0.0.1:{smtp.server_address[1]}",
            "mail_from": "Rollbook <rollbook@example.com>",
            "webhook_allow": "127.0.0.0/8",
            "rate_limit": "none",
            **settings,
        }
        server = _started(stack, folder, python, settings)
        smtp.sandbox = hook.sandbox = server
        made = server.client.webhooks.create(url=f"http://127.0.0.1:{hook.server_address[1]}/", types=["*"])
        hook.secret = made.secret
        yield server


@pytest.fixture(scope="session")
def rollbook_sandbox() -> Iterator[Sandbox]:
    """The server of all tests. Override it for settings of your own: `with sandbox(rate_limit="100/minute")`."""
    with sandbox() as server:
        yield server


@pytest.fixture
def rollbook(rollbook_sandbox: Sandbox) -> Sandbox:
    """The server, with empty lists of mail and webhooks. Users of earlier tests are still there."""
    rollbook_sandbox.mail.clear()
    rollbook_sandbox.webhooks.clear()
    return rollbook_sandbox


# ---- the server


def _started(stack: ExitStack, folder: Path, python: str, settings: dict[str, object]) -> Sandbox:
    """The server, once it answers. A port that was free may be taken a moment later: then it gets another one."""
    http = stack.enter_context(httpx2.Client(trust_env=False, timeout=_PATIENCE))
    for _ in range(_TRIES):
        port = _free_port()
        url = f"http://127.0.0.1:{port}"
        with ExitStack() as attempt:
            process = attempt.enter_context(_running(folder, python, {"public_url": url, **settings}, port))
            if key := _key(process, folder / str(port) / "first-start.txt", f"{url}/health/ready", http):
                stack.push(attempt.pop_all())
                return Sandbox(url, key, folder / "clock", http)
        printed = (folder / "printed").read_text()
        if " is taken" not in printed:
            break
    raise RuntimeError(f"The Rollbook server of the tests did not start.\n{printed}")


@contextmanager
def _running(folder: Path, python: str, settings: dict[str, object], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The process. Nothing of the environment or of a file of settings gets in, and it ends with this one."""
    (folder / "clock").write_bytes(bytes(8))
    flags = [part for name, value in settings.items() for part in _flag(name, value)]
    own = ["--data", str(port), "--host", "127.0.0.1", "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")}
    with (folder / "printed").open("wb") as printed:
        process = subprocess.Popen(
            [python, "-c", _PROGRAM, "clock", "serve", *own, *flags],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        assert process.stdin
        process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _flag(name: str, value: object) -> list[str]:
    option = name.replace("_", "-")
    return [f"--{option}" if value else f"--no-{option}"] if isinstance(value, bool) else [f"--{option}", str(value)]


def _key(process: subprocess.Popen[bytes], first_start: Path, url: str, http: httpx2.Client) -> str | None:
    """The owner's key, once the server answers. None if it has ended."""
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if http.get(url).status_code == 200:
                found = _FIRST_START.search(first_start.read_text())
                return found[1] if found else None
        except httpx2.TransportError:
            pass
        time.sleep(0.02)
    return None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


# ---- mail and webhooks


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextmanager
def _listening(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Smtp(socketserver.StreamRequestHandler):
    """Accepts mail (RFC 5321), as far as Rollbook sends it."""

    def handle(self) -> None:
        self._answer("220 ready")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"DATA":
                self._answer("354 go on")
                self._read()
            self._answer("221 bye" if verb == b"QUIT" else "250 ok")
            if verb == b"QUIT":
                return

    def _read(self) -> None:
        lines = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        message = message_from_bytes(b"".join(lines), policy=policy.SMTPUTF8)
        self.server.sandbox.mail.append(message)  # type: ignore[attr-defined]

    def _answer(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server: Any = self.server
        event = verify(body, dict(self.headers), server.secret, tolerance=float("inf"))
        if event.id not in {earlier.id for earlier in list(server.sandbox.webhooks)}:
            server.sandbox.webhooks.append(event)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass
