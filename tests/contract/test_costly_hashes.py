"""Hashes that cost more than imported ones may, stored by an earlier version or with other settings: who can still sign
in, and what is told."""

from __future__ import annotations

import json
import time
from pathlib import Path

from argon2 import Type
from argon2.low_level import hash_secret

from tests.contract.test_equal_time import PASSWORD, verify
from tests.engines import once
from tests.harness import running
from tests.visitor import signed_in

BIG, SLOW = "$argon2id$v=19$m=262144,t=1,p=1$", "$argon2id$v=19$m=64,t=30000,p=1$"


def hashed(memory: int, passes: int) -> str:
    return hash_secret(PASSWORD.encode(), b"salt" * 4, passes, memory, 1, 32, Type.ID).decode()


@once
def test_slow_ones_work_and_big_ones_match_no_password_and_both_are_told(engine: str, tmp_path: Path) -> None:
    hashes = {"big": hashed(262_144, 1), "slow": hashed(64, 30_000)}
    lines = [
        json.dumps({"name": name, "email": f"{name}@example.com", "password_hash": hash})
        for name, hash in hashes.items()
    ]
    more = ("--imported-hash-memory", "256", "--imported-hash-seconds", "5")
    with running(tmp_path / "data") as server, server.http() as http:
        server.rollbook("users", "import", "-", "--data", str(server.data), *more, input="\n".join(lines))
        server.stop()
        server.start()
        deadline = time.monotonic() + 60
        while not (told := [line for line in server.logged() if "no password matches" in str(line)]):
            assert time.monotonic() < deadline, "no warning"
            time.sleep(0.05)
        assert "One user has password hashes of 256 MiB" in str(told[0])
        with signed_in(server) as owner:
            page = owner.get("/admin/server").text
        assert f"One user has {BIG}, which needs 256 MiB: no password matches" in page
        assert f"One user has {SLOW}: a stranger" in page
        assert verify(http, "big@example.com", PASSWORD) == 401
        assert verify(http, "slow@example.com", PASSWORD) == 200
        server.stop()
        server.flags = more
        server.start()
        assert verify(http, "big@example.com", PASSWORD) == 200
        renewed = server.ask(
            "SELECT count(*) FROM users WHERE password_hash LIKE '%m=8,t=1,p=1$%' AND name IN ('big', 'slow')"
        )
        assert renewed == [(2,)]
