"""Names: what is trimmed, what is refused, what is kept as it is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.records import rules
from tests.grids import grid


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Charlie Chaplin", "Charlie Chaplin"),
        ("  Alice Wonderland\t\n", "Alice Wonderland"),
        ("\u00a0\u3000Bob\u2003", "Bob"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("x", "x"),
        ("O'Brien-Müller, Jr. <b>", "O'Brien-Müller, Jr. <b>"),
        ("王小明", "王小明"),
        ("مریم می\u200cخواهد", "مریم می\u200cخواهد"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("a" * 255, "a" * 255),
        ("e\u0301" * 255, "\u00e9" * 255),
    ],
)
def test_a_name_is_trimmed_and_composed(sent: str, kept: str) -> None:
    assert rules.name(sent) == kept


@pytest.mark.parametrize(
    "blank",
    ["", " ", "\t\r\n", "\u00a0", "\u2003\u3000", "\u200b", "\u2060\ufeff", "\u3164", "\u0301", "\u2800", "\U0001d159"],
)
def test_a_blank_name_is_refused(blank: str) -> None:
    with pytest.raises(ValueError, match=r"^The name is blank"):
        rules.name(blank)


@pytest.mark.parametrize(
    "long", ["a" * 256, "\u00e9" * 256, "e\u0301" * 256, "😀" * 256, "a" + "\u0301\u0316" * 30_000]
)
def test_a_name_of_more_than_255_characters_is_refused(long: str) -> None:
    with pytest.raises(ValueError, match=r"^The name is longer than 255"):
        rules.name(long)


@grid(
    "control",
    [
        *map(chr, range(0x20)),
        *map(chr, range(0x7F, 0xA0)),
        *"\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ud800\udfff",
    ],
)
def test_a_control_character_within_a_name_is_refused(control: str) -> None:
    with pytest.raises(ValueError, match=r"^The name contains"):
        rules.name(f"Al{control}ice")


HIDDEN = [
    *(
        "\U000e0041",
        "\u200f",
        "\u061c",
        "\ufeff",
        "\xad",
        "\u200b",
        "\u2060",
        "\u034f",
        "\ufe0f",
        "\U000e0100",
        "\u200d",
    ),
    *("\u0600", "\u206a", "\U0001bca0", "\U000e0fff", "\u3164"),
    *("\u2800", "\u115f", "\u1160", "\uffa0", "\U00016fe4", "\U00013441", "\U00013442", "\U0001d159"),
]


@grid("character", [*HIDDEN, "❤\ufe0f\ufe0f", "👩\u200d\u200d💻", "\u05d0\u200f", "🏴\U000e0067"], ids=ascii)
def test_what_no_one_sees_is_refused_in_names_and_emails_alike(character: str) -> None:
    with pytest.raises(ValueError, match=r"^The name contains an invisible character \(U\+"):
        rules.name(f"Al{character}ice")
    with pytest.raises(ValueError, match=r"^The email address contains"):
        rules.email(f"al{character}ice@example.com")


@pytest.mark.parametrize(
    "name",
    [
        "می\u200cخواهم",
        "ക്\u200d",
        "क्\u200dष",
        "👩\u200d💻",
        "❤️\u200d🔥",
        "🏃🏽\u200d♀️",
        "1️⃣ Team",
        "©️",
        "葛\U000e0100飾",
        "葛\ufe00",
    ],
)
def test_joiners_and_selectors_that_scripts_and_emoji_need_are_kept(name: str) -> None:
    assert rules.name(name) == name


@given(st.text(st.characters(exclude_categories=[]), max_size=300))
def test_what_was_taken_is_taken_again_unchanged(text: str) -> None:
    try:
        kept = rules.name(text)
    except ValueError:
        return
    assert rules.name(kept) == kept == unicodedata.normalize("NFC", kept)
    assert 1 <= len(kept) <= 255
    kept.encode()


@given(st.text(st.characters(exclude_categories=[]), max_size=300))
def test_the_words_of_a_refusal_do_not_hold_the_name(text: str) -> None:
    text = f"\x00{text}private"
    with pytest.raises(ValueError, match=r"^The name contains") as refusal:
        rules.name(text)
    assert "private" not in str(refusal.value)


@given(st.text())
def test_folding_twice_is_folding_once_and_case_does_not_matter(text: str) -> None:
    folded = rules.fold(text)
    assert rules.fold(folded) == folded
    assert rules.fold(text.lower()) == rules.fold(unicodedata.normalize("NFD", text)) == folded


@pytest.mark.parametrize(
    ("text", "folded"), [("ALICE", "alice"), ("Straße", "strasse"), ("ΣΊΣΥΦΟΣ", "σίσυφοσ"), ("E\u0301", "é")]
)
def test_folding(text: str, folded: str) -> None:
    assert rules.fold(text) == folded
