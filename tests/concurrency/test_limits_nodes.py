"""Two servers that count in one Valkey limit as one; and what they do when it is killed, frozen or was never there."""

from __future__ import annotations

import asyncio
import mmap
import os
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import clock
from rollbook.limits import valkey_address
from rollbook.limits.table import Table
from rollbook.limits.valkey import Valkey
from rollbook.limits.valkey_connection import ValkeyTimeouts
from rollbook.quota import Limit
from tests.callers import worker_of
from tests.harness import Server, new_key, new_user, running
from tests.valkey import ValkeyServer, running_valkey

# No file moves the clock: Valkey's decides, as where it ships.
REAL_CLOCK = {"ROLLBOOK_CLOCK_FILE": ""}
PASSWORD = "securepassword123"


class Nodes:
    """Two servers with the same users, and the text of a key of each of their users."""

    def __init__(self, first: Server, second: Server, keys: dict[str, str]) -> None:
        self.both = (first, second)
        self.keys = keys


@contextmanager
def two_nodes(folder: Path, valkey: ValkeyServer, *users: str, flags: tuple[str, ...] = ()) -> Iterator[Nodes]:
    """Each has a folder of its own with the same users in it, as if on one database."""
    with running(folder / "one") as server, server.http() as http:
        keys = {}
        for user in users:
            # A day: what is counted must be asked for within one window, however busy the machine is.
            made = new_user(http, email=f"{user}@example.com", password=PASSWORD, rate_limit="100/day")
            keys[user] = new_key(http, user_id=made["id"])
        owner_key = server.key
    shutil.copytree(folder / "one", folder / "two")
    flags = ("--workers", "2", "--limits", valkey.url, *flags)
    with (
        running(folder / "one", *flags, owner_key=owner_key, environment=REAL_CLOCK) as one,
        running(folder / "two", *flags, owner_key=owner_key, environment=REAL_CLOCK) as two,
    ):
        yield Nodes(one, two, keys)


async def flood(servers: tuple[Server, ...], key: str, connections: int, each: int) -> list[tuple[int, int]]:
    """Status and RateLimit-Remaining of so many requests on so many connections to each server."""

    opened = []
    for server in servers:
        # One after the other with a request each: a new connection goes to the worker that has just slept, so both get
        # some.
        reached: dict[int, str] = {}
        deadline = time.monotonic() + 60
        while len(reached) < connections or len(set(reached.values())) < 2:
            assert time.monotonic() < deadline, "one of the workers gets no connection"
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            worker = worker_of((await fields(reader))["x-request-id"])
            if len(reached) < connections:
                opened.append((reader, writer))
                reached[len(opened)] = worker
            elif worker in reached.values():
                writer.close()
            else:
                _, other = opened[-1]
                other.close()
                opened[-1] = (reader, writer)
                reached[len(opened)] = worker

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[tuple[int, int]]:
        writer.write(
            f"GET /v1/users/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n".encode() * each
        )
        found = [await read(reader) for _ in range(each)]
        writer.close()
        await writer.wait_closed()
        return found

    answers = await asyncio.gather(*(one(*streams) for streams in opened))
    return [answer for found in answers for answer in found]


async def read(reader: asyncio.StreamReader) -> tuple[int, int]:
    """Status and RateLimit-Remaining (-1 without limits) of the next answer."""
    found = await fields(reader)
    return int(found["status"]), int(found.get("ratelimit-remaining", -1))


