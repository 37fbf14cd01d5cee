"""Starts the server: binds the port, runs one worker here or several under the supervisor, and stops without losing a
request.

Accepts connections on a listening socket: in each turn of the event loop as many as are waiting, so that new
clients, such as a load balancer's health check, don't wait until others are less busy.

asyncio's own servers do so too, but when the process has no file left for a connection, they report it once for each
place in the backlog.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import gc
import logging
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from rollbook.config import ConfigurationError, Settings
from rollbook.http.connection import Connection
from rollbook.http.origins import plain
from rollbook.http.request import Application
from rollbook.http.tls import Secure
from rollbook.http.worker import Worker
from rollbook.unix import resource

# Connections that the kernel completes before we accept them.
BACKLOG = 2048
# Connections accepted in a turn, 0.1 ms each: more would keep the others waiting.
AT_ONCE = 256
# Seconds to wait when the system has no file or memory for another connection.
PAUSE = 1.0

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
        self._paused: asyncio.TimerHandle | None = None
        listener.listen(BACKLOG)
        worker.loop.add_reader(listener, self._accept)

    def stop(self) -> None:
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
        try:
            self._open(connection, Connection(self._worker, admission))
        except OSError:
            connection.close()
            admission.leave()
            raise
        return True

    def _open(self, connection: socket.socket, receiver: Connection) -> None:
        worker = self._worker
        worker.turns.open(connection, receiver if worker.tls is None else Secure(worker.tls, receiver, worker.loop))


log = logging.getLogger("rollbook")

# Seconds that the application has to flush and close after the last answer.
STOP_TIMEOUT = 1.5

Build = Callable[[Settings, int], Application]


def serve(
    settings: Settings,
    build: Build,
    ready: Callable[[str], None] = lambda url: None,
    restarted: Callable[[], None] = lambda: None,
) -> int:
    """Serve until SIGTERM or SIGINT; the exit code.

    `build(settings, worker)` makes the application in each worker process, numbered from 0; the settings have the port
    that was chosen if it was 0. `restarted()` is called when a worker that died is started again. `ready(url)` is
    called once, when the first of them accepts connections. On a signal, running requests have `drain_timeout` to
    finish; a second signal ends everything at once. Raises ConfigurationError if the port or the certificate cannot be
    used.
    """
    sockets = bind(settings.host, settings.port)
    settings = msgspec.structs.replace(settings, port=sockets[0].getsockname()[1])
    url = _url(settings, sockets[0])
    _raise_file_limit(settings.max_connections)

    try:
        if settings.workers > 1:
            from rollbook.http.supervisor import Supervisor

            return Supervisor(settings, build, sockets, lambda: ready(url), restarted).run()
        run_worker(settings, build, 0, sockets, lambda: ready(url))
        return 0
    finally:
        for listener in sockets:
            listener.close()


def run_worker(
    settings: Settings,
    build: Build,
    number: int,
    sockets: list[socket.socket],
    ready: Callable[[], None],
    parent: int | None = None,
) -> None:
    """Serve in this process until told to stop. `parent` is the file descriptor that reaches its end when the
    supervisor dies."""
    with asyncio.Runner() as runner:
        runner.run(_work(settings, build, number, sockets, ready, parent))


async def _work(
    settings: Settings,
    build: Build,
    number: int,
    sockets: list[socket.socket],
    ready: Callable[[], None],
    parent: int | None,
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    _listen_to_signals(loop, stop, parent)
    app = build(settings, number)
    worker = Worker(settings, app, loop)
    await app.start()
    try:
        if stop.is_set():
            return
        acceptors = [_accept(worker, listener) for listener in sockets]
        # Everything created so far stays: the garbage collector can skip it from now on.
        gc.freeze()
        ready()
        await stop.wait()
        if parent is None:  # else others may go on
            for listener in sockets:
                begin_nothing(listener)
        for acceptor in acceptors:
            acceptor.stop()
        await asyncio.gather(worker.drain(), app.drain())
    finally:
        worker.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await app.stop()
        except TimeoutError:
            log.warning("the application took more than %s s to stop", STOP_TIMEOUT)


def _accept(worker: Worker, listener: socket.socket) -> Acceptor:
    try:
        return Acceptor(worker, listener)
    except OSError as problem:
        host, port, *_ = listener.getsockname()
        raise _refused(host, port, problem) from None


def _listen_to_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, parent: int | None) -> None:
    """Under a supervisor, only the supervisor decides: a terminal sends SIGINT, and a service manager SIGTERM, to every
    process of the group, so a second signal here has no meaning."""

    def on_signal(number: int) -> None:
        if stop.is_set() and parent is None:
            os._exit(128 + number)
        stop.set()

    loop.add_signal_handler(signal.SIGTERM, on_signal, signal.SIGTERM)
    if parent is None:
        loop.add_signal_handler(signal.SIGINT, on_signal, signal.SIGINT)
    else:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        loop.add_reader(parent, lambda: (loop.remove_reader(parent), stop.set()))
        # Blocked since the fork: a stop that came before there was a handler is noticed now.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD))


# The port.


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to every address of `host`, not listening yet. Port 0 chooses a free one. Raises
    ConfigurationError."""
    try:
        infos = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as problem:
        raise ConfigurationError(
            f"host: {host!r} is no address of this machine ({problem.strerror or problem})."
        ) from None
    sockets: list[socket.socket] = []
    for family, address in dict.fromkeys((entry[0], entry[4]) for entry in infos):
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                # `::` alone accepts IPv4 too; beside an IPv4 address of the same name it must not.
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(len(infos) > 1))
            listener.bind((address[0], port, *address[2:]))
        except OSError as problem:
            listener.close()
            if sockets and family == socket.AF_INET6:
                continue  # `localhost` on a machine without IPv6
            raise _refused(str(address[0]), port, problem) from None
        listener.setblocking(False)
        port = listener.getsockname()[1]
        sockets.append(listener)
    return sockets


def _refused(host: str, port: int, problem: OSError) -> ConfigurationError:
    if isinstance(problem, PermissionError):
        return ConfigurationError(f"port: {port} needs more rights than this process has. Choose one from 1024 on.")
    if problem.errno == errno.EADDRINUSE and (holder := _holder(port)):
        return ConfigurationError(
            f"port: {host}:{port} is taken by {holder}. Stop it, or choose another port with --port."
        )
    return ConfigurationError(
        f"port: cannot listen on {host}:{port} ({problem.strerror}). Choose another host or port."
    )


def _holder(port: int) -> str:
    """Program that listens on the port, such as `nginx (process 812)`, if Linux lets us see it; otherwise empty."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in map(str.split, rows):
            if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{row[9]}]")
    if not inodes:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(entry) in inodes for entry in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:
            continue
    return "another process"


def _url(settings: Settings, listener: socket.socket) -> str:
    host = settings.host or "127.0.0.1"
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http{'s' if settings.tls_cert else ''}://{shown}:{listener.getsockname()[1]}"


def _raise_file_limit(connections: int) -> None:
    """Each connection is an open file; the usual soft limit of 1024 is meant for programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + 512
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
