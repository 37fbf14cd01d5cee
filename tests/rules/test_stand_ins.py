"""An account that has no hash behaves like one of those that have one, always the same."""

from __future__ import annotations

from collections import Counter

from rollbook.auth import stand_ins
from rollbook.auth.passwords import Passwords
from rollbook.auth.server_secret import Secret
from rollbook.config import Settings

SECRET = Secret(b"s" * 32)
EMAILS = [f"user{number}@example.com" for number in range(4000)]
BEFORE = {"$2b$12$": 700, "$argon2id$v=19$m=19456,t=2,p=1$": 250, "$6$rounds=5000$": 50}


def test_each_set_of_parameters_is_chosen_as_often_as_accounts_have_it() -> None:
    chosen = Counter(stand_ins.choose(SECRET, email, BEFORE) for email in EMAILS)
    for parameters, accounts in BEFORE.items():
        assert abs(chosen[parameters] - 4 * accounts) < 100, chosen
    assert all(stand_ins.choose(SECRET, email, BEFORE) == stand_ins.choose(SECRET, email, BEFORE) for email in EMAILS[:50])
    assert any(
        stand_ins.choose(Secret(b"t" * 32), email, BEFORE) != stand_ins.choose(SECRET, email, BEFORE) for email in EMAILS[:50]
    )


def test_a_set_beyond_the_bounds_for_imported_hashes_is_never_chosen() -> None:
    hasher = Passwords(Settings())
    beyond = {"$2b$15$": 10**9, "$argon2id$v=19$m=262144,t=1,p=1$": 10**9}
    assert {hasher.stand_in(SECRET, email, beyond) for email in EMAILS[:50]} == {hasher.current}
    assert {hasher.stand_in(SECRET, email, {}) for email in EMAILS[:5]} == {hasher.current}
    assert Passwords(Settings(imported_hash_seconds=2)).stand_in(SECRET, "a", beyond) == "$2b$15$"
