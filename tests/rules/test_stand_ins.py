"""An account that has no hash behaves like one of those that have one, always the same."""

from __future__ import annotations

from collections import Counter

from rollbook.auth import passwords
from rollbook.auth.passwords import Passwords
from rollbook.auth.server_secret import Secret
from rollbook.config import Settings
from rollbook.records.password_parameters import Frequency

SECRET = Secret(b"s" * 32)
EMAILS = [f"user{number}@example.com" for number in range(4000)]
BCRYPT, SHA = "$2b$12$", "$6$rounds=5000$"


def chosen(today: int, old: dict[str, tuple[int, int]], secret: Secret = SECRET) -> list[str | None]:
    return [passwords.choose(secret, email, today, old) for email in EMAILS]


def test_each_set_of_parameters_is_chosen_as_often_as_users_have_it() -> None:
    for today, old in (
        (250, {BCRYPT: (700, 700), SHA: (50, 50)}),
        (250, {BCRYPT: (700, 750), SHA: (50, 100)}),
        (10, {BCRYPT: (940, 2000), SHA: (50, 50)}),  # most of those that had it were deleted
        (0, {BCRYPT: (1000, 1000), SHA: (0, 100)}),
    ):
        counted = Counter(chosen(today, old))
        for parameters, users in ((None, today), (BCRYPT, old[BCRYPT][0]), (SHA, old[SHA][0])):
            assert abs(counted[parameters] - 4 * users) < 100, (counted, today, old)
    assert set(chosen(1, {})) == set(chosen(0, {})) == {None}


def test_it_is_always_the_same_and_only_the_server_knows_which() -> None:
    old = {BCRYPT: (500, 500)}
    assert chosen(500, old) == chosen(500, old)
    others = sum(one != other for one, other in zip(chosen(500, old), chosen(500, old, Secret(b"t" * 32)), strict=True))
    assert 1800 < others < 2200


def test_it_changes_only_as_users_do_who_sign_in_and_are_renewed() -> None:
    before = chosen(250, {BCRYPT: (700, 700), SHA: (50, 50)})
    for renewed in (100, 300, 600):
        after = chosen(250 + renewed, {BCRYPT: (700 - renewed, 700), SHA: (50, 50)})
        changed = Counter((one, other) for one, other in zip(before, after, strict=True) if one != other)
        assert changed.keys() == {(BCRYPT, None)} and abs(changed[BCRYPT, None] - 4 * renewed) < 100
        assert chosen(250 + renewed + 200, {BCRYPT: (700 - renewed, 700), SHA: (50, 50)}) != after, (
            "new users make today's more frequent"
        )


def test_a_set_beyond_the_bounds_for_imported_hashes_or_without_users_is_never_chosen() -> None:
    hasher = Passwords(Settings())
    many = Frequency(10**9, 10**9, 1)
    beyond = {"$2b$15$": many, "$argon2id$v=19$m=262144,t=1,p=1$": many, "$2b$14$": Frequency(0, 5, 1)}
    assert {hasher.stand_in(SECRET, email, beyond) for email in EMAILS[:50]} == {hasher.current}
    assert Passwords(Settings(imported_hash_seconds=2)).stand_in(SECRET, "a", beyond) == "$2b$15$"
    never_counted = {hasher.current: Frequency(0, 0, 0), BCRYPT: Frequency(0, 0, 0)}
    assert {hasher.stand_in(SECRET, email, never_counted) for email in EMAILS[:50]} == {hasher.current, BCRYPT}
