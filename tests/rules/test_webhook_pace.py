"""Deliveries make way for callers, but for a second only: the rule, by a clock of the test's own."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import pytest

from rollbook.jobs.webhooks.state import LOOK, Pace

PERIOD = 1.05 * LOOK
"""From one look to the next."""


class Seen(NamedTuple):
    waits: list[float]
    """Seconds of each event, in the order of their deliveries."""
    waiting: int


def follow(pace: Pace, seconds: float, events: int, cpu: float = 0.95, calls: int = 2_000) -> Seen:
    """An endpoint that answers at once, beside callers who use so much of a core and make so many calls and events a
    second."""
    queue, waits, made, starts = deque[float](), list[float](), 0, 0.0
    for number in range(round(seconds / PERIOD)):
        now = number * PERIOD
        while made < events * now:
            queue.append(made / events)
            made += 1
        assert pace.look(1_000 + now, cpu * now, int(calls * now))
        starts = min(starts, 1.0) + pace.starts(len(queue), 1)
        while queue and starts >= 1:
            waits.append(now - queue.popleft())
            starts -= 1
    return Seen(waits, len(queue))


@pytest.mark.parametrize("events", [1, 400, 1_000, 5_000, 20_000])
def test_beside_callers_who_never_pause_no_event_waits_for_more_than_a_second(events: int) -> None:
    waits, waiting = follow(Pace(), 60, events)
    assert max(waits) <= 1 + PERIOD
    assert waiting <= events * (1 + PERIOD)


def test_in_the_first_quarter_of_a_second_callers_have_nearly_all() -> None:
    waits, waiting = follow(Pace(), 0.25, 8_000)
    assert 0 < len(waits) < waiting / 3


def test_few_events_hardly_wait() -> None:
    waits, _ = follow(Pace(), 60, 400)
    assert max(waits) < 2 * PERIOD


@pytest.mark.parametrize(("cpu", "calls"), [(0.5, 2_000), (1.0, 100)])
def test_what_is_not_busy_with_callers_sends_at_once(cpu: float, calls: int) -> None:
    pace = Pace()
    follow(pace, 1, 1_000, cpu, calls)
    assert pace.starts(1_000_000, 100) == math.inf
