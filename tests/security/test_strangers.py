"""Requests without a valid key are counted by who sends them, not by which of its addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollbook.gate import stranger
from tests.harness import running


def test_all_addresses_of_one_ipv6_network_share_a_bucket(tmp_path: Path) -> None:
    flags = ("--unauthenticated-limit", "3/minute", "--trusted-proxy", "127.0.0.1/32")
    with running(tmp_path / "data", *flags) as server, server.http(None) as http:

        def status(address: str) -> int:
            return http.get("/v1/users", headers={"X-Forwarded-For": address}).status_code

        assert [status(f"2001:db8:0:1::{host}") for host in range(1, 5)] == [401, 401, 401, 429]
        assert status("2001:db8:0:2::1") == 401, "another network is another client"
        assert [status(f"192.0.2.{host}") for host in range(1, 5)] == [401] * 4, "each IPv4 address is a client"


@pytest.mark.parametrize("address", ["", "::ffff:192.0.2.1", "fe80::1%eth0", "no address"])
def test_whatever_stands_there_has_a_bucket(address: str) -> None:
    assert stranger(address).startswith("address:")
