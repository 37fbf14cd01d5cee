"""Requests without a valid key are counted by who sends them, not by which of its addresses."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from rollbook.limits.policy import address_bucket
from tests.harness import Server, new_key, running


def test_all_addresses_of_one_ipv6_network_share_a_bucket(tmp_path: Path) -> None:
    flags = ("--unauthenticated-limit", "3/minute", "--trusted-proxy", "127.0.0.1/32")
    with running(tmp_path / "data", *flags) as server, server.http(None) as http:

        def status(address: str) -> int:
            return http.get("/v1/users", headers={"X-Forwarded-For": address}).status_code

        assert [status(f"2001:db8:0:1::{host}") for host in range(1, 5)] == [401, 401, 401, 429]
        assert status("2001:db8:0:2::1") == 401, "another network is another client"
        assert [status(f"192.0.2.{host}") for host in range(1, 5)] == [401] * 4, "each IPv4 address is a client"


def test_an_ipv4_network_written_as_ipv6_is_allowed_as_what_it_means(server: Server, http: httpx2.Client) -> None:
    key = new_key(http, ip_allow=["::ffff:127.0.0.0/104"])
    with server.http(key) as narrow:
        assert narrow.get("/v1/users").status_code == 200
        assert narrow.get("/v1/keys/current").json()["ip_allow"] == ["127.0.0.0/8"]


@pytest.mark.parametrize("address", ["", "::ffff:192.0.2.1", "fe80::1%eth0", "no address"])
def test_whatever_stands_there_has_a_bucket(address: str) -> None:
    assert address_bucket(address).startswith("address:")
