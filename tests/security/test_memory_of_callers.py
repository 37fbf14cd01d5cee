"""What the gate remembers of callers is bounded in bytes, whatever one caller sends."""

from __future__ import annotations

import http.client
from pathlib import Path

from tests.harness import Server


def memory(server: Server) -> int:
    """Resident bytes of the server's one process."""
    assert server.process is not None
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * 4096


def test_one_key_in_headers_of_many_lengths_takes_no_memory(server: Server) -> None:
    """Headers as many and as long come before: the allocator keeps what they took, some interpreters' for a while."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    before = 0
    for blanks in range(26_400, 29_600):
        if blanks == 28_000:
            before = memory(server)
        connection.request("GET", "/v1/users/me", headers={"Authorization": f"Bearer{' ' * blanks}{server.key}"})
        connection.getresponse().read()
    connection.close()
    assert memory(server) - before < 30_000_000  # the headers since then have 46 million bytes


def test_a_few_blanks_before_the_key_are_taken(server: Server) -> None:
    with server.http(None) as client:
        for blanks in (1, 2, 8):
            assert (
                client.get("/v1/users/me", headers={"Authorization": f"bearer{' ' * blanks}{server.key}"}).status_code
                == 200
            )


def test_a_host_longer_than_any_name_is_refused(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for host, status in (("a" * 253 + ":8000", 200), ("a" * 300, 400)):
        connection.request("GET", "/health/live", headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()
