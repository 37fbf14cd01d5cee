"""Time zones of readers: times that they type and plots that they see are in the zone of their browser, which a script
tells by a field of the form that signs in, and later by a cookie. Without scripts all is UTC."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rollbook import clock
from rollbook.http.request import line

COOKIE = "rollbook-zone"
SECONDS = 2_592_000
"""Seconds for which a browser keeps the cookie."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,2}").fullmatch
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}").fullmatch


class Zone(NamedTuple):
    """A time zone and its name."""

    name: str
    info: tzinfo

    def local(self, at: int) -> datetime:
        """The time on the clocks of the zone."""
        return datetime.fromtimestamp(at / clock.SECOND, self.info)

    def midnight(self, day: date) -> int:
        """The beginning of the day."""
        return int(datetime(day.year, day.month, day.day, tzinfo=self.info).timestamp()) * clock.SECOND

    def last_days(self, now: int, days: int) -> list[int]:
        """Beginnings of so many days, the last of which is today."""
        today = self.local(now).date()
        return [self.midnight(today - timedelta(age)) for age in range(days - 1, -1, -1)]

    def utc(self, text: str, last: bool = False) -> str:
        """The value of a datetime-local field, as an RFC 3339 time; other text as it is. Where clocks are set back,
        a time comes twice: the first is meant, or the `last`."""
        if not _LOCAL(text):
            return text
        try:
            at = datetime.fromisoformat(text).replace(tzinfo=self.info, fold=int(last)).astimezone(UTC)
        except (ValueError, OverflowError):
            return f"{text}:00Z"
        return f"{at:%Y-%m-%dT%H:%M}:00Z" if at.year >= 1000 else f"{text}:00Z"

    def typed(self, text: str, last: bool = False) -> str:
        """An RFC 3339 time as such a field has it; other text as it is."""
        try:
            typed = f"{self.local(clock.parse(text)):%Y-%m-%dT%H:%M}"
        except (ValueError, OverflowError):
            return text
        return typed if self.utc(typed, last) == text else text


WORLD = Zone("UTC", UTC)


def named(name: str | None) -> Zone:
    """The zone of this name; UTC if there is none."""
    if name and name not in ("UTC", "Etc/UTC") and _NAME(name):
        try:
            return Zone(name, ZoneInfo(name))
        except (LookupError, OSError, ValueError):
            pass
    return WORLD


def cookie(name: str) -> bytes:
    """The header line that sets the cookie, for scripts to change."""
    return line("Set-Cookie", f"{COOKIE}={named(name).name}; Path=/; Max-Age={SECONDS}; SameSite=Lax")


def fitting(zone: Zone, times: Iterable[tuple[str, bool]]) -> Zone:
    """The zone in which a form can show all of these times, each with whether it is the last of its field: UTC if one
    can't be told from another in the reader's."""
    for text, last in times:
        try:
            clock.parse(text)
        except ValueError:
            continue
        if zone.typed(text, last) == text:
            return WORLD
    return zone
