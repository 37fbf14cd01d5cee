"""New passwords: which are taken."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.records import guessable, rules
from tests.grids import grid


@pytest.mark.parametrize(
    "password",
    [
        "securepassword123",
        "correct horse battery staple",
        "zK4!wq7x",
        "p" * 255 + "q",
        "пароль-длинный",
        "😀😃😄😁😆😅😂🤣",
        " two blanks ",
        "dragon837465",
        "##9267xyq!!!",
        "tiger-balloon-42",
    ],
)
def test_a_password_is_accepted_as_it_is(password: str) -> None:
    assert rules.password(password, 8, email="charlie@example.com", name="Charlie Chaplin") == password


@grid(
    ("password", "words"),
    [
        ("", "shorter than 8"),
        ("zK4!wq7", "shorter than 8"),
        ("😀" * 7, "shorter than 8"),
        ("zK4!" * 64 + "x", "longer than 256"),
        ("a" + "\u0301\u0316" * 100_000, "longer than 256"),
        ("trustno1", "too common"),
        ("PassWord1", "too common"),
        ("  password1 ", "too common"),
        ("12345678", "too common"),
        ("１２３４５６７８", "too common"),
        ("qwertyuiop", "too common"),
        ("9876543210987654321", "too common"),
        ("qwertyuiopasdfghjk", "too common"),
        ("Summer2026!", "common word with digits"),
        ("$ummer-2026", "common word with digits"),
        ("Herbst2026", "common word with digits"),
        ("Password123!", "common word with digits"),
        ("P@55w0rd!!", "common word with digits"),
        ("!!Welcome1", "common word with digits"),
        ("dragon123456", "common word with digits"),
        ("let-me-in-2026", "common word with digits"),
        ("hunter2hunter2", "common word with digits"),
        ("-/-/-/-/-/-/", "repeats a few"),
        ("x7!x7!x7!x7!", "repeats a few"),
        ("charlie1", "too common"),
        ("Chaplin1889", "name or email"),
        ("CharlieChaplin!", "name or email"),
        ("chaplin.charlie", "name or email"),
        ("ch4pl1n-2026", "name or email"),
        ("chaplinpassword1", "name or email"),
        ("example2026", "name or email"),
        ("rollbook", "name of this server"),
        ("Rollbook1!", "name of this server"),
        ("Acme-Cloud-2026", "name of this server"),
        ("charlie@example.com", "same as the email"),
        ("CHARLIE@example.com", "same as the email"),
        ("charlie chaplin", "same as the name"),
        ("zK4!wq7\ud800", "surrogate"),
    ],
)
def test_a_bad_password_is_refused(password: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"^The password .*{words}") as refusal:
        rules.password(
            password, 8, email="charlie@example.com", name="Charlie Chaplin", words=("Rollbook", "Acme Cloud")
        )
    assert not password or password not in str(refusal.value)


def test_the_least_length_is_a_setting() -> None:
    with pytest.raises(ValueError, match="shorter than 15"):
        rules.password("zK4!wq7xzK4!wq", 15)
    assert rules.password("zK4!wq7xzK4!wq7", 15) == "zK4!wq7xzK4!wq7"


def test_the_list_of_common_passwords_is_folded_and_holds_as_many_as_the_docs_say() -> None:
    common = guessable._list().decode().splitlines()
    long = [entry for entry in common if len(entry) >= rules.LEAST_LENGTH]
    assert len(long) == 100_000
    assert all(rules.comparable(entry) == entry for entry in common)
    assert all(entry.isalpha() and len(entry) >= 3 for entry in common if len(entry) < rules.LEAST_LENGTH)
    assert sorted(map(str.encode, common)) == [entry.encode() for entry in common]
    assert all(map(guessable._is_common, common))
    assert not guessable._is_common("securepassword123")


def test_passwords_that_were_made_at_random_are_accepted() -> None:
    chosen = random.Random(5)
    made = ["".join(chosen.choices(string.ascii_letters + string.digits, k=12)) for _ in range(5000)]
    assert all(rules.password(each, 8) == each for each in made)


@given(st.text(st.characters(exclude_categories=[]), max_size=300))
def test_the_words_of_a_refusal_do_not_hold_the_password(text: str) -> None:
    password = f"private\ud800{text}"
    with pytest.raises(ValueError, match=r"^The password") as refusal:
        rules.password(password, 8)
    assert "private" not in str(refusal.value)
