"""SIGTERM at full load: every request that was taken is answered, the exit code is 0, and it ends when they do."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.crash.load import WIDE, Client, check, check_file
from tests.crash.patient import wait_for
from tests.harness import Server


@pytest.mark.parametrize("workers", [1, 4])
def test_sigterm_at_full_load_fails_no_request_that_was_taken(tmp_path: Path, workers: int) -> None:
    # Hashes at their full cost: creates are under way for long when the signal comes. It ends with them, and not after
    # all the time that they would have.
    server = Server(tmp_path / "data", "--workers", str(workers), "--drain-timeout", "600", *WIDE, cheap=False)
    server.start()
    clients = [Client(server, f"c{number}", number) for number in range(8)]
    for client in clients:
        client.start()
    wait_for(clients, 5 * len(clients))
    assert server.stop(signal.SIGTERM) == 0
    for client in clients:
        client.join(60)
        assert not client.is_alive() and client.problem is None, client.problem
    check_file(server.data)
    server.start()
    try:
        # Whoever got no answer was not taken: nothing of its request is there, or this would be off by one.
        check(server, clients, {id: verb for client in clients for id, verb in client.requests.items()})
    finally:
        server.stop()
    assert sum(len(client.requests) for client in clients) >= len(clients)
