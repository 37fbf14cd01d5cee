"""Whether an account exists is not told by how long a wrong password takes, whatever parameters the hashes in the
database have."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from argon2 import Type
from argon2.low_level import hash_secret

from rollbook.records import password_parameters
from tests.engines import once
from tests.harness import Server, new_user, running

PASSWORD = "a lobster in the library"
TODAY = "$argon2id$v=19$m=8,t=1,p=1$"
BCRYPT, SHA_CRYPT = "$2b$08$", "$6$rounds=10000$"
FOREIGN = {  # of the same password, by bcrypt 5 and by openssl passwd -6
    "bcrypt": "$2b$08$V2qVvXq5Amq4.37nTAsPreVP2vXRPLaJWenI4fk2mXYcqn3G3xxYm",
    "sha": "$6$rounds=10000$saltstring$yj/5DL1qmlsn3c0TFYKw1ps6mis.RSOvSFFXrO0zEVSrLbhZbd/wPwBLHBH16VYUNqwyxB87ivvmqE4Da78l4.",
}
SLOW, ODD = "$argon2id$v=19$m=65536,t=2,p=1$", "$argon2i$v=16$m=4096,t=1,p=2$"


def hashed(parameters: str) -> str:
    version, memory, passes, lanes = map(int, re.findall(r"=([0-9]+)", parameters))
    kind = Type.ID if parameters.startswith("$argon2id$") else Type.I
    return hash_secret(PASSWORD.encode(), b"salt" * 4, passes, memory, lanes, 32, kind, version).decode()


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Of its users half have a hash that takes a thousand times as long as today's, one a hash of another kind, and two
    those of other systems."""
    limits = ("--rate-limit", "none", "--attempts-limit", "none", "--account-attempts-limit", "none")
    with running(tmp_path_factory.mktemp("server") / "data", *limits) as server:
        slow = dict.fromkeys(("slow", "slow1", "slow2", "slow3"), hashed(SLOW))
        people = {**slow, "odd": hashed(ODD), **FOREIGN}
        lines = [
            json.dumps({"name": name, "email": f"{name}@example.com", "password_hash": hash})
            for name, hash in people.items()
        ]
        server.rollbook("users", "import", "-", "--data", str(server.data), input="\n".join(lines))
        yield server


def verify(http: httpx2.Client, email: str, password: str) -> int:
    return http.post("/v1/users/verify-password", json={"email": email, "password": password}).status_code


def in_use(server: Server) -> list[str]:
    return [row[0] for row in server.ask("SELECT parameters FROM password_parameters ORDER BY cost DESC")]


def cpu_seconds(server: Server) -> float:
    """What it has computed so far. Waiting for a core, which says more about the machine, is not in it."""
    assert server.process is not None
    user, system = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@once  # which hashes are computed, the next test asks of each database
def test_an_unknown_account_takes_as_long_as_one_of_the_known_ones_and_always_the_same(
    server: Server, http: httpx2.Client
) -> None:
    today = new_user(http)["email"]
    unknown = [f"nobody{number}@example.com" for number in range(24)]
    took: dict[str, list[float]] = {email: [] for email in (today, "slow@example.com", "odd@example.com", *unknown)}
    # In turns, and the least of each: what else the server or the machine does only adds to it.
    for _ in range(2):
        for email in took:
            before = cpu_seconds(server)
            assert verify(http, email, "wrong password") == 401
            took[email].append(cpu_seconds(server) - before)
    least = {email: min(each) for email, each in took.items()}
    assert least["slow@example.com"] > 4 * max(least[today], least["odd@example.com"], 0.01), least
    slow = [email for email in unknown if least[email] > least["slow@example.com"] / 2]
    assert 0 < len(slow) < len(unknown), least
    assert max(least.values()) < 2 * least["slow@example.com"], "a guess costs one hash"


def test_parameters_are_forgotten_when_the_last_hash_that_had_them_is_renewed(
    server: Server, http: httpx2.Client
) -> None:
    assert in_use(server) == [SLOW, BCRYPT, SHA_CRYPT, ODD, TODAY]
    assert server.ask("SELECT users, most FROM password_parameters ORDER BY cost DESC LIMIT 2") == [(4, 4), (1, 1)]
    for name in ("slow", "slow1", "slow2", "slow3", *FOREIGN):
        assert verify(http, f"{name}@example.com", PASSWORD) == 200
    assert server.ask("SELECT substr(password_hash, 1, 27) FROM users WHERE name = 'slow'") == [(TODAY,)]
    # A deleted user can be restored, with the hash they had.
    [odd] = http.get("/v1/users", params={"email": "odd@example.com"}).json()
    assert http.delete(f"/v1/users/{odd['id']}").status_code == 204
    server.stop()
    server.start()
    deadline = time.monotonic() + 60
    while in_use(server) != [ODD, TODAY]:
        assert time.monotonic() < deadline, in_use(server)
        time.sleep(0.05)
    [(users,)] = server.ask("SELECT count(*) FROM users WHERE password_hash IS NOT NULL")
    counted = server.ask("SELECT users, most, counted_at > 0 FROM password_parameters ORDER BY cost DESC")
    assert [tuple(map(int, row)) for row in counted] == [(0, 1, 1), (users, users, 1)], (
        "nobody is left who could sign in with it"
    )
    assert http.post(f"/v1/users/{odd['id']}/restore").status_code == 200
    assert verify(http, "odd@example.com", PASSWORD) == 200


@pytest.mark.parametrize("kind", [Type.D, Type.I, Type.ID])
@pytest.mark.parametrize("version", [0x10, 0x13])
def test_the_parameters_of_every_kind_of_hash_are_found(kind: Type, version: int) -> None:
    hash = hash_secret(b"x", b"saltsalt", 3, 128, 2, 24, kind, version).decode()
    parameters = password_parameters.of(hash)
    assert hash.startswith(parameters) and parameters.endswith("m=128,t=3,p=2$")
    assert password_parameters.of(hash.replace("$v=16", "")) == parameters.replace("$v=16", "")
