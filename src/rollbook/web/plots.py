"""Bar charts as inline SVG: widths in percent, so that bars fit any window and words keep their size. Each has the same
numbers as a table.

The bar under the pointer, or with the focus, shows its numbers above the plot, by CSS alone. `app.js` adds the arrow
keys and the finger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from rollbook import clock
from rollbook.web import templates
from rollbook.web.zones import WORLD, Zone

if TYPE_CHECKING:
    from markupsafe import Markup

    from rollbook.records.usage import Hour

HEIGHT = 232
TOP, BASE = 46, HEIGHT - 24
"""Top of the highest bar and bottom of all bars, in pixels from above. Above the bars is room for the numbers of
one."""
MIN_HEIGHT = 2.0
"""Pixels of a part that is not zero, so that one error among thousands is seen."""
MAX_MARKS = 7
SPARK = 28
"""Height of a plot in a table."""
CLASSES = {"bar muted": "4xx", "bar warn": "429", "bar bad": "5xx"}
"""Requests that a part of a bar leads to."""
ANSWERED = (
    ("", "Successful"),
    ("muted", "Client errors (4xx)"),
    ("warn", "Rate limited (429)"),
    ("bad", "Server errors (5xx)"),
)
DELIVERED = (("", "Delivered"), ("bad", "Failed"))
STEPS = tuple(hours * clock.HOUR for hours in (1, 2, 3, 6, 12, 24, 48, 7 * 24, 14 * 24))


class Bar(NamedTuple):
    at: int
    """The beginning of its hour or day."""
    name: str
    title: str
    parts: list[tuple[str, int]]
    """From below: class and number of each."""
    numbers: tuple[int, ...]
    """Row of the table."""
    link: str = ""
    """The page it leads to."""


class Deliveries(NamedTuple):
    """Attempts to deliver events in an hour, which begins at `at`."""

    at: int
    delivered: int
    failed: int


class Mark(NamedTuple):
    at: float
    text: str


class Log(NamedTuple):
    """The page that bars of requests lead to."""

    url: str
    """To its query, the time of a bar is added."""
    since: int
    """From here on it has something to show."""

    def link(self, at: int, step: int) -> str:
        if at + step <= self.since:
            return ""
        span = f"after={clock.format_time(at)}&before={clock.format_time(at + step)}"
        return f"{self.url}{'&' if '?' in self.url else '?'}{span}"


def requests(
    hours: Sequence[Hour],
    since: int,
    until: int,
    label: str = "Requests per hour",
    *,
    step: int = clock.HOUR,
    log: Log | None = None,
    zone: Zone = WORLD,
) -> Markup:
    """Successful requests, client errors (4xx), rate limited ones (429) and server errors (5xx) of each hour in this
    zone, or of each day in UTC, one above the other."""
    zone = zone if step == clock.HOUR else WORLD
    until = -(-until // step) * step
    bars = [_answered(hour, step, log, zone) for hour in hours if since <= hour.at < until]
    columns = (
        f"{'Hour' if step == clock.HOUR else 'Day'} ({zone.name})",
        "Requests",
        "Client errors",
        "Rate limited",
        "Server errors",
    )
    total = sum(bar.numbers[0] for bar in bars)
    summary = f"{total:,} {'request' if total == 1 else 'requests'} in total."
    return _figure(label, summary, bars, (since, until, step), zone, columns, ANSWERED)


def users_by_day(days: Sequence[tuple[int, int]], zone: Zone) -> Markup:
    """The beginning of each day in this zone, one after the other, and how many users were created on it."""
    bars = [
        Bar(at, _day(at, zone), f"{_day(at, zone)}: {count:,} new", [("bar", count)], (count,)) for at, count in days
    ]
    total = sum(count for _, count in days)
    summary = f"{total:,} {'new user' if total == 1 else 'new users'} in total."
    until = days[-1][0] + clock.DAY
    columns = (f"Day ({zone.name})", "New users")
    return _figure("New users per day", summary, bars, (days[0][0], until, clock.DAY), zone, columns)


def deliveries_by_hour(hours: Sequence[Deliveries], since: int, until: int, zone: Zone) -> Markup:
    """Attempts to deliver events in each hour: those that succeeded, and those that failed."""
    bars = [
        Bar(
            at,
            hour_text(at, zone),
            f"{hour_text(at, zone)} {_abbreviation(at, zone)}: {delivered:,} delivered, {failed:,} failed",
            [("bar", delivered), ("bar bad", failed)],
            (delivered + failed, failed),
        )
        for at, delivered, failed in hours
    ]
    label, columns = "Deliveries per hour, last 24 hours", (f"Hour ({zone.name})", "Deliveries", "Failed")
    return _figure(label, delivery_summary(hours), bars, (since, until, clock.HOUR), zone, columns, DELIVERED)


def delivery_summary(hours: Sequence[Deliveries]) -> str:
    return (
        f"{sum(hour.delivered for hour in hours):,} delivered, {sum(hour.failed for hour in hours):,} failed "
        "in the last 24 hours."
    )


def spark(hours: Sequence[Deliveries], since: int, until: int) -> Markup:
    """Attempts to deliver events in each hour, small enough for a row of a table, without a scale."""
    from markupsafe import Markup

    width = 100 / ((until - since) // clock.HOUR)
    most = max((hour.delivered + hour.failed for hour in hours), default=0)
    drawn = [
        f'<rect class="{kind}" x="{(hour.at - since) // clock.HOUR * width:.2f}%" width="{width * 0.8:.2f}%" '
        f'y="{y:.1f}" height="{height:.1f}"/>'
        for hour in hours
        for kind, y, height in _stacked([("bar", hour.delivered), ("bar bad", hour.failed)], most, SPARK, 0)
    ]
    return Markup(
        f'<svg class="plot spark" width="100%" height="{SPARK}" role="img" '
        f'aria-label="{delivery_summary(hours)}">{"".join(drawn)}</svg>'
    )


def _answered(hour: Hour, step: int, log: Log | None, zone: Zone) -> Bar:
    parts = [
        ("bar", hour.requests - hour.errors - hour.refused - hour.limited, "successful"),
        ("bar muted", hour.refused, "client error" + "s" * (hour.refused != 1)),
        ("bar warn", hour.limited, "rate limited"),
        ("bar bad", hour.errors, "server error" + "s" * (hour.errors != 1)),
    ]
    words = ", ".join([f"{count:,} {word}" for _, count, word in parts if count > 0])
    numbers = (hour.requests, hour.refused, hour.limited, hour.errors)
    name = (hour_text if step == clock.HOUR else _day)(hour.at, zone)
    link = log.link(hour.at, step) if log else ""
    title = f"{name} {_abbreviation(hour.at, zone)}: {words}"
    return Bar(hour.at, name, title, [part[:2] for part in parts], numbers, link)


@lru_cache(maxsize=1024)
def hour_text(at: int, zone: Zone) -> str:
    """`Wed 25 Nov, 10:00–11:00`."""
    begins, ends = zone.local(at), zone.local(at + clock.HOUR)
    return f"{begins:%a %-d %b, %H:%M}–{ends:%H:%M}"


def _abbreviation(at: int, zone: Zone) -> str:
    """`UTC`, `CEST`, `UTC-03`: tells the two hours apart that clocks show twice."""
    name = zone.local(at).tzname() or zone.name
    return name if name[0].isalpha() else f"UTC{name}"


def _day(at: int, zone: Zone) -> str:
    return f"{zone.local(at):%-d %b}"


# ---- drawing


def _figure(
    label: str,
    summary: str,
    bars: list[Bar],
    times: tuple[int, int, int],
    zone: Zone,
    columns: tuple[str, ...],
    legend: Sequence[tuple[str, str]] = (),
) -> Markup:
    """A bar for each step of these times: beginning, end and step."""
    from markupsafe import Markup

    start, until, span = times
    whole = max(until - start, span)
    most = ceiling(max((bar.numbers[0] for bar in bars), default=0))
    width = span / whole * 100
    return Markup(
        templates.render(
            "plot.html",
            label=label,
            summary=summary,
            height=HEIGHT,
            base=BASE,
            # Made here: the template would take several times as long for hundreds of them. All of it is our own words.
            bars=Markup(
                "\n".join([_bar(bar, (bar.at - start) / whole * 100, width, most, bar is bars[-1]) for bar in bars])
            ),
            columns=columns,
            rows=Markup("\n".join([_row(bar) for bar in reversed(bars)])),
            scale=[Mark(_y(most * part / 2, most), short(most * part / 2)) for part in range(3)],
            marks=_marks(start, whole, zone),
            legend=legend,
        )
    )


def ceiling(most: int) -> int:
    """The upper end of the scale: the next of 2, 4, 6, 10, 20, 40, …, so that half of it is a whole number."""
    size = 1
    while True:
        for step in (2, 4, 6, 10):
            if most <= step * size:
                return step * size
        size *= 10


def short(number: float) -> str:
    """`950`, `1.2k`, `30k`, `4M`."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f}".removesuffix(".0") + unit
    return f"{number:.0f}"


