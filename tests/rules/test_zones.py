"""Times in the zone of a reader: typed, shown and plotted as the clocks there show them, also on the days on which these are
changed."""

from __future__ import annotations

import re

import pytest

from rollbook import clock
from rollbook.records.usage import Hour
from rollbook.web import plots, zones
from rollbook.web.admin import user_filters
from tests.grids import grid

BERLIN, TOKYO, KOLKATA = (zones.named(name) for name in ("Europe/Berlin", "Asia/Tokyo", "Asia/Kolkata"))


@pytest.mark.parametrize(
    ("zone", "typed", "last", "utc"),
    [
        (zones.WORLD, "2026-11-29T01:16", False, "2026-11-29T01:16:00Z"),
        (TOKYO, "2026-11-29T01:16", False, "2026-11-28T16:16:00Z"),
        (KOLKATA, "2026-11-29T01:16", False, "2026-11-28T19:46:00Z"),
        (BERLIN, "2026-07-01T12:00", False, "2026-07-01T10:00:00Z"),
        (BERLIN, "2026-12-01T12:00", False, "2026-12-01T11:00:00Z"),
        # Clocks are set back: half past two comes twice. From means the first, until the second.
        (BERLIN, "2026-10-25T02:30", False, "2026-10-25T00:30:00Z"),
        (BERLIN, "2026-10-25T02:30", True, "2026-10-25T01:30:00Z"),
        (BERLIN, "2026-10-25T03:30", False, "2026-10-25T02:30:00Z"),
    ],
)
def test_what_is_typed_is_in_the_zone_and_shown_again(zone: zones.Zone, typed: str, last: bool, utc: str) -> None:
    assert zone.utc(typed, last) == utc
    assert zone.typed(utc, last) == typed


def test_a_time_that_clocks_skip_is_near_it() -> None:
    assert BERLIN.utc("2026-03-29T02:30") in ("2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z")


def test_a_form_is_in_utc_where_the_zone_could_not_tell_its_times_apart() -> None:
    assert zones.fitting(BERLIN, [("2026-10-25T00:30:00Z", False), ("", True)]) == BERLIN
    assert zones.fitting(BERLIN, [("2026-10-25T01:30:00Z", False)]) == zones.WORLD, "the second half past two"
    assert zones.fitting(TOKYO, [("2026-11-28T16:16:07Z", False)]) == zones.WORLD, "fields have no seconds"


@pytest.mark.parametrize("text", ["", "soon", "2026-02-30T10:00", "0001-01-01T00:00", "9999-12-31T23:59", "2026-11-29"])
def test_other_text_is_left_to_who_checks_it(text: str) -> None:
    for zone in (zones.WORLD, TOKYO, zones.named("America/New_York")):
        assert zone.utc(text) in (text, f"{text}:00Z") or text.startswith("9999")


@grid(
    "name",
    [
        None,
        "",
        "UTC",
        "Etc/UTC",
        "Asia/Nowhere",
        "Asia",
        "../../etc/passwd",
        "/etc/passwd",
        "Asia/",
        "x" * 100,
        "Ä/B",
        "posixrules/..",
    ],
)
def test_an_unknown_zone_is_utc(name: str | None) -> None:
    assert zones.named(name) == zones.WORLD


def test_a_day_of_the_list_of_users_is_one_of_the_zone() -> None:
    asked = user_filters.asked_of(
        {"created_after": "2026-10-25", "created_before": "2026-10-25", "zone": "Europe/Berlin"}
    )
    found = user_filters.filters_of(asked)
    assert (
        found["created_after"] == "2026-10-24T21:59:59.999999Z" and found["created_before"] == "2026-10-25T23:00:00Z"
    ), "25 hours"
    assert user_filters.list_url(asked).endswith("zone=Europe%2FBerlin")
    assert "zone" not in user_filters.asked_of({"q": "ada", "zone": "Europe/Berlin"})


def _plotted(zone: zones.Zone, since: str, hours: int) -> str:
    start = clock.parse(since)
    counted = [Hour(start + at * clock.HOUR, 1, 0, 0, 0) for at in range(hours)]
    return str(plots.requests(counted, start, start + hours * clock.HOUR, zone=zone))


def test_a_plot_is_in_the_zone_and_names_it() -> None:
    drawn = _plotted(TOKYO, "2026-11-28T16:00:00Z", 24)
    assert "Hour (Asia/Tokyo)" in drawn and "Sun 29 Nov, 01:00–02:00 JST: 1 successful" in drawn
    marks = re.findall(r'<line class="axis" x1="([0-9.]+)%"[^/]*/><text[^>]*>([0-9:]+)</text>', drawn)
    assert [text for _, text in marks] == ["06:00", "12:00", "18:00"]
    assert [float(x) for x, _ in marks] == [round(hour / 24 * 100, 3) for hour in (5, 11, 17)]
    assert "05:30–06:30 IST" in _plotted(KOLKATA, "2026-11-28T00:00:00Z", 24)


@pytest.mark.parametrize(("counted", "told"), [(0, "0 new users in total."), (1, "1 new user in total.")])
def test_a_plot_of_new_users_counts_one_as_one(counted: int, told: str) -> None:
    assert told in plots.users_by_day([(clock.parse("2026-11-28T23:00:00Z"), counted)], BERLIN)


def test_the_hour_that_comes_twice_has_two_bars_that_are_told_apart() -> None:
    drawn = _plotted(BERLIN, "2026-10-24T22:00:00Z", 24)
    assert drawn.count("Sun 25 Oct, 02:00–02:00 CEST") == drawn.count("Sun 25 Oct, 02:00–03:00 CET") == 2
    assert drawn.count('<g class="column"') == 24


def test_days_of_the_zone_are_as_long_as_they_are() -> None:
    now = clock.parse("2026-10-26T12:00:00Z")
    days = BERLIN.last_days(now, 3)
    assert [clock.format_time(day) for day in days] == [
        "2026-10-23T22:00:00Z",
        "2026-10-24T22:00:00Z",
        "2026-10-25T23:00:00Z",
    ]
