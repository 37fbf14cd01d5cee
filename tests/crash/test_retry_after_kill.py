"""A POST whose worker was killed, or only stalled, is done once by whoever gets it again with the same Idempotency-Key,
and soon."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
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
    """A password takes half a second or more to hash: time to stop its worker in the middle of it."""
    with hashing_at(12, tmp_path / "data") as server:
        yield server


@contextmanager
def hashing_at(cost: int, data: Path) -> Iterator[Server]:
    with running(data) as first:  # the owner's password costs no more than elsewhere
        pass
    expensive = {"ROLLBOOK_PASSWORD_MEMORY": "65536", "ROLLBOOK_PASSWORD_TIME_COST": str(cost)}
    with running(data, "--workers", "3", *WIDE, environment=expensive, owner_key=first.key) as server:
        yield server


class Begun:
    """A request that runs, and the worker that hashes its password, which stands still."""

    def __init__(self, server: Server, number: int, running: Future[httpx2.Response], worker: int) -> None:
        self._server = server
        self._email = f"killed{number}@example.com"
        self.running = running
        self.worker = worker

    def again(self) -> httpx2.Response:
        """What the worker stands in the way of is asked for again: where it is within a transaction, PostgreSQL ends
        that after a while."""
        until = time.monotonic() + 240
        while True:
            with self._server.http() as http:  # on a connection of its own, so any worker may get it
                answer = create(http, self._email)
            if answer.status_code != 503 or time.monotonic() > until:
                return answer

    def made(self) -> int:
        """How many users the request made, by the list and by the log."""
        with self._server.http() as http:
            events = http.get("/v1/events?type=user.created&limit=1000").json()
            users = http.get("/v1/users", params={"email": self._email}).json()
        assert len(users) == sum(event["object"]["email"] == self._email for event in events)
        return len(users)


def create(http: httpx2.Client, email: str) -> httpx2.Response:
    body = {"name": "Killed", "email": email, "password": "securepassword123"}
    return http.post("/v1/users", json=body, headers={"Idempotency-Key": email}, timeout=120)


@contextmanager
def begun(server: Server) -> Iterator[Begun]:
    """One that was done before its worker stood still is followed by another."""
    with ThreadPoolExecutor(1) as pool:
        for number in range(20):
            with server.http() as http:
                worker = worker_of(server, http.get("/health/live"))
                running = pool.submit(create, http, f"killed{number}@example.com")
                until = time.monotonic() + 60
                while not claims(server) and not running.done():
                    assert time.monotonic() < until
                    time.sleep(0.01)
                os.kill(worker, signal.SIGSTOP)
                try:
                    while not stands_still(worker):
                        time.sleep(0.001)
                    if claims(server):
                        yield Begun(server, number, running, worker)
                        return
                finally:
                    with suppress(ProcessLookupError):
                        os.kill(worker, signal.SIGCONT)
                running.result()
        raise AssertionError("each of them was done too soon")


def stands_still(worker: int) -> bool:
    stats = (file.read_text() for file in Path(f"/proc/{worker}/task").glob("*/stat"))
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def claims(server: Server) -> list[int]:
    """When the requests that run were claimed, or renewed last."""
    return [row[0] for row in server.ask("SELECT started_at FROM replies WHERE status IS NULL")]


def worker_of(server: Server, answer: httpx2.Response) -> int:
    """The process that has the connection of this answer."""
    _, ours = answer.extensions["client_address"]
    ends = f":{server.port:04X}", f":{ours:04X}"
    for pid in processes(server)[1:]:
        rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
        (socket,) = [row[9] for row in rows if (row[1][-5:], row[2][-5:]) == ends]
        if any(os.readlink(file) == f"socket:[{socket}]" for file in Path(f"/proc/{pid}/fd").iterdir()):
            return pid
    raise AssertionError("no worker has it")


def test_after_kill_9_of_its_worker_the_key_is_free_after_5_seconds(slow: Server) -> None:
    with begun(slow) as request:
        os.kill(request.worker, signal.SIGKILL)
        with pytest.raises(httpx2.HTTPError):
            request.running.result()
    assert request.made() == 0
    slow.pass_time(LEAST)
    answer = request.again()
    assert answer.status_code == 201 and "idempotency-replayed" not in answer.headers
    again = request.again()
    assert again.json() == answer.json() and again.headers["idempotency-replayed"] == "true"
    assert request.made() == 1


@once
def test_while_its_worker_lives_a_request_keeps_its_key_however_long_it_takes(engine: str, tmp_path: Path) -> None:
    with hashing_at(60, tmp_path / "data") as server, begun(server) as request:
        os.kill(request.worker, signal.SIGCONT)
        for step in range(1, 4):
            passed = step * LEAST / 2
            moved = clock.now() + int(passed * clock.SECOND)
            server.pass_time(passed)
            until = time.monotonic() + 60
            while not request.running.done() and min(claims(server), default=moved) < moved:
                assert time.monotonic() < until, "the claim is not renewed"
                time.sleep(0.01)
        meanwhile = request.again()
        made = request.running.result()
        assert made.status_code == 201
        assert meanwhile.status_code == 409 or meanwhile.json() == made.json(), "it was answered by the same request"
        assert request.made() == 1


def test_a_stalled_worker_that_goes_on_finds_its_key_taken_and_does_nothing(slow: Server) -> None:
    with begun(slow) as request:
        slow.pass_time(LEAST)
        answer = request.again()
        os.kill(request.worker, signal.SIGCONT)
        assert answer.status_code == 201
        late = request.running.result()
    assert late.status_code == 409 and int(late.headers["retry-after"]) >= 1
    assert request.made() == 1
    assert request.again().json() == answer.json()