def _bar(bar: Bar, x: float, width: float, most: int, is_last: bool) -> str:
    """The last one can be reached with Tab, the others from there."""
    across = f'x="{x + width * 0.06:.3f}%" width="{width * 0.88:.3f}%"'
    link = bar.link.replace("&", "&amp;")
    tab = f'tabindex="{0 if is_last else -1}"'
    parts = [
        (kind, f'<rect class="{kind}" {across} y="{y:.1f}" height="{height:.1f}"/>')
        for kind, y, height in _stacked(bar.parts, most, BASE, TOP)
    ]
    whole = f'<rect class="hit" {across} y="{TOP}" height="{BASE - TOP}"/>' + "".join([drawn for _, drawn in parts])
    when, _, numbers = bar.title.partition(": ")
    tip = f'<text class="tip" y="13">{when}: <tspan x="0" y="29">{numbers}</tspan></text>'
    if not link:
        return f'<g class="column" {tab} role="img" aria-label="{bar.title}">{whole}{tip}</g>'
    failed = [
        f'<a href="{link}&amp;status={CLASSES[kind]}" tabindex="-1" aria-hidden="true">{drawn}</a>'
        for kind, drawn in parts
        if kind in CLASSES
    ]
    return f'<g class="column"><a href="{link}" {tab}>{whole}{tip}</a>{"".join(failed)}</g>'


