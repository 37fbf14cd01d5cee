"""A real valkey-server (or redis-server) on a free port of this machine, with nothing kept on disk."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rollbook.limits.valkey_connection import ValkeyTimeouts
from tests.harness import free_pair, free_port
from tools.programs import find_valkey, find_valkey_cli

# Seconds that a limiter gives Valkey in tests: a busy machine may hold it up for longer than it has where it ships.
# There, `tests/concurrency/test_limits_nodes.py` tries what becomes of one that does not reply.
TIMEOUTS = ValkeyTimeouts(reply=2.0, connect=10.0)
# For tests in which thousands of calls at once are all to be answered, and in which those that are not are refused a
# connection.
LONG_TIMEOUTS = ValkeyTimeouts(reply=60.0, connect=60.0)

MISSING = "These tests need Valkey or Redis. `make test` brings it, or says how."


def program() -> str:
    found = find_valkey()
    if found is None:
        raise RuntimeError(MISSING)
    return found


class ValkeyServer:
    """`url` is for the setting `limits`. It can be killed, frozen and started again at the same port."""

    def __init__(self, folder: Path, *options: str, port: int | None = None, monitors: int | None = None) -> None:
        """`monitors`: it is a Sentinel, and this the port of the primary that it knows as `limits`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port or free_port()
        self.options = options
        self.url = f"valkey://127.0.0.1:{self.port}"
        self.monitors = monitors
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> ValkeyServer:
        command = [program(), "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        command += ["--dir", str(self.folder), "--daemonize", "no", *self.options]
        if self.monitors is not None:
            file = self.folder / "sentinel.conf"  # it writes down there what it learns
            lines = [
                f"port {self.port}",
                "bind 127.0.0.1",
                f"dir {self.folder}",
                f"sentinel monitor limits 127.0.0.1 {self.monitors} 2",
            ]
            lines += ["sentinel down-after-milliseconds limits 3000", "sentinel failover-timeout limits 5000"]
            lines += self.options
            file.write_text("\n".join(lines))
            command = [program(), str(file), "--sentinel"]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + 60
        while self.ask("PING")[:1] not in (b"+", b"-"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)
        return self

    def ask(self, *words: str) -> bytes:
        """What it answers to one command, as it comes over the wire; empty if nothing listens."""
        command = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
                connection.sendall(command.encode())
                return connection.recv(1 << 20)
        except OSError:
            return b""

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """As by `kill -9`: what it counted is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None


@contextmanager
def running_valkey(folder: Path, *options: str, port: int | None = None) -> Iterator[ValkeyServer]:
    server = ValkeyServer(folder, *options, port=port)
    try:
        yield server.start()
    finally:
        server.kill()


@contextmanager
def running_cluster(folder: Path) -> Iterator[list[ValkeyServer]]:
    """Three primaries and a replica of each, as `valkey-cli --cluster create` joins them. The ports of primaries come
    first."""
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--repl-diskless-sync-delay", "0"]
    servers = [ValkeyServer(folder / f"valkey{number}", *options, port=free_pair()) for number in range(6)]
    try:
        for server in servers:
            server.start()
        hosts = [f"127.0.0.1:{server.port}" for server in servers]
        command = [
            find_valkey_cli() or MISSING,
            "--cluster",
            "create",
            *hosts,
            "--cluster-replicas",
            "1",
            "--cluster-yes",
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        wait_for(lambda: all(b"cluster_state:ok" in server.ask("CLUSTER", "INFO") for server in servers))
        wait_for(lambda: not any(b"master_link_status:down" in server.ask("INFO", "replication") for server in servers))
        yield servers
    finally:
        for server in servers:
            server.kill()


@contextmanager
def running_sentinels(folder: Path) -> Iterator[tuple[str, list[ValkeyServer]]]:
    """The URL of a primary called `limits` that three Sentinels monitor, and the servers: primary, replica,
    Sentinels."""
    primary = ValkeyServer(folder / "primary")
    replica = ValkeyServer(
        folder / "replica", "--replicaof", f"127.0.0.1 {primary.port}", "--repl-diskless-sync-delay", "0"
    )
    sentinels = [ValkeyServer(folder / f"sentinel{number}", monitors=primary.port) for number in range(3)]
    servers = [primary, replica, *sentinels]
    try:
        for server in servers:
            server.start()
        wait_for(lambda: b"master_link_status:up" in replica.ask("INFO", "replication"))
        wait_for(lambda: all(b"slaves=1,sentinels=3" in sentinel.ask("INFO", "sentinel") for sentinel in sentinels))
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in sentinels)
        yield f"valkey+sentinel://{hosts}/limits", servers
    finally:
        for server in servers:
            server.kill()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.05)
