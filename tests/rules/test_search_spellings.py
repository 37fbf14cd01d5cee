"""Other spellings of a name or an email find more, and never less than what stands there."""

from __future__ import annotations

import random

from rollbook.records import rules
from rollbook.records.user_search import folding
from rollbook.records.user_search.folding import searched_text, spellings

# Letters that fold to others, and scripts in which marks are part of a letter.
CHARACTERS = "abcäßéİıøłĐæœΣς'’`´.-_+@%  \u0301\u0308กิ้ำहिन्दी김\u1100ㅏがｶﾞﾟ李😀\u200d\ufe0fאָبَ、・（½ﬁ㎏"


def test_whatever_stands_in_a_name_still_finds_it() -> None:
    choose = random.Random(1)
    tried = 0
    while tried < 5_000:
        try:
            name = rules.name("".join(choose.choices(CHARACTERS, k=choose.randrange(1, 12))))
        except ValueError:  # blank
            continue
        tried += 1
        text = choose.choice((name, rules.fold(name)))
        start = choose.randrange(len(text))
        term = text[start : start + choose.randrange(1, 8)]
        found, searched = spellings(term), searched_text(name, "a.b-c@d.example")
        assert {folding.is_short(each) for each in found} == {folding.is_short(rules.fold(term))}
        assert rules.fold(term) not in rules.fold(name) or any(each in searched for each in found), (name, term)
        assert searched.split("\n")[0] == rules.fold(name), "whatever else there is"


def test_a_plain_name_has_one_spelling_so_that_it_costs_nothing_more() -> None:
    assert searched_text("Ann LEE", "Ann.Lee-x+y@Acme.example") == "ann lee\nann.lee-x+y@acme.example"
    assert searched_text("李小龍", "li@acme.example") == "李小龍\nli@acme.example"
    for term in ("muller", "ann lee", "ann.lee@acme.example", "@acme", "ann.lee+x", ".com", "ann.", "李小龍", "किरण"):
        assert spellings(term) == [term]