def _stacked(parts: Sequence[tuple[str, int]], most: int, base: int, top: int) -> list[tuple[str, float, float]]:
    """Class, top and height of each part that is not zero, from below."""
    y = float(base)
    blocks: list[tuple[str, float, float]] = []
    for kind, count in parts:
        if count > 0:
            height = max(MIN_HEIGHT, count / most * (base - top))
            y -= height
            blocks.append((kind, y, height))
    return blocks


def _row(bar: Bar) -> str:
    cells = "".join([f'<td class="num">{number:,}</td>' for number in bar.numbers])
    return f'<tr><th scope="row" class="nowrap">{bar.name}</th>{cells}</tr>'


def _marks(start: int, whole: int, zone: Zone) -> list[Mark]:
    """Labels for hours or days below the bars, where the zone's clocks show them; none so close to the end that it
    wouldn't fit."""
    step = next((step for step in STEPS if whole / step <= MAX_MARKS), STEPS[-1])
    marks: list[Mark] = []
    for at in range(start, start + whole * 92 // 100 + 1, clock.HOUR):
        when = zone.local(at)
        minutes = when.hour * 60 + when.minute
        # An hour at which a step of the day begins; of days, every so many.
        if (
            minutes * clock.MINUTE % min(step, clock.DAY) < clock.HOUR
            and when.toordinal() % max(1, step // clock.DAY) == 0
        ):
            marks.append(Mark(round((at - start) / whole * 100, 3), _mark(when, step, whole)))
    return marks


def _mark(when: datetime, step: int, whole: int) -> str:
    """Short enough for a phone."""
    return f"{when:%H:%M}" if step < clock.DAY else f"{when:%a}" if whole <= 8 * clock.DAY else f"{when:%-d %b}"


def _y(number: float, most: int) -> float:
    return round(BASE - number / most * (BASE - TOP), 1)
