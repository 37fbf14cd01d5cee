"""New connections beside busy ones: how long each of 200 waits for its first answer while others are kept busy.

    .venv/bin/python benchmarks/connections.py [--busy 500,2000] [--workers 1,2]

All ask for one user by id. The busy connections do so without a pause; a few seconds later the new ones come, all at
once, as the health checks of a balancer and the clients of a restarted service do.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import statistics
import time

import machine
from load import WORK, Running
from peers.rollbook import Rollbook

USERS = 2_000
BURST = 200
LEAD = 5  # seconds of load before they come: wrk needs some to open its connections
SECONDS = 12
GIVE_UP = 30


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures how long new connections wait while others are busy.")
    parser.add_argument("--busy", default="0,500,2000", help="numbers of busy connections (default 0,500,2000)")
    parser.add_argument("--workers", default="1,2", help="numbers of workers (default 1,2)")
    arguments = parser.parse_args()
    machine.require_two_cores()
    (WORK / "logs").mkdir(parents=True, exist_ok=True)
    with machine.nothing_left_behind():
        peer = Rollbook("rollbook-connections")
        peer.start(USERS)
        peer.process.stop()
        print(
            f"{'workers':>8}{'busy':>8}{'new':>6}{'median s':>10}{'slowest s':>11}{'unanswered':>12}{'busy req/s':>12}{'failed':>8}"
        )
        for workers in map(int, arguments.workers.split(",")):
            peer.serve(workers=workers, cpus=machine.BOTH_CPUS if workers > 1 else machine.SERVER_CPU)
            for busy in map(int, arguments.busy.split(",")):
                print(f"{workers:>8}{busy:>8}{BURST:>6}{row(peer, busy)}", flush=True)
            peer.process.stop()


def row(peer: Rollbook, busy: int) -> str:
    call = peer.calls["W2"]
    running = Running(peer.port, call, connections=busy, seconds=SECONDS) if busy else None
    if running is not None:
        time.sleep(LEAD)
    assert call.ids is not None
    path = call.path.replace("@ID@", call.ids.read_text().split()[0])
    waited = burst(peer.port, path, peer.headers["Authorization"])
    figures = f"{statistics.median(waited):>10.3f}{max(waited):>11.3f}{sum(each >= GIVE_UP for each in waited):>12}"
    if running is None:
        return figures
    seen = running.result()
    return f"{figures}{seen.rate:>12,.0f}{seen.refused + seen.broken:>8}"


def burst(port: int, path: str, authorization: str) -> list[float]:
    """Seconds until each of the new connections had its answer, GIVE_UP at most."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {authorization}\r\n\r\n".encode()
    waiting = selectors.DefaultSelector()
    began = time.monotonic()
    for _ in range(BURST):
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", port))
        waiting.register(connection, selectors.EVENT_WRITE)
    waited: list[float] = []
    while waiting.get_map() and time.monotonic() - began < GIVE_UP:
        for key, events in waiting.select(1):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if events & selectors.EVENT_WRITE:
                connection.sendall(request)
                waiting.modify(connection, selectors.EVENT_READ)
                continue
            if not connection.recv(65_536).startswith(b"HTTP/1.1 200 "):
                raise RuntimeError("a new connection was refused")
            waited.append(time.monotonic() - began)
            waiting.unregister(connection)
            connection.close()
    return waited + [float(GIVE_UP)] * (BURST - len(waited))


if __name__ == "__main__":
    main()
