"""New passwords: which are taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.records import rules


@pytest.mark.parametrize(
    "password",
    [
        "securepassword123",
        "correct horse battery staple",
        "zK4!wq7x",
        "p" * 255 + "q",
        "пароль-длинный",
        "😀" * 8,
        " two blanks ",
    ],
)
def test_a_password_is_taken_as_it_is(password: str) -> None:
    assert rules.password(password, 8, email="charlie@example.com", name="Charlie Chaplin") == password


@pytest.mark.parametrize(
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
        ("charlie@example.com", "same as the email"),
        ("CHARLIE@example.com", "same as the email"),
        ("charlie chaplin", "same as the name"),
        ("zK4!wq7\ud800", "surrogate"),
    ],
)
def test_a_bad_password_is_refused(password: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"^The password .*{words}") as refusal:
        rules.password(password, 8, email="charlie@example.com", name="Charlie Chaplin")
    assert not password or password not in str(refusal.value)


def test_the_least_length_is_a_setting() -> None:
    with pytest.raises(ValueError, match="shorter than 15"):
        rules.password("zK4!wq7xzK4!wq", 15)
    assert rules.password("zK4!wq7xzK4!wq7", 15) == "zK4!wq7xzK4!wq7"


def test_the_list_of_common_passwords_is_folded_and_holds_none_too_short_to_matter() -> None:
    common = rules._common_passwords()
    assert len(common) == 8354
    assert all(len(entry) >= 8 and rules.fold(entry) == entry for entry in common)


@given(st.text(st.characters(exclude_categories=[]), max_size=300))
def test_the_words_of_a_refusal_do_not_hold_the_password(text: str) -> None:
    password = f"private\ud800{text}"
    with pytest.raises(ValueError, match=r"^The password") as refusal:
        rules.password(password, 8)
    assert "private" not in str(refusal.value)
