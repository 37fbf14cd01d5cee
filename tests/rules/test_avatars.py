"""Initials of people, whatever their names are written in."""

from __future__ import annotations

import pytest

from rollbook.web.templates import HUES, hue, initials


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Ada Lovelace", "AL"),
        ("ola", "O"),
        ("José María Ñúñez de la Peña", "JP"),
        ("Wolfgang Amadeus  Mozart (Salzburg)", "WM"),
        ("李小龍", "李"),
        ("محمد الفاتح", "م"),
        ("ßigmund ßtraße", "SS"),
        ("🦊", "🦊"),
        ("", ""),
    ],
)
def test_initials_are_the_first_letters_of_the_first_and_the_last_name(name: str, letters: str) -> None:
    assert initials(name) == letters


def test_a_color_is_that_of_the_id() -> None:
    assert hue("user_a") == hue("user_a")
    assert {hue(f"user_{number}") for number in range(200)} == set(range(HUES))
