"""Charts of requests per hour as SVG. Widths are in percent, so that bars fit any window and text keeps its size."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from rollbook import clock
from rollbook.web import templates

if TYPE_CHECKING:
    from markupsafe import Markup

    from rollbook.records.usage import Hour

HEIGHT = 200
TOP, BASE = 10, HEIGHT - 24
"""Top of the highest bar and bottom of all bars, in pixels from above."""
LEAST = 2.0
"""Minimum height of a nonzero part, in pixels: one error among thousands stays visible."""
MOST_MARKS = 7
STEPS = tuple(hours * clock.HOUR for hours in (1, 2, 3, 6, 12, 24, 48, 7 * 24, 14 * 24))


class Mark(NamedTuple):
    at: float
    text: str


def bars(hours: Sequence[Hour], since: int, until: int, label: str = "Requests per hour", id: str = "plot") -> Markup:
    """A chart of the responses per hour from `since` to `until` (microseconds), with a text for each bar and a table.

    Served, refused (4xx), over a limit (429) and errors (5xx) stand on each other. `id` is needed where a page has several.
    """
    from markupsafe import Markup

    start = since - since % clock.HOUR
    whole = max(until - start, clock.HOUR)
    shown = [hour for hour in hours if start <= hour.at < until]
    most = ceiling(max((hour.requests for hour in shown), default=0))
    return Markup(
        templates.render(
            "plot.html",
            id=id,
            label=label,
            height=HEIGHT,
            base=BASE,
            total=sum(hour.requests for hour in shown),
            # Built here because the template takes several times as long for hundreds of bars. Contains no user input.
            bars=Markup(
                "\n".join([_bar(hour, (hour.at - start) / whole * 100, clock.HOUR / whole * 100, most) for hour in shown])
            ),
            rows=Markup("\n".join([_row(hour) for hour in reversed(shown)])),
            scale=[Mark(_y(most * part / 2, most), short(most * part / 2)) for part in range(3)],
            marks=_marks(start, whole),
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


@lru_cache(maxsize=1024)
def hour_text(at: int) -> str:
    """`Wed 25 Nov, 10:00–11:00`."""
    when = datetime.fromtimestamp(at / clock.SECOND, UTC)
    return f"{when:%a %-d %b, %H}:00–{(when.hour + 1) % 24:02}:00"


def _bar(hour: Hour, x: float, width: float, most: int) -> str:
    served = hour.requests - hour.errors - hour.refused - hour.limited
    parts = [
        (kind, count, word)
        for kind, count, word in (
            ("bar", served, "successful"),
            ("bar muted", hour.refused, "client errors"),
            ("bar warn", hour.limited, "rate limited"),
            ("bar bad", hour.errors, "server errors"),
        )
        if count > 0
    ]
    place = f'x="{x + width * 0.06:.3f}%" width="{width * 0.88:.3f}%"'
    words = ", ".join([f"{count:,} {word}" for _, count, word in parts])
    drawn = [f'<g><title>{hour_text(hour.at)} UTC: {words}</title><rect class="hit" {place} y="{TOP}" height="{BASE - TOP}"/>']
    y = float(BASE)
    for kind, count, _ in parts:
        height = max(LEAST, count / most * (BASE - TOP))
        y -= height
        drawn.append(f'<rect class="{kind}" {place} y="{y:.1f}" height="{height:.1f}"/>')
    return "".join(drawn) + "</g>"


def _row(hour: Hour) -> str:
    cells = "".join([f'<td class="num">{count:,}</td>' for count in (hour.requests, hour.refused, hour.limited, hour.errors)])
    return f'<tr><th scope="row" class="nowrap">{hour_text(hour.at)}</th>{cells}</tr>'


def _marks(start: int, whole: int) -> list[Mark]:
    """Labels for hours or days below the bars; none so close to the end that it wouldn't fit."""
    step = next((step for step in STEPS if whole / step <= MOST_MARKS), STEPS[-1])
    found: list[Mark] = []
    at = -(-start // step) * step
    while at < start + whole:
        place = (at - start) / whole * 100
        if place <= 92:
            when = datetime.fromtimestamp(at / clock.SECOND, UTC)
            found.append(Mark(round(place, 3), _mark(when, step, whole)))
        at += step
    return found


def _mark(when: datetime, step: int, whole: int) -> str:
    """Short enough for a phone."""
    return f"{when:%H:%M}" if step < clock.DAY else f"{when:%a}" if whole <= 8 * clock.DAY else f"{when:%-d %b}"


def _y(number: float, most: int) -> float:
    return round(BASE - number / most * (BASE - TOP), 1)
