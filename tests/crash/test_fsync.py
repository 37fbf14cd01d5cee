"""Acknowledged means on the disk, counted at the system's door: an fsync before each answer, and one for many who ask
together."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import httpx2
import pytest

from tests.callers import Connection
from tests.crash.load import WIDE
from tests.harness import Server, new_user
from tests.nodes.pair import wait_until

TRACED = Path(__file__).with_name("traced.py")


class Traced(Server):
    """A server whose writes and fsyncs are noted in a file."""

    def command(self) -> list[str]:
        return [sys.executable, str(TRACED), str(self.calls), *super().command()]

    @property
    def calls(self) -> Path:
        return self.data.with_name("calls")

    @property
    def pid(self) -> int:
        assert self.process is not None
        (child,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(child)

    def stop(self, how: int = signal.SIGTERM) -> int:
        os.kill(self.pid, how)  # the tracer ends with what it traces
        assert self.process is not None
        return self.process.wait(60)

    def mark(self) -> int:
        return len(self._lines())

    def _lines(self) -> list[str]:
        return self.calls.read_text().splitlines()

    def since(self, mark: int) -> list[str]:
        """fsyncs and what was sent to clients since then, as `fsync` and `answer`."""
        tcp = {f"socket:[{line.split()[9]}]" for line in self._connections()}
        clients = set()
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                if os.readlink(entry) in tcp:
                    clients.add(entry.name)
        calls = [line.split() for line in self._lines()[mark:]]
        return ["fsync" if "sync" in name else "answer" for name, file in calls if "sync" in name or file in clients]

    def has_read_all(self) -> bool:
        """Whether nothing that clients have sent waits to be read."""
        ours = [line.split() for line in self._connections()]
        return all(queues.endswith(":00000000") for _, to, _, _, queues, *_ in ours if to.endswith(f":{self.port:04X}"))

    def _connections(self) -> list[str]:
        return Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    server = Traced(tmp_path_factory.mktemp("traced") / "data", *WIDE, environment={"ROLLBOOK_ACCESS_LOG": "false"})
    server.start()
    yield server
    assert server.stop() == 0


def test_each_acknowledged_update_follows_an_fsync_of_its_own(server: Traced, http: httpx2.Client) -> None:
    user = new_user(http)["id"]
    with Connection(server) as connection:
        mark = server.mark()
        for number in range(20):
            assert connection.call("PUT", f"/v1/users/{user}", {"name": f"Alice {number}"}).status == 200
        calls = server.since(mark)
    assert calls.count("answer") == 20
    assert calls[0] == "fsync"
    assert all(len(list(group)) == 1 for name, group in itertools.groupby(calls) if name == "answer"), (
        "an answer without an fsync"
    )


def test_updates_at_the_same_time_share_fsyncs_and_none_is_answered_before_its_own(
    server: Traced, http: httpx2.Client
) -> None:
    users = [new_user(http)["id"] for _ in range(16)]
    connections = [HTTPConnection("127.0.0.1", server.port, timeout=60) for _ in users]
    head = {"Authorization": f"Bearer {server.key}"}
    mark = server.mark()
    for number in range(15):
        with server.writers_wait():
            for connection, id in zip(connections, users, strict=True):
                connection.request("PUT", f"/v1/users/{id}", json.dumps({"name": f"Alice {number}"}), head)
            wait_until(server.has_read_all)
        for connection in connections:
            with connection.getresponse() as answer:
                assert (answer.status, bool(answer.read())) == (200, True)
    calls = server.since(mark)
    for connection in connections:
        connection.close()
    assert calls.count("answer") == 16 * 15
    assert 15 <= calls.count("fsync") < 16 * 15 / 2
    assert calls[0] == "fsync"
    assert max(len(list(group)) for name, group in itertools.groupby(calls) if name == "answer") <= 16, (
        "more answers than callers"
    )


def test_reads_cost_no_fsync(server: Traced, http: httpx2.Client) -> None:
    user = new_user(http)["id"]
    with Connection(server) as connection:
        mark, began = server.mark(), time.monotonic()
        for _ in range(100):
            assert connection.call("GET", f"/v1/users/{user}").status == 200
        calls, seconds = server.since(mark), time.monotonic() - began
    # The uses of keys are noted every five seconds, and the search index is folded after a write.
    assert calls.count("answer") == 100
    assert calls.count("fsync") <= 6 + seconds
