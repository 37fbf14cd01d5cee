"""kill -9 at full load: whatever was acknowledged is there, once, and whatever was not is there as a whole or not at all.

Six rounds in `make test`. The long run is `ROLLBOOK_ROUNDS=200 make test ARGS="tests/crash/test_kill_9.py --timeout 3600"`.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.crash.load import Client, check, check_file, settle
from tests.harness import Server

ROUNDS = int(os.environ.get("ROLLBOOK_ROUNDS", "6"))
CLIENTS = 8
WIDE = ("--rate-limit", "none", "--unauthenticated-limit", "none")


def group(server: Server) -> list[int]:
    """The server's processes: the parent and its workers."""
    assert server.process is not None
    parent = server.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [parent, *map(int, children)]


def kill_all(server: Server) -> None:
    """All at once, as a crash of the machine would: the supervisor has no time to pass anything on."""
    processes = group(server)
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    for process in processes:
        os.kill(process, signal.SIGKILL)
    server.stop()


@pytest.mark.parametrize("workers", [1, 4])
def test_kill_9_loses_doubles_and_revives_nothing(tmp_path: Path, workers: int) -> None:
    server = Server(tmp_path / "data", "--workers", str(workers), *WIDE)
    server.start()
    everybody: list[Client] = []
    requests: dict[str, str] = {}
    rounds = max(1, ROUNDS // 2)
    try:
        for round in range(rounds):
            clients = [Client(server, f"w{workers}r{round}c{number}", seed=round * 100 + number) for number in range(CLIENTS)]
            for client in clients:
                client.start()
            time.sleep(random.uniform(0.3, 1.5))
            kill_all(server)
            for client in clients:
                client.join()
            everybody += clients
            check_file(server.data)
            server.start()
            for client in clients:
                requests |= client.requests
            settle(server, clients)
            check(server, everybody, requests)
    finally:
        server.stop(signal.SIGKILL)
    assert len(requests) > rounds * 50, "hardly anything was acknowledged"
