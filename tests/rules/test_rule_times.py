"""The moments at which a rule of every day runs: one a day, on the days that a zone has an hour twice or not at all, too."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from rollbook import clock
from rollbook.actions.arguments.rules import RuleWhen
from rollbook.actions.rule_people import day_of, next_daily
from tests.grids import grid

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu")


def runs(when: RuleWhen, first: date, days: int) -> list[datetime]:
    """Its runs, in its zone, of those days and at most one before and after."""
    zone = ZoneInfo(str(when.zone))
    at = int(datetime(first.year, first.month, first.day, tzinfo=zone).timestamp()) * clock.SECOND - clock.SECOND
    found: list[datetime] = []
    while len(found) < days:
        at = next_daily(when, at)
        found.append(datetime.fromtimestamp(at / clock.SECOND, zone))
        assert day_of(when, at) == found[-1].date().isoformat()
    return found


@grid("zone", ZONES)
@pytest.mark.parametrize("time", ["06:00", "00:00", "02:30", "23:59"])
def test_every_day_has_one_run(zone: str, time: str) -> None:
    first = date(2026, 1, 1)
    found = runs(RuleWhen(daily=time, zone=zone), first, 365)
    assert [at.date() for at in found] == [first + timedelta(number) for number in range(365)]
    unlike = [at for at in found if f"{at:%H:%M}" != time]
    assert len(unlike) <= 2, "only where there is no such time"
    if time == "06:00":
        assert not unlike


def test_an_hour_that_is_there_twice_counts_once_and_one_that_is_not_is_the_next() -> None:
    berlin = RuleWhen(daily="02:30", zone="Europe/Berlin")
    [twice] = runs(berlin, date(2026, 10, 25), 1)
    assert twice.astimezone(UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "the first of both"
    after = next_daily(berlin, int(twice.timestamp()) * clock.SECOND)
    assert after == int(datetime(2026, 10, 26, 1, 30, tzinfo=UTC).timestamp()) * clock.SECOND
    [missing] = runs(berlin, date(2026, 3, 29), 1)
    assert f"{missing:%H:%M}" == "03:00"


def test_a_day_that_a_zone_leaves_out_has_no_run_of_its_own() -> None:
    """Samoa went from 29 to 31 December 2011."""
    found = runs(RuleWhen(daily="06:00", zone="Pacific/Apia"), date(2011, 12, 28), 4)
    assert [at.isoformat()[:16] for at in found] == [
        "2011-12-28T06:00",
        "2011-12-29T06:00",
        "2011-12-31T06:00",
        "2012-01-01T06:00",
    ]
