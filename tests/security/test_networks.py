"""One line has many networks: whoever guesses from all of them is counted as one, and keeps nobody else from signing
in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook.limits.policy import networks
from tests.harness import OWNER_PASSWORD, Server, new_user, running
from tests.patient import PATIENT
from tests.valkey import ValkeyServer
from tests.visitor import sign_in, signed_in, visitor

PROXY = ("--trusted-proxy", "127.0.0.1/32", "--rate-limit", "none", "--page-limit", "none")


def at(server: Server, address: str) -> httpx2.Client:
    return visitor(server, **{"X-Forwarded-For": address})


@pytest.fixture(scope="module", params=["one worker", "two workers", "Valkey"])
def server(
    request: pytest.FixtureRequest, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Each address has one wrong password an hour: whether it is wrong takes a hash as it ships, 20 ms of a core."""
    workers = ("--workers", "2") if request.param == "two workers" else ()
    limits = ("--limits", valkey.url) if request.param == "Valkey" else ()
    data = tmp_path_factory.mktemp("server") / "data"
    program = PATIENT if limits else "rollbook.cli.main"
    with running(data, *PROXY, *workers, *limits, "--address-attempts-limit", "1/hour", program=program) as server:
        yield server


def guesses(server: Server, *addresses: str) -> list[int]:
    """What is told to who tries a password of a new account from each of these addresses."""
    statuses = []
    for address in addresses:
        with at(server, address) as stranger:
            statuses.append(sign_in(stranger, f"nobody{next(_numbers)}@example.com", "wrong").status_code)
    return statuses


_numbers = iter(range(1_000_000))


def test_networks_of_ipv6_are_counted_as_one_by_64_56_and_48(server: Server) -> None:
    assert guesses(server, *["2001:db8:a:100::1"] * 2) == [401, 429]
    # Of the /56, three are left: 4 times 1.
    assert guesses(server, *(f"2001:db8:a:1{net:02x}::1" for net in range(1, 6))) == [401] * 3 + [429] * 2
    # Of the /48, 12: 16 times 1.
    others = guesses(server, *(f"2001:db8:a:{net:x}00::1" for net in range(2, 6)))
    others += guesses(server, *(f"2001:db8:a:{net:x}01::1" for net in range(2, 6)))
    assert others == [401] * 8
    assert guesses(server, *(f"2001:db8:a:{net:x}00::1" for net in range(0x10, 0x16))) == [401] * 4 + [429] * 2
    assert guesses(server, "2001:db8:b:100::1") == [401]


def test_a_network_of_ipv4_is_counted_as_one_by_24(server: Server) -> None:
    assert guesses(server, *["198.51.100.1"] * 2) == [401, 429]
    assert guesses(server, *(f"198.51.100.{host}" for host in range(2, 11))) == [401] * 7 + [429] * 2
    assert guesses(server, "198.51.101.1") == [401]


def test_what_a_wider_network_refuses_is_not_held_against_the_address_and_right_passwords_count_nowhere(
    server: Server, user: dict[str, Any]
) -> None:
    assert guesses(server, *(f"203.0.113.{host}" for host in range(1, 9))) == [401] * 8
    with at(server, "203.0.113.99") as neighbor, at(server, "203.0.114.1") as elsewhere:
        for _ in range(20):
            assert sign_in(neighbor, user["email"], user["password"]).status_code == 429
        for _ in range(9):
            assert sign_in(elsewhere, user["email"], user["password"]).status_code == 303
    assert guesses(server, "203.0.114.2") == [401]
    server.pass_time(3601)
    with at(server, "203.0.113.99") as neighbor:
        assert sign_in(neighbor, user["email"], user["password"]).status_code == 303
    server.pass_time(0)


@pytest.mark.parametrize(
    ("address", "count"), [("2001:db8::1", 3), ("192.0.2.1", 2), ("", 1), ("fe80::1%eth0", 3), ("::", 3)]
)
def test_whatever_stands_there_has_networks_each_with_more_than_the_one_in_it(address: str, count: int) -> None:
    found = networks(address)
    assert len({network.bucket for network in found}) == count
    assert sorted({network.times for network in found}) == [network.times for network in found]


@contextmanager
def guessing(server: Server, addresses: Callable[[int], str], refusal: int) -> Iterator[None]:
    """Eight strangers guess without a pause, each time from the next address. Each has been told that it was wrong, and
    many `refusal`."""
    stop = threading.Event()
    told: list[int] = []

    def guess(first: int) -> None:
        with visitor(server) as stranger:
            for number in range(first, 1_000_000, 8):
                stranger.headers["X-Forwarded-For"] = addresses(number)
                told.append(sign_in(stranger, f"nobody{number}@example.com", "wrong").status_code)
                if stop.is_set():
                    return

    threads = [threading.Thread(target=guess, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    try:
        while told.count(refusal) < 20 or told.count(401) < 16:
            stop.wait(0.01)
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


NARROW = (*PROXY, "--password-threads", "1", "--password-queue", "8")


@pytest.mark.parametrize(("limit", "refusal"), [("5/minute,200/hour", 429), ("none", 503)])
def test_256_networks_of_a_line_guess_and_the_owner_still_signs_in_from_a_new_address(
    tmp_path: Path, limit: str, refusal: int
) -> None:
    """With a limit, few of the guesses are hashed; without one, the queue alone is fair."""
    with (
        running(tmp_path / "data", *NARROW, "--address-attempts-limit", limit, cheap=False) as server,
        guessing(server, lambda number: f"2001:db8:1:{number % 256:x}::1", refusal),
    ):
        for host in range(4):
            with at(server, f"203.0.{host}.5") as owner:
                assert sign_in(owner).status_code == 303


def test_eight_lines_guess_and_the_owner_still_signs_in_from_a_new_address(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", *NARROW, "--address-attempts-limit", "none", cheap=False) as server,
        guessing(server, lambda number: f"10.0.{number % 8}.1", 503),
    ):
        for host in range(4):
            with at(server, f"203.0.{host}.5") as owner:
                assert sign_in(owner).status_code == 303


def test_strangers_of_many_lines_crowd_out_no_browser_that_is_known_no_session_and_no_key(tmp_path: Path) -> None:
    with running(tmp_path / "data", *NARROW, "--address-attempts-limit", "none", cheap=False) as server:
        with signed_in(server) as browser:
            browser.post("/account/sign-out")
        with guessing(server, lambda number: f"10.{number // 250 % 250}.{number % 250}.1", 503), server.http() as http:
            for _ in range(4):
                with visitor(server) as known:
                    known.cookies = browser.cookies
                    assert sign_in(known).status_code == 303
                    own = {"current_password": OWNER_PASSWORD, "password": OWNER_PASSWORD}
                    assert known.post("/account/password", data=own).status_code == 303
                new_user(http)
