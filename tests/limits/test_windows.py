"""How a limit is written."""

from __future__ import annotations

import pytest

from rollbook.quota import NO_LIMIT, Limit, Window


@pytest.mark.parametrize(
    ("written", "limit"),
    [
        ("100/minute,5000/hour", (Window(100, 60), Window(5000, 3600))),
        ("5000/hour, 100 / Minute", (Window(100, 60), Window(5000, 3600))),
        ("10/30s", (Window(10, 30),)),
        ("1/second,2/minute,3/hour,4/day", (Window(1, 1), Window(2, 60), Window(3, 3600), Window(4, 86_400))),
        ("7/60s", (Window(7, 60),)),
        ("none", ()),
        (" None ", ()),
    ],
)
def test_a_limit_is_read_and_written_back(written: str, limit: tuple[Window, ...]) -> None:
    assert Limit.parse(written) == limit
    assert Limit.parse(str(Limit(limit))) == limit


def test_the_written_form_uses_the_names_of_the_units() -> None:
    assert str(Limit.parse("5/60s,3/90s,9/86400s")) == "5/minute,3/90s,9/day"
    assert str(NO_LIMIT) == "none"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "write 100/minute"),
        ("100", "write 100/minute"),
        ("100/week", "write 100/minute"),
        ("100/minute,", "write 100/minute"),
        ("-1/minute", "write 100/minute"),
        ("1.5/minute", "write 100/minute"),
        ("٣/minute", "write 100/minute"),
        ("100/minute,none", "write 100/minute"),
        ("0/minute", "admits 1 to"),
        ("2000000000/minute", "admits 1 to"),
        ("1/0s", "lasts 1 to"),
        ("1/9999999s", "lasts 1 to"),
        ("1/minute,2/60s", "same length"),
        ("1/1s,1/2s,1/3s,1/4s,1/5s", "at most 4"),
    ],
)
def test_what_is_no_limit_is_refused_with_advice(written: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Limit.parse(written)
