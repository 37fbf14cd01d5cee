"""One line has many networks: whoever guesses from all of them is counted as one, and keeps nobody else from signing
in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rollbook.limits.policy import networks
from tests.harness import Server, running
from tests.networks import PROXY, at
from tests.patient import PATIENT
from tests.valkey import ValkeyServer
from tests.visitor import sign_in


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