async def fields(reader: asyncio.StreamReader) -> dict[str, str]:
    """The header of the next answer, and its `status`."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    found = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
    await reader.readexactly(int(found["content-length"]))
    return found | {"status": head.split(" ")[1]}


class HeldUp(AssertionError):
    """By a fault, or by the machine."""


def undisturbed(folder: Path, attempt: Callable[[Path], None], away: int = 0) -> None:
    """Run the attempt in a folder of its own. Valkey must answer within half a second: when it was held up for longer,
    because this machine had other work, a server's log says more often than the attempt itself brings about that it is
    away. Then another is made."""
    for number in range(8):
        place = folder / f"attempt{number}"
        place.mkdir()
        try:
            return attempt(place)
        except AssertionError as problem:
            as_expected = all(log.read_text().count("is away") <= away for log in place.rglob("*.log"))
            if number == 7 or (as_expected and not isinstance(problem, HeldUp)):
                raise


def wait_until(happened: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def answered(node: Server) -> list[dict[str, Any]]:
    """What its log says of the flood: no other request with a key was answered so."""
    return [line for line in node.logged() if line.get("user_id") and line.get("status") in (200, 429)]


# ---- exact


def test_of_10000_takes_of_8_processes_exactly_100_are_admitted(valkey: ValkeyServer) -> None:
    admitted = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")

    async def hammer(who: int) -> None:
        # Eight processes may want more time than there is where it ships.
        limiter = Valkey(valkey_address.parse(valkey.url), Table.create(workers=1), timeouts=ValkeyTimeouts(30, 30))
        await limiter.start()
        limit, own = Limit.parse("100/hour,5000/day"), Limit.parse("100/hour")
        for _ in range(25):
            verdicts = await asyncio.gather(
                *(limiter.take("user_eight", limit, clock.now(), "user_eight:key_1", own) for _ in range(50))
            )
            admitted[who] += sum(verdict.admitted for verdict in verdicts)
        assert limiter.locally == 0
        await limiter.stop()

    children = []
    for who in range(8):
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(asyncio.wait_for(hammer(who), 60))
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 8
    assert sum(admitted[:8]) == 100


def test_of_10000_parallel_requests_to_4_workers_on_2_servers_exactly_100_are_let_in(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    def attempt(folder: Path) -> None:
        with two_nodes(folder, valkey, "alice") as nodes:
            answers = asyncio.run(flood(nodes.both, nodes.keys["alice"], connections=20, each=250))
            assert Counter(status for status, _ in answers) == {200: 100, 429: 9_900}
            assert sorted(left for status, left in answers if status == 200) == list(range(100)), (
                "each number is told once"
            )
            for node in nodes.both:
                wait_until(lambda node=node: len(answered(node)) == 5_000)
                assert len({line["worker"] for line in answered(node)}) == 2
                assert "away" not in node.log.read_text()

    undisturbed(tmp_path, attempt)


def test_addresses_guesses_and_pages_are_counted_for_both_servers_together(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    flags = ("--unauthenticated-limit", "9/hour", "--attempts-limit", "5/hour", "--page-limit", "7/hour")

    def attempt(folder: Path) -> None:
        valkey.ask("FLUSHALL")
        with two_nodes(folder, valkey, "alice", flags=flags) as nodes:
            one, two = (node.http() for node in nodes.both)
            with one, two, nodes.both[0].http(None) as stranger, nodes.both[1].http(None) as other:
                strangers = [stranger, other]
                assert Counter(strangers[turn % 2].get("/v1/users/me").status_code for turn in range(20)) == {
                    401: 9,
                    429: 11,
                }

                def tried(http: httpx2.Client, password: str) -> int:
                    body = {"email": "alice@example.com", "password": password}
                    return http.post("/v1/users/verify-password", json=body).status_code

                assert [tried((one, two)[turn % 2], PASSWORD) for turn in range(12)] == [200] * 12, (
                    "a right one is given back"
                )
                assert [tried((one, two)[turn % 2], "wrong" * 3) for turn in range(8)] == [401] * 5 + [429] * 3
                assert tried(one, PASSWORD) == 429
                pages = [strangers[turn % 2].get("/account/sign-in").status_code for turn in range(10)]
                assert pages == [200] * 7 + [429] * 3

    undisturbed(tmp_path, attempt)


def test_requests_in_one_piece_are_answered_in_their_order(tmp_path: Path, valkey: ValkeyServer) -> None:
    async def pipelined(server: Server, key: str) -> list[tuple[int, int]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        paths = ["/v1/users/me", "/v1/nowhere", "/v1/users"] * 20
        lines = f"HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n"
        writer.write("".join(f"GET {path} {lines}" for path in paths).encode())
        found = [await read(reader) for _ in paths]
        writer.close()
        return found

    def attempt(folder: Path) -> None:
        with running(folder / "data", "--limits", valkey.url, environment=REAL_CLOCK) as server, server.http() as http:
            key = new_key(http, user_id=new_user(http, rate_limit="100/day")["id"])
            answers = asyncio.run(asyncio.wait_for(pipelined(server, key), 60))
            assert [status for status, _ in answers] == [200, 404, 403] * 20
            assert [left for _, left in answers] == list(range(99, 39, -1))

    undisturbed(tmp_path, attempt)


# ---- away


class Load:
    """Requests of one user, one after the other in each of a few threads, until it ends."""

    def __init__(self, server: Server, key: str, callers: int = 4) -> None:
        self.answers: list[tuple[float, float, int, str]] = []  # began, took, status, code
        self._over = threading.Event()
        self._threads = [threading.Thread(target=partial(self._call, server, key)) for _ in range(callers)]

    def _call(self, server: Server, key: str) -> None:
        with server.http(key) as http:
            while not self._over.is_set():
                began = time.monotonic()
                answer = http.get("/v1/users/me")
                code = "" if answer.status_code == 200 else answer.json()["code"]
                self.answers.append((began, time.monotonic() - began, answer.status_code, code))
                if answer.status_code == 503:
                    assert answer.headers["retry-after"] == "1"
                time.sleep(0.002)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def goes_on(self, answers: int = 50) -> None:
        """Returns when so many more requests were answered."""
        before = len(self.answers)
        wait_until(lambda: len(self.answers) >= before + answers)

    def statuses(self, since: float, until: float) -> Counter[int]:
        return Counter(status for began, took, status, _ in self.answers if since <= began and began + took <= until)

    def longest(self) -> float:
        return max(took for _, took, _, _ in self.answers)


def metric(server: Server, name: str) -> int:
    with server.http() as http:
        found = re.search(rf"^{name} (\d+)", http.get("/metrics").text, re.MULTILINE)
    assert found is not None
    return int(found[1])


def told(server: Server) -> tuple[int, int]:
    """How often the log says that Valkey is away, and that it is back."""
    text = server.log.read_text()
    return text.count("is away"), text.count("is back")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[ValkeyServer]:
    with running_valkey(tmp_path / "valkey") as server:
        yield server


# Seconds that a request may take here. That nobody is held up as long as Valkey is away, the answers that come
# meanwhile tell.
BRIEF = 30


@contextmanager
def under_load(tmp_path: Path, valkey: ValkeyServer, policy: str) -> Iterator[tuple[Server, Load]]:
    """A server of two workers, and a user without end that calls it. The owner has no limit, so it can always look."""
    flags = ("--workers", "2", "--limits", valkey.url, "--limits-when-away", policy, "--role-limits", "owner=none")
    with running(tmp_path / "data", *flags, "--rate-limit", "1000000/minute", environment=REAL_CLOCK) as server:
        with server.http() as http:
            key = new_key(http, user_id=new_user(http)["id"])
        with Load(server, key) as load:
            load.goes_on()
            yield server, load


def undisturbed_by_others(folder: Path, valkey: ValkeyServer, attempt: Callable[[Path], None]) -> None:
    """As `undisturbed`, for attempts that take Valkey away once."""

    def again(place: Path) -> None:
        valkey.thaw() if valkey.process else valkey.start()
        attempt(place)

    undisturbed(folder, again, away=1)


def ready(server: Server) -> tuple[int, dict[str, str]]:
    answer = httpx2.get(f"{server.url}/health/ready", timeout=60)
    return answer.status_code, answer.json()["checks"]


def test_local_nobody_notices_that_valkey_was_killed_and_started_again(tmp_path: Path, own: ValkeyServer) -> None:
    def attempt(folder: Path) -> None:
        with under_load(folder, own, "local") as (server, load):
            assert ready(server) == (200, {"database": "ok", "limits": "ok"})
            own.kill()
            wait_until(lambda: metric(server, "rollbook_limits_away") == 2)
            state, checks = ready(server)
            assert state == 200 and checks["limits"].startswith("counted on this server only")
            time.sleep(1)
            load.goes_on()
            assert told(server) == (2, 0), "once by each worker, however often they try"
            wait_until(lambda: metric(server, "rollbook_limits_counted_locally_total") > 50)
            own.start()
            wait_until(lambda: metric(server, "rollbook_limits_away") == 0)
            wait_until(lambda: told(server) == (2, 2))
            assert ready(server)[1]["limits"] == "ok"
            counted = metric(server, "rollbook_limits_counted_locally_total")
            load.goes_on(100)
            assert metric(server, "rollbook_limits_counted_locally_total") <= counted + 50, "it counts there again"
        assert Counter(status for _, _, status, _ in load.answers).keys() == {200}
        assert load.longest() < BRIEF

    undisturbed_by_others(tmp_path, own, attempt)


def test_closed_answers_503_while_valkey_is_away_and_recovers_without_a_restart(
    tmp_path: Path, own: ValkeyServer
) -> None:
    refusal = (503, {"database": "ok", "limits": "Requests cannot be counted at the moment. Nothing was done."})

    def attempt(folder: Path) -> None:
        with under_load(folder, own, "closed") as (server, load):
            own.kill()
            wait_until(lambda: ready(server) == refusal and metric(server, "rollbook_limits_away") == 2)
            closed = time.monotonic()
            time.sleep(1)
            load.goes_on()
            opened = time.monotonic()
            own.start()
            wait_until(lambda: ready(server)[0] == 200 and metric(server, "rollbook_limits_away") == 0)
            back = time.monotonic()
            load.goes_on()
            assert told(server) == (2, 2)
            assert metric(server, "rollbook_limits_counted_locally_total") == 0
        assert load.statuses(closed, opened).keys() == {503}
        assert load.statuses(back, time.monotonic()).keys() == {200}
        assert {code for _, _, status, code in load.answers if status == 503} == {"limits_unavailable"}
        assert load.longest() < BRIEF

    undisturbed_by_others(tmp_path, own, attempt)


@pytest.mark.parametrize("policy", ["local", "closed"])
def test_a_frozen_valkey_holds_a_request_no_longer_than_the_time_out(
    tmp_path: Path, own: ValkeyServer, policy: str
) -> None:
    def attempt(folder: Path) -> None:
        with under_load(folder, own, policy) as (server, load):
            own.freeze()
            wait_until(lambda: told(server) == (2, 0))
            time.sleep(4)
            load.goes_on()
            assert told(server) == (2, 0)
            own.thaw()
            wait_until(lambda: metric(server, "rollbook_limits_away") == 0)
            back = time.monotonic()
            load.goes_on()
        assert load.statuses(back, time.monotonic()).keys() == {200}
        assert load.longest() < BRIEF
        # Each of the four callers waits once for each worker, nobody a second time: they would, 32 times in all. Now
        # and then the machine holds up all four; when it does so more often, another attempt is made.
        if sum(took > ValkeyTimeouts().reply * 0.9 for _, took, _, _ in load.answers) > 8 + 3 * 4:
            raise HeldUp("callers wait again and again")

    undisturbed_by_others(tmp_path, own, attempt)


def test_a_server_starts_without_valkey_holds_the_limits_and_goes_over_to_it_by_itself(
    tmp_path: Path, own: ValkeyServer
) -> None:
    flags = ("--workers", "2", "--limits", own.url, "--role-limits", "owner=none")

    def attempt(folder: Path) -> None:
        own.kill()
        with running(folder / "data", *flags, environment=REAL_CLOCK) as server, server.http() as http:
            key = new_key(http, user_id=new_user(http, rate_limit="100/day")["id"])
            assert Counter(status for status, _ in asyncio.run(flood((server,), key, 10, 20))) == {200: 100, 429: 100}
            wait_until(lambda: told(server) == (2, 0))
            own.start()
            wait_until(lambda: metric(server, "rollbook_limits_away") == 0)
            assert Counter(status for status, _ in asyncio.run(flood((server,), key, 10, 20))) == {200: 100, 429: 100}

    undisturbed_by_others(tmp_path, own, attempt)


def test_a_wrong_password_is_told_and_never_shown(tmp_path: Path) -> None:
    with running_valkey(tmp_path / "valkey", "--requirepass", "hunter2") as valkey:
        flags = ("--role-limits", "owner=none")
        environment = {**REAL_CLOCK, "ROLLBOOK_LIMITS": f"valkey://:hunter3@127.0.0.1:{valkey.port}"}
        with running(tmp_path / "data", *flags, environment=environment) as server:
            wait_until(lambda: "the user or the password is wrong" in server.log.read_text())
            with server.http() as http:
                assert http.get("/v1/users/me").status_code == 200
            found = ""

            def doctor(says: str, *flags: str) -> bool:
                nonlocal found
                found += server.rollbook("doctor", "--data", str(server.data), *flags, check=False).stdout
                return re.search(says, found) is not None

            wait_until(lambda: doctor("the user or the password is wrong"))
            server.environment["ROLLBOOK_LIMITS"] = f"valkey://:hunter2@127.0.0.1:{valkey.port}"
            wait_until(lambda: doctor(r"Valkey \d|Redis \d", "--json"))
            assert "hunter" not in found + server.log.read_text()


@pytest.mark.parametrize(
    "url", ["http://:hunter2@127.0.0.1:1", "valkey://:hunter2@127.0.0.1:none", "valkey://:hunter2@127.0.0.1/x"]
)
def test_a_bad_address_keeps_the_server_from_starting_and_says_how_to_write_it(tmp_path: Path, url: str) -> None:
    server = Server(tmp_path / "data", environment={"ROLLBOOK_LIMITS": url})
    done = server.rollbook("serve", "--data", str(server.data), check=False)
    assert done.returncode != 0 and "limits: " in done.stderr and "valkey://host:6379" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_doctor_warns_of_a_valkey_that_would_throw_counts_away(tmp_path: Path, own: ValkeyServer) -> None:
    server = Server(tmp_path / "data", environment={"ROLLBOOK_LIMITS": own.url})

    def found() -> str:
        said = server.rollbook("doctor", "--data", str(server.data), check=False).stdout
        return next(line for line in said.splitlines() if " limits: " in line)

    assert found().startswith("ok ")
    own.ask("CONFIG", "SET", "maxmemory", "100mb")
    for policy, state in (
        ("noeviction", "ok "),
        ("volatile-ttl", "ok "),
        ("allkeys-lru", "warning "),
        ("volatile-lru", "warning "),
    ):
        own.ask("CONFIG", "SET", "maxmemory-policy", policy)
        assert found().startswith(state), policy
    own.kill()
    assert found().startswith("warning ")
    server.environment["ROLLBOOK_LIMITS_WHEN_AWAY"] = "closed"
    assert found().startswith("fault ")
