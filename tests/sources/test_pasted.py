"""Lists of people as they are pasted."""

from __future__ import annotations

import contextlib
import time

import pytest

from rollbook.sources import pasted
from rollbook.sources.pasted import UNCLEAR, UnreadableList, read
from tests.grids import grid

ADA = ("Ada Byron", "ada@example.com")


def people(text: str) -> list[tuple[str, str] | str]:
    """Name and email of each, or the problem."""
    return [each.problem or (each.fields["name"], each.fields["email"]) for each in read(text)]


@grid(
    ("text", "expected"),
    [
        ("Ada Byron <ada@example.com>", [ADA]),
        (" Ada Byron<ada@example.com> \r\n\r\n", [ADA]),
        ('"Byron, Ada" <ada@example.com>', [("Byron, Ada", "ada@example.com")]),
        ("Ada Byron, ada@example.com", [ADA]),
        ("ada@example.com;Ada Byron", [ADA]),
        ("ada@example.com\tAda Byron", [ADA]),
        ("<ada@example.com>", [("ada", "ada@example.com")]),
        ("ada@example.com, bob@example.com;", [("ada", "ada@example.com"), ("bob", "bob@example.com")]),
        ("Ada Byron <ada@example.com>, bob@example.com", [ADA, ("bob", "bob@example.com")]),
        ("田中 さくら <sakura@例え.jp>", [("田中 さくら", "sakura@例え.jp")]),
        ("Ada Byron ada@example.com", [UNCLEAR]),
        ("Ada Byron, Lady, ada@example.com", [UNCLEAR]),
        ("nothing", [("nothing", "nothing")]),
        ("Ada <<ada@example.com>>", [UNCLEAR]),
        ("Email,Name\nada@example.com,Ada Byron", [ADA]),
        ("name;email\n\nAda Byron;ada@example.com\n;bob@example.com\n", [ADA, ("bob", "bob@example.com")]),
        ('name,email\n"Byron, Ada",ada@example.com', [("Byron, Ada", "ada@example.com")]),
        ("name,email\nada@example.com", ["The row has 1 cells, the header 2."]),
        ("", []),
    ],
)
def test_a_list(text: str, expected: list[tuple[str, str] | str]) -> None:
    assert people(text) == expected


def test_lines_are_those_of_the_text() -> None:
    assert [(each.line, each.text) for each in read("\na@example.com\n\nb c\n")] == [(2, "a@example.com"), (4, "b c")]
    rows = read('email,name\na@example.com,A\nb@example.com,"B\nB"\nc@example.com,C')
    assert [each.line for each in rows] == [2, 4, 5]
    assert [rows[0].text, rows[2].text] == ["a@example.com,A", "c@example.com,C"]
    assert pasted.header("Email,Name\na@example.com,A") == "Email,Name" and pasted.header("a@example.com") == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("email,team\na@example.com,x", "“team” is not known"),
        ("email,email\na@example.com,x", "same name"),
        ('email,name\na@example.com,"A', "quotation mark"),
        ("\n".join(["a@example.com"] * 1_001), "At most 1,000"),
    ],
)
def test_what_cannot_be_read_at_all(text: str, why: str) -> None:
    with pytest.raises(UnreadableList, match=why):
        read(text)


@pytest.mark.parametrize("part", ['"', "<", ">", '",', "<a@b", "a@b,", "email,", "\t", '"<'])
def test_reading_takes_no_longer_than_the_list_is_long(part: str) -> None:
    began = time.process_time()
    with contextlib.suppress(UnreadableList):
        read(part * 100_000)
    assert time.process_time() - began < 2
