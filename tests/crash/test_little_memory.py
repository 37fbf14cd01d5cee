"""A server without the memory for a hash is busy, not broken, and works again once there is some."""

from __future__ import annotations

import re
import resource
from pathlib import Path

from tests.harness import Server, new_user, running
from tests.visitor import sign_in, visitor


def limit_memory(server: Server, mebibytes: int | None) -> None:
    """What the server may take in addition to its address space; None: as much as it likes."""
    assert server.process is not None
    size = int(re.findall(r"VmSize:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())[0]) * 1024
    most = resource.RLIM_INFINITY
    soft = most if mebibytes is None else size + (mebibytes << 20)
    resource.prlimit(server.process.pid, resource.RLIMIT_AS, (soft, most))


def test_a_hash_that_finds_no_memory_is_overloaded_and_counts_as_no_attempt(tmp_path: Path) -> None:
    flags = ("--password-memory", str(64 * 1024), "--password-time-cost", "1", "--attempts-limit", "2/hour")
    with running(tmp_path / "data", *flags, cheap=False) as server, server.http() as http, visitor(server) as person:
        user = new_user(http)
        limit_memory(server, 32)
        another = {"name": "Alice", "email": "alice.wonder@example.com", "password": "a lobster in the library"}
        answer = http.post("/v1/users", json=another)
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert int(answer.headers["Retry-After"]) >= 1
        for email in (user["email"], "nobody@example.com"):
            for _ in range(3):
                body = {"email": email, "password": "wrong password", "address": "203.0.113.5"}
                assert http.post("/v1/users/verify-password", json=body).status_code == 503
        assert sign_in(person, user["email"], user["password"]).status_code == 503
        limit_memory(server, None)
        assert http.post("/v1/users", json=another).status_code == 201
        assert sign_in(person, user["email"], user["password"]).status_code == 303
