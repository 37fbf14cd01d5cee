"""The texts of pages and mails: the same in every language, each of them used, and which language a reader gets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Formatter

import pytest
from msgspec import Struct

from rollbook import units
from rollbook.actions.arguments.factors import SecondFactorActivation, SecondFactorName
from rollbook.actions.arguments.passwords import PasswordChange
from rollbook.actions.arguments.users import UserUpdate
from rollbook.actions.checking import check, new_password
from rollbook.errors import InvalidParameter
from rollbook.languages import NAMES, chosen, language
from rollbook.records import guessable, rules
from rollbook.web import notices
from rollbook.web.forms import LABELS, by_field
from rollbook.web.page_request import CUSTOMER_PAGES
from tests.grids import grid

SRC = Path(__file__).parents[2] / "src" / "rollbook"
MADE_UP = re.compile(r"(error|title|advice|fix|second|minute|hour|day|characters_needed|mail)_")
OTHERS = [code for code in NAMES if code != "en"]


@pytest.mark.parametrize("code", OTHERS)
def test_every_language_has_the_same_texts_with_the_same_values(code: str) -> None:
    english, other = language("en").texts, language(code).texts  # pyrefly: ignore[bad-argument-type]
    assert list(other) == list(english)
    for key, text in other.items():
        assert text.strip() == text and text, key
        if not key.startswith("error_"):  # an error may leave out what its reader need not know
            assert _values(text) == _values(english[key]), key
        assert _values(text) <= _values(english[key]), key
        assert "'" not in text and '"' not in text, f"{key}: typographic quotation marks and apostrophes"


@pytest.mark.parametrize("code", NAMES)
def test_a_file_has_each_text_once_and_shows_its_no_break_spaces(code: str) -> None:
    text = (SRC / "languages" / f"{code}.json").read_text()
    keys = [key for key, _ in json.loads(text, object_pairs_hook=list)]
    assert len(keys) == len(set(keys))
    assert "\u00a0" not in text and "\u202f" not in text, "write \\u00a0: nobody sees the character"


def test_every_text_that_is_used_is_there() -> None:
    files = [path for path in SRC.rglob("*") if path.suffix in (".py", ".html")]
    source = "\n".join(path.read_text() for path in files)
    used = set(re.findall(r"(?<![\w.])(?:\w+\.)?t\(\s*['\"](\w+)['\"]\s*[,)]", source))
    texts = language("en").texts
    assert len(used) > 20 and used <= set(texts)
    # Some keys are put together where they are used, and some sentences are found by what they say.
    said = {key for key, text in texts.items() if any(text == each.text for each in notices.NOTICES.values())}
    named = set(re.findall(r"['\"](\w+)['\"]", source))
    assert {key for key in texts if not MADE_UP.match(key)} - named - said == set()


@pytest.mark.parametrize("code", OTHERS)
def test_what_can_be_wrong_with_a_password_or_a_name_is_said_in_every_language(code: str) -> None:
    reader = language(code)  # pyrefly: ignore[bad-argument-type]
    sentences = []
    for attempt in (
        lambda: rules.password("short", 8),
        lambda: rules.password("x" * 257, 8),
        lambda: rules.password("lone \ud800 surrogate", 8),
        lambda: rules.password("ada@example.com", 8, email="ada@example.com"),
        lambda: rules.password("Ada Lovelace", 8, name="Ada Lovelace"),
        lambda: rules.password("password", 8),
        lambda: rules.password("monkey!2024", 8),
        lambda: rules.password("lovelace2024", 8, name="Ada Lovelace"),
        lambda: rules.password("abababababab", 8),
        lambda: new_password("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA", 8),
        lambda: rules.name(" "),
        lambda: rules.name("x" * 256),
        lambda: rules.name("a\nb"),
        lambda: rules.email("é" * 200 + "@example.com"),
    ):
        with pytest.raises(ValueError) as refusal:
            attempt()
        sentences.append(str(refusal.value))
    assert {guessable.COMMON, guessable.WITH_SIGNS, guessable.ABOUT_USER, guessable.REPEATED} <= set(sentences)
    for sentence in sentences:
        assert reader.says(sentence), sentence
    forms: list[tuple[type[Struct], dict[str, str]]] = [
        (SecondFactorActivation, {"code": "123"}),
        (SecondFactorActivation, {"code": "1" * 65}),
        (SecondFactorName, {"name": ""}),
        (SecondFactorName, {"name": "x" * 101}),
        (SecondFactorName, {"name": "a\nb"}),
        (PasswordChange, {"password": "a good long one", "current_password": ""}),
        (UserUpdate, {"name": "A\u200fB"}),
    ]
    for kind, form in forms:
        with pytest.raises(InvalidParameter) as fault:
            check(kind, form, 8)
        [sentence] = by_field(fault.value, {**LABELS, "code": "The code"}).values()
        assert reader.says(sentence), sentence
    number = re.compile(r"\d+")
    assert number.findall(reader.said("The password is shorter than 15 characters.")) == ["15"]
    assert reader.said("No one has translated this.") == "No one has translated this."
    assert language("en").said("535 'bad' of the users' (it can't)") == "535 ‘bad’ of the users’ (it can’t)"


@grid(
    ("asked", "accept", "code"),
    [
        ("", "", "en"),
        ("", "de", "de"),
        ("", "de-CH, en;q=0.8", "de"),
        ("", "en-US,en;q=0.9,fr;q=0.8", "en"),
        ("", "en;q=0.5, fr;q=0.9, de;q=0.7", "fr"),
        ("", "nl, pt-BR;q=0.3", "pt"),
        ("", "JA-jp", "ja"),
        ("", "nl", "en"),
        ("", "*", "en"),
        ("", "en;q=0, *", "de"),
        ("", "de;q=0", "en"),
        ("", "de;q=0.2;x=1, es;q=0.1", "es"),
        ("", "de;q=2, es;q=0.001", "es"),
        ("", ";,;q=1,-,fr-" + "x" * 5000, "en"),
        ("ja", "de", "ja"),
        ("fr-CA", "de", "fr"),
        ("xx", "de", "de"),
        ("../de", "", "en"),
    ],
)
def test_a_reader_gets_the_language_of_the_url_or_the_one_the_browser_likes_best(
    asked: str, accept: str, code: str
) -> None:
    assert chosen(asked, accept, "en") == code


def test_the_setting_decides_for_browsers_that_ask_for_none_of_ours() -> None:
    assert chosen("", "nl, *;q=0.1", "ja") == "ja"
    assert chosen("", "", "pt") == "pt"


def test_lengths_of_time_are_those_of_the_pages() -> None:
    for seconds in (1, 40, 90, 3600, 3601, 36 * 3600, 30 * 86_400):
        assert language("en").duration(seconds) == units.duration(seconds)
    assert language("de").duration(1) == "1 Sekunde"
    assert language("ja").duration(7 * 86_400) == "7日"
    assert language("fr").duration(30 * 60) == "30\u00a0minutes"


def test_pages_for_customers_are_told_by_whole_names() -> None:
    """A page such as /account/sign-in-link begins with the name of another: both are for customers."""
    assert all(path.startswith(("/account/", "/oauth2/")) and not path.endswith("/") for path in CUSTOMER_PAGES)


def _values(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}
