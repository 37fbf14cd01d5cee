"""A POST whose worker was killed, or only stalled, is done once by whoever gets it again with the same Idempotency-Key,
and soon."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from rollbook import clock
from tests.crash.load import WIDE, processes
from tests.engines import engine, once
from tests.harness import Server, running

__all__ = ["engine"]

LEAST = 5
"""Seconds after which the key is free, as docs/conventions.md promises."""


@pytest.fixture
def slow(engine: str, tmp_path: Path) -> Iterator[Server]:
    """A password takes half a second or more to hash: time to find its worker, and to do something to it."""
    with hashing_at(12, tmp_path / "data") as server:
        yield server


@contextmanager
def hashing_at(cost: int, data: Path) -> Iterator[Server]:
    with running(data) as first:  # the owner's password costs no more than elsewhere
        pass
    expensive = {"ROLLBOOK_PASSWORD_MEMORY": "65536", "ROLLBOOK_PASSWORD_TIME_COST": str(cost)}
    with running(data, "--workers", "3", *WIDE, environment=expensive, owner_key=first.key) as server:
        yield server


def create(server: Server) -> httpx2.Response:
    body = {"name": "Killed", "email": "killed@example.com", "password": "securepassword123"}
    with server.http() as http:  # on a connection of its own, so any worker may get it
        return http.post("/v1/users", json=body, headers={"Idempotency-Key": "killed"}, timeout=120)


@contextmanager
def begun(server: Server) -> Iterator[tuple[Future[httpx2.Response], int]]:
    """A request that runs, and the worker that hashes its password."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(create, server)
        until = time.monotonic() + 60
        while not claims(server):
            assert time.monotonic() < until and not running.done()
            time.sleep(0.01)
        yield running, busiest(server)


def claims(server: Server) -> list[int]:
    """When the requests that run were claimed, or renewed last."""
    return [row[0] for row in server.ask("SELECT started_at FROM replies WHERE status IS NULL")]


def busiest(server: Server) -> int:
    """The worker whose threads have used the most time since a moment ago: the hash keeps one busy for seconds."""

    def used(pid: int) -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    workers = processes(server)[1:]
    before = {pid: used(pid) for pid in workers}
    until = time.monotonic() + 60
    while True:
        spent = {pid: used(pid) - before[pid] for pid in workers}
        most = max(spent, key=spent.__getitem__)
        if spent[most] >= 10 + 2 * sum(spent[pid] for pid in workers if pid != most):
            return most
        assert time.monotonic() < until
        time.sleep(0.01)


def made(server: Server) -> int:
    """How many users the request made, by the list and by the log."""
    with server.http() as http:
        events = http.get("/v1/events?type=user.created&limit=1000").json()
        users = http.get("/v1/users", params={"email": "killed@example.com"}).json()
    assert len(users) == sum(event["object"]["name"] == "Killed" for event in events)
    return len(users)


def test_after_kill_9_of_its_worker_the_key_is_free_after_5_seconds(slow: Server) -> None:
    with begun(slow) as (running, worker):
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(httpx2.HTTPError):
            running.result()
    assert made(slow) == 0
    slow.pass_time(LEAST)
    answer = create(slow)
    assert answer.status_code == 201 and "idempotency-replayed" not in answer.headers
    again = create(slow)
    assert again.json() == answer.json() and again.headers["idempotency-replayed"] == "true"
    assert made(slow) == 1


@once
def test_while_its_worker_lives_a_request_keeps_its_key_however_long_it_takes(engine: str, tmp_path: Path) -> None:
    with hashing_at(60, tmp_path / "data") as server, begun(server) as (running, _):
        for step in range(1, 4):
            passed = step * LEAST / 2
            moved = clock.now() + int(passed * clock.SECOND)
            server.pass_time(passed)
            until = time.monotonic() + 60
            while not running.done() and min(claims(server), default=moved) < moved:
                assert time.monotonic() < until, "the claim is not renewed"
                time.sleep(0.01)
        meanwhile = create(server)
        assert running.result().status_code == 201
        assert meanwhile.status_code == 409 or meanwhile.json() == running.result().json(), (
            "it was answered by the same request"
        )
        assert made(server) == 1


def test_a_stalled_worker_that_goes_on_finds_its_key_taken_and_does_nothing(slow: Server) -> None:
    with begun(slow) as (running, worker):
        os.kill(worker, signal.SIGSTOP)
        try:
            slow.pass_time(LEAST)
            answer = create(slow)
        finally:
            os.kill(worker, signal.SIGCONT)
        assert answer.status_code == 201
        late = running.result()
    assert late.status_code == 409 and int(late.headers["retry-after"]) >= 1
    assert made(slow) == 1
    assert create(slow).json() == answer.json()
