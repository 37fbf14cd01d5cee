"""People sign in with the passwords they had in another system, whichever hash it kept, and get an argon2id hash of
today."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx2
import pytest

from rollbook.auth.password_hashes import is_weak
from tests.engines import once
from tests.harness import Server, running
from tests.rules.test_password_hashes import FIREBASE, SALT, SIGNER_KEY, VECTORS, firebase

pytestmark = once  # no database has a part in hashes
TODAY = "$argon2id$v=19$m=8,t=1,p=1$"
KNOWN = [
    (secret.decode(), hash)
    for secret, hash in VECTORS.values()
    if secret.isascii() and re.fullmatch(rb"[\w ]+", secret)
]
PEOPLE = [
    (f"user{number}@example.com", password, hash)
    for number, (password, hash) in enumerate(
        [*KNOWN, ("user1password", firebase(FIREBASE, SALT, SIGNER_KEY, "Bw==", 8, 14))]
    )
]


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = ("--rate-limit", "none", "--attempts-limit", "none", "--address-attempts-limit", "none")
    with running(tmp_path_factory.mktemp("server") / "data", *limits) as server:
        yield server


def verify(http: httpx2.Client, email: str, password: str) -> int:
    return http.post("/v1/users/verify-password", json={"email": email, "password": password}).status_code


def test_every_hash_is_imported_verified_and_renewed_at_the_first_sign_in(server: Server, http: httpx2.Client) -> None:
    lines = [json.dumps({"name": "Alice", "email": email, "password_hash": hash}) for email, _, hash in PEOPLE]
    server.rollbook("users", "import", "-", "--data", str(server.data), input="\n".join(lines))
    kept = [hash for (hash,) in server.ask("SELECT password_hash FROM users WHERE name = 'Alice'")]
    assert not [hash for hash in kept if is_weak(hash)] and sum(hash.startswith("$wrapped-") for hash in kept) >= 4
    for email, password, _ in PEOPLE:
        assert verify(http, email, password) == 200
    hashes = server.ask("SELECT substr(password_hash, 1, 27) FROM users WHERE name = 'Alice'")
    assert hashes == [(TODAY,)] * len(PEOPLE)
    for email, password, _ in PEOPLE:
        assert verify(http, email, password) == 200
        assert verify(http, email, password + "x") == 401


def test_a_hash_that_cannot_be_used_is_refused_with_its_line_and_not_quoted(server: Server) -> None:
    hashes = {
        "unknown@example.com": "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8",
        "slow@example.com": "$2b$17$" + "C" * 53,
    }
    lines = [json.dumps({"name": "Bob", "email": email, "password_hash": hash}) for email, hash in hashes.items()]
    said = server.rollbook("users", "import", "-", "--data", str(server.data), input="\n".join(lines), check=False)
    told = said.stdout + said.stderr
    assert said.returncode != 0
    assert "not in a format that Rollbook knows" in told and "too expensive to verify" in told
    assert "cff36ea83f57" not in told and "CCCCCCCCCC" not in told
    assert server.ask("SELECT 1 FROM users WHERE name = 'Bob'") == []
