"""512 MiB are enough, whatever was imported: strangers who guess cost nobody their answers, and the server not its
life."""

from __future__ import annotations

import itertools
import json
import socket
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server
from tests.memory_groups import command_in, kills, memory_group, peak
from tests.visitor import sign_in, signed_in

MEBIBYTES = 512
SECONDS = 15
STRANGERS, READERS = 64, 8
WORST = "$argon2id$v=19$m=131072,t=10,p=1$c2FsdHNhbHRzYWx0c2FsdA$" + "A" * 43
"""A hash of as much memory and time as imports accept."""

# It goes on until some guesses were hashed, each of which is much work.
pytestmark = pytest.mark.timeout(900)


class Confined(Server):
    """A server in a control group."""

    group: Path | None = None

    def command(self) -> list[str]:
        return command_in(self.group, super().command())


class Crowd:
    """Threads that do something again and again, until they are let go."""

    def __init__(self, server: Server, size: int, once: Callable[[HTTPConnection, int], None]) -> None:
        self.seconds: list[float] = []
        self.problems: list[Exception] = []
        self._over = threading.Event()
        self._connections: list[HTTPConnection] = []
        self._server, self._once = server, once
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(size)]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Whoever still waits goes away."""
        self._over.set()
        for connection in self._connections:
            if (sock := connection.sock) is not None:
                with suppress(OSError):  # its thread has closed it by now
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        connection = HTTPConnection("127.0.0.1", self._server.port, timeout=120)
        self._connections.append(connection)
        try:
            while not self._over.is_set():
                begun = time.perf_counter()
                self._once(connection, number)
                self.seconds.append(time.perf_counter() - begun)
                self._over.wait(0.02)
        except Exception as problem:
            if not self._over.is_set():
                self.problems.append(problem)
        finally:
            connection.close()


def percentile_99(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) * 99 // 100]


def reader(server: Server) -> Callable[[HTTPConnection, int], None]:
    def once(connection: HTTPConnection, _: int) -> None:
        connection.request("GET", "/v1/users/me", headers={"Authorization": f"Bearer {server.key}"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200

    return once


def stranger(server: Server, statuses: dict[int, int]) -> Callable[[HTTPConnection, int], None]:
    """Guesses the password of another account each time, from another network."""
    guesses = itertools.count()

    def once(connection: HTTPConnection, number: int) -> None:
        guess = next(guesses)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin",
            "X-Forwarded-For": f"{20 + number}.{guess >> 8 & 255}.{guess & 255}.7",
        }
        connection.request(
            "POST", "/account/sign-in", f"email=nobody{guess}%40example.com&password=wrong+password", headers
        )
        answer = connection.getresponse()
        answer.read()
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        if answer.status == 503:
            time.sleep(0.2)

    return once


def test_strangers_who_guess_cost_the_server_neither_its_life_nor_its_readers_or_users_their_answers(
    tmp_path: Path,
) -> None:
    with memory_group(MEBIBYTES) as group:
        flags = ("--trusted-proxy", "127.0.0.1/32", "--rate-limit", "none")
        server = Confined(tmp_path / "data", *flags, cheap=False)
        server.group = group
        if group is None:  # what it has in the group by itself
            server.flags += ("--password-memory-budget", "147")
        try:
            server.start()
            people = [
                {"name": "Old", "email": f"old{number}@example.com", "password_hash": WORST} for number in range(500)
            ]
            told = server.rollbook(
                "users", "import", "-", "--data", str(server.data), input="\n".join(map(json.dumps, people))
            )
            assert "500" in told.stdout + told.stderr
            _guess(server)
            if group is not None:
                assert kills(group) == 0
            assert server.process is not None and server.process.poll() is None
            assert peak(server.process.pid) < MEBIBYTES * 3 // 4
        finally:
            server.stop()


def _guess(server: Server) -> None:
    statuses: dict[int, int] = {}
    with signed_in(server) as owner:
        with Crowd(server, READERS, reader(server)) as before:
            time.sleep(5)
        took: list[float] = []
        with (
            Crowd(server, READERS, reader(server)) as readers,
            Crowd(server, STRANGERS, stranger(server, statuses)) as strangers,
        ):
            until = time.monotonic() + SECONDS
            time.sleep(1)
            while time.monotonic() < until or statuses.get(401, 0) < 2:  # a guess is much work
                begun = time.monotonic()
                assert sign_in(owner, OWNER_EMAIL, OWNER_PASSWORD).status_code == 303
                took.append(time.monotonic() - begun)
                time.sleep(0.2)
        assert not before.problems and not readers.problems and not strangers.problems
        assert statuses.keys() <= {401, 503}
        was, now = percentile_99(before.seconds), percentile_99(readers.seconds)
        print(
            f"reads p99 {was * 1000:.1f} ms, beside strangers {now * 1000:.1f} ms; sign-ins "
            f"{statistics.median(took):.2f} s in the median, "
            f"at most {max(took):.2f} s; {statuses}"
        )
        # Much more than it takes where the machine has nothing else to do, or than one guess takes where it has; told
        # from answers that wait for all guesses.
        assert statistics.median(took) < max(5, 3 * SECONDS / statuses[401])
        assert now < max(1, 20 * was)
