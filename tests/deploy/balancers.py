"""Caddy and HAProxy with the configuration of deploy/, before servers of the test, and callers that load them."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.deploy.programs import DEPLOY, program
from tests.harness import Server, free_port

BALANCERS = ("caddy", "haproxy")


@contextmanager
def balancing(
    name: str,
    nodes: list[Server],
    folder: Path,
    path: str = "/health/ready",
    plain: int = 0,
    more: dict[str, str] | None = None,
) -> Iterator[str]:
    """The balancer before the nodes, once it answers `path` well; the address it listens on. An empty path waits for
    the port only. `plain`: see `environment`; `more`: further variables."""
    log = folder / f"{name}.log"
    process, url = _start(name, nodes, folder, log, plain, more or {})
    try:
        _wait(url, path, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def command(name: str, check: bool = False) -> list[str]:
    """What starts the balancer, or only looks at its configuration."""
    if name == "caddy":
        return [
            program("caddy"),
            "validate" if check else "run",
            "--adapter",
            "caddyfile",
            "--config",
            str(DEPLOY / "Caddyfile"),
        ]
    return [program("haproxy"), "-c" if check else "-db", "-f", str(DEPLOY / "haproxy.cfg")]


def environment(name: str, port: int, nodes: list[Server], folder: Path, plain: int = 0) -> dict[str, str]:
    """Its variables. `plain`: the port where it sends people on to https. HAProxy's third node is not there: the port is
    nobody's."""
    basic = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    places = [f"127.0.0.1:{node.port}" for node in nodes]
    if name == "caddy":
        # Its own name for the address of its administration; `off` would do, but nothing in the file says so.
        return {
            **basic,
            "SITE": f"http://127.0.0.1:{port}",
            "BIND": "127.0.0.1",
            "PLAIN": f"http://:{plain or free_port()}",
            "NODES": " ".join(places),
            "CADDY_ADMIN": f"127.0.0.1:{free_port()}",
        }
    while len(places) < 3:
        places.append(f"127.0.0.1:{free_port()}")
    plain_one = {"PLAIN": f"127.0.0.1:{plain or free_port()}"}
    return {
        **basic,
        **plain_one,
        "BIND": f"127.0.0.1:{port}",
        **{f"NODE{number}": place for number, place in enumerate(places, 1)},
    }


def _start(
    name: str, nodes: list[Server], folder: Path, log: Path, plain: int, more: dict[str, str]
) -> tuple[subprocess.Popen[bytes], str]:
    """The balancer's process and its address. Another program may have taken the port meanwhile: then on another
    one."""
    for _ in range(5):
        port = free_port()
        with open(log, "ab") as output:
            process = subprocess.Popen(
                command(name),
                env=environment(name, port, nodes, folder, plain) | more,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            return process, f"http://127.0.0.1:{port}"
    raise RuntimeError(f"the balancer did not start:\n{log.read_text()[-4000:]}")


def _wait(url: str, path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if path and httpx2.get(url + path, timeout=60).status_code == 200:
                return
            if not path:
                socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))).close()
                return
        except (httpx2.TransportError, OSError):
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the balancer did not start:\n{log.read_text()[-4000:]}")
        time.sleep(0.02)


class Caller(threading.Thread):
    """Sends one kind of request after the other over one connection, as long as it is not told to stop, and keeps what
    came of each.

    `kinds` of: `read`, `create` (a POST that nobody may repeat) and `create once` (with an Idempotency-Key).
    """

    _numbers = itertools.count()

    def __init__(self, url: str, key: str, kinds: tuple[str, ...], pause: float = 0.005) -> None:
        super().__init__(daemon=True)
        self._address = url.removeprefix("http://")
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self.kinds = kinds
        self._pause = pause
        self._told = threading.Event()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.slowest = 0.0

    def stop(self) -> None:
        self._told.set()
        self.join(60)
        assert not self.is_alive()

    def run(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        for kind in itertools.cycle(self.kinds):
            if self._told.is_set():
                break
            started = time.monotonic()
            try:
                outcome = str(self._send(connection, kind))
            except (OSError, http.client.HTTPException) as problem:
                outcome = repr(problem)
                connection.close()
            self.outcomes[kind, outcome] += 1
            self.slowest = max(self.slowest, time.monotonic() - started)
            time.sleep(self._pause)
        connection.close()

    def _send(self, connection: http.client.HTTPConnection, kind: str) -> int:
        if kind == "read":
            connection.request("GET", "/v1/users?limit=1", headers=self._headers)
        else:
            number = next(self._numbers)
            body = {"name": "Caller", "email": f"caller{number}@example.com", "password": "securepassword123"}
            once = {"Idempotency-Key": f"caller-{number}"} if kind == "create once" else {}
            connection.request("POST", "/v1/users", json.dumps(body), {**self._headers, **once})
        answer = connection.getresponse()
        answer.read()
        return answer.status
