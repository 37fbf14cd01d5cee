"""PostgreSQL stops, dies, freezes or is not there: 503 that says when to come back, never 500, never a wait without
end; then all goes on by itself.

Three rounds in `make soak`, more with ROLLBOOK_ROUNDS.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import postgres
from tests.callers import Connection, ask
from tests.crash.load import WIDE
from tests.crash.patient import settle_and_check, start, stop, wait_for
from tests.crash.standby import stopped, wake
from tests.harness import Server, free_port, running
from tests.nodes.pair import UNFORESEEN, left_open, pair, wait_until

ROUNDS = max(1, int(os.environ.get("ROLLBOOK_ROUNDS", "2")) // 2)
TIMEOUT = 1.0


@pytest.fixture
def cluster() -> Iterator[postgres.Cluster]:
    with postgres.own_cluster() as cluster:
        cluster.ask("CREATE DATABASE away")
        yield cluster


class Reader(threading.Thread):
    """Asks one thing after the other, and counts what came."""

    def __init__(self, server: Server, path: str) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._path = path
        self._told = threading.Event()
        self.seen: Counter[Any] = Counter()
        self.soon_refused = 0
        self.problem: BaseException | None = None

    def run(self) -> None:
        try:
            with Connection(self._server) as connection:
                while not self._told.is_set():
                    began = time.monotonic()
                    answer = connection.call("GET", self._path)
                    if answer.status == 503:
                        self.soon_refused += time.monotonic() - began < 6 * TIMEOUT
                        assert int(answer.headers["retry-after"]) >= 1
                        assert answer.headers["content-type"].startswith("application/json")
                        assert self._path == "/health/ready" or answer.json["code"] == "storage_unavailable", (
                            answer.body
                        )
                    self.seen[answer.status] += 1
                    time.sleep(0.01)
        except BaseException as problem:
            self.problem = problem

    def stop(self) -> None:
        self._told.set()
        self.join(60)
        assert self.problem is None, self.problem


PATHS = ("/v1/users/me", "/v1/users?limit=5", "/v1/users?q=name&count=exact", "/v1/events?limit=5", "/health/ready")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_restart_of_postgresql_under_load_is_503_and_then_all_goes_on_and_nothing_is_lost(
    tmp_path: Path, cluster: postgres.Cluster, how: int
) -> None:
    with pair(tmp_path, "--workers", "2", *WIDE, database=cluster.url("away")) as nodes:
        clients = start(nodes.both, "a", 6)
        readers = [Reader(nodes.both[number % 2], path) for number, path in enumerate(PATHS)]
        for reader in readers:
            reader.start()
        for _ in range(ROUNDS):
            wait_for(clients, 60)
            cluster.stop(how)
            for reader in readers:  # each has been told so
                wait_until(lambda reader=reader, before=reader.seen[503]: reader.problem or reader.seen[503] > before)
            time.sleep(0.5)
            cluster.start()
            wait_for(clients, 60)
        for reader in readers:
            before = reader.seen[200]
            wait_until(lambda reader=reader, before=before: reader.problem or reader.seen[200] > before)
            reader.stop()
            assert set(reader.seen) == {200, 503}, reader.seen
        stop(clients)
        assert all(client.broken == 0 for client in clients), "a node hung up"
        assert sum(client.refused["storage_unavailable"] for client in clients) > 0
        settle_and_check(nodes.both[0], clients)


def test_a_frozen_postgresql_keeps_no_request_waiting_for_long(tmp_path: Path, cluster: postgres.Cluster) -> None:
    database = cluster.url("away")
    flags = ("--workers", "2", "--database-timeout", str(TIMEOUT), *WIDE)
    with running(tmp_path / "data", *flags, environment={"ROLLBOOK_DATABASE": database}) as server:
        clients = start([server], "f", 6)
        readers = [Reader(server, path) for path in PATHS * 3]
        for reader in readers:
            reader.start()
        wait_for(clients, 30)
        frozen = stopped(cluster)
        try:
            # They are told so as long as it is frozen: after one time-out for the statement that was under way, and one
            # for the connection that the next one in line tries.
            for reader in readers:
                wait_until(lambda reader=reader: reader.problem or reader.soon_refused >= 3)
            for client in clients:
                wait_until(lambda client=client: client.problem or client.refused.total() >= 3)
        finally:
            wake(frozen)
        wait_for(clients, 30)
        for reader in readers:
            reader.stop()
            assert set(reader.seen) == {200, 503}, reader.seen
        stop(clients)
        settle_and_check(server, clients)
        wait_until(lambda: not left_open(database))
        told = server.log.read_text()
        assert not [word for word in UNFORESEEN if word in told], told[-4000:]


def test_a_query_that_takes_too_long_says_so_and_its_database_is_not_out_of_reach(
    tmp_path: Path, cluster: postgres.Cluster
) -> None:
    database = cluster.url("away")
    # Enough of it for a busy machine to answer what no lock holds up.
    flags = ("--database-timeout", str(3 * TIMEOUT), *WIDE)
    with running(tmp_path / "data", *flags, environment={"ROLLBOOK_DATABASE": database}) as server:
        name = ask(server, "GET", "/v1/users/me").json["name"]
        with postgres.holding(database, "LOCK TABLE users IN ACCESS EXCLUSIVE MODE"):
            for method, path in (
                ("GET", "/v1/users?limit=5"),
                ("GET", "/v1/users?sort=name"),
                ("GET", "/v1/users/count?q=name"),
                ("PUT", "/v1/users/me"),
            ):
                answer = ask(server, method, path, {"name": "Somebody Else"} if method == "PUT" else None)
                assert (answer.status, answer.json["code"]) == (503, "database_timeout"), answer.body
                assert int(answer.headers["retry-after"]) >= 1
                assert "cursor" in answer.json["error"] and "reached" not in answer.json["error"]
            wait_until(lambda: ask(server, "GET", "/health/ready").json["checks"]["database"] == "ok")
        wait_until(lambda: ask(server, "GET", "/v1/users/me").status == 200)
        assert ask(server, "GET", "/v1/users/me").json["name"] == name
        assert [user["name"] for user in ask(server, "GET", "/v1/users?sort=name").json] == [name]
        wait_until(lambda: not left_open(database))
        told = server.log.read_text()
        assert not [word for word in UNFORESEEN if word in told], told[-4000:]


def test_a_server_does_not_start_without_its_database_and_says_so_in_a_sentence(tmp_path: Path) -> None:
    port = free_port()
    server = Server(
        tmp_path / "data", environment={"ROLLBOOK_DATABASE": f"postgresql://rollbook:hunter2@127.0.0.1:{port}/none"}
    )
    done = server.rollbook("serve", "--data", str(server.data), check=False)
    assert done.returncode == 1
    (sentence,) = done.stderr.strip().splitlines()
    assert f"127.0.0.1:{port}/none cannot be used: Connection refused. Check that it runs" in sentence
    assert "hunter2" not in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_a_server_is_not_ready_while_its_database_is_away_and_lives_on(
    tmp_path: Path, cluster: postgres.Cluster
) -> None:
    with running(tmp_path / "data", *WIDE, environment={"ROLLBOOK_DATABASE": cluster.url("away")}) as server:
        assert ask(server, "GET", "/health/ready").json["checks"]["database"] == "ok"
        cluster.stop()
        answer = ask(server, "GET", "/health/ready")
        assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
        assert answer.json["checks"]["database"] != "ok"
        assert ask(server, "GET", "/health/live").status == 200
        cluster.start()
        wait_until(lambda: ask(server, "GET", "/health/ready").status == 200)
        # It ends in good order while the database is away, and soon.
        cluster.stop()
        assert server.stop() == 0
        assert "Traceback" not in server.log.read_text()
