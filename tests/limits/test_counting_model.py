"""Random histories against a model that says the rule in the plainest way, and against the `limits` library."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import limits
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rollbook.clock import SECOND
from rollbook.limits.table import Table
from rollbook.limits.windows import Verdict
from rollbook.quota import Limit, Window

NOW = 1_700_000_000 * SECOND
LIMITS = st.lists(
    st.builds(Window, st.integers(1, 6), st.sampled_from([1, 2, 5, 30])), max_size=4, unique_by=lambda w: w.seconds
).map(Limit)
STEPS = st.one_of(
    st.just(0), st.integers(0, 3 * SECOND), st.sampled_from([SECOND - 1, SECOND, 2 * SECOND, 5 * SECOND, 30 * SECOND])
)
REQUESTS = st.sampled_from([1, 1, 1, 2, 3, 7])
TAKES = st.lists(
    st.tuples(
        STEPS,
        st.sampled_from("abc"),
        st.sampled_from([None, "k", "l"]),
        st.lists(REQUESTS, min_size=1, max_size=4),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


Takes = list[tuple[int, str, str | None, list[int], bool]]


class Model:
    """Every admitted request of a bucket is remembered, by the window it fell into."""

    def __init__(self) -> None:
        self.windows: dict[tuple[str, int], list[int]] = {}

    def running(self, bucket: str, seconds: int, now: int) -> list[int]:
        requests = self.windows.get((bucket, seconds), [])
        return requests if requests and now < requests[0] + seconds * SECOND else []

    def take(self, now: int, count: int, *buckets: tuple[str, Limit]) -> Verdict:
        windows = [(bucket, window) for bucket, limit in buckets for window in limit]
        admitted = all(
            len(self.running(bucket, window.seconds, now)) + count <= window.calls for bucket, window in windows
        )
        left = []
        for bucket, window in windows:
            requests = self.running(bucket, window.seconds, now)
            if admitted:
                requests = self.windows[bucket, window.seconds] = [*requests, *[now] * count]
            ends = requests[0] + window.seconds * SECOND if requests else now + window.seconds * SECOND
            left.append((window.calls - len(requests), -((now - ends) // SECOND)))
        return Verdict(admitted, tuple(left))

    def give_back(self, bucket: str, limit: Limit, now: int) -> None:
        for window in limit:
            requests = self.running(bucket, window.seconds, now)
            if len(requests) > 1:
                requests.pop()


@pytest.mark.parametrize(("workers", "groups"), [(1, 64), (4, 1)])
@hypothesis_settings(max_examples=100, deadline=None)
@given(limit=LIMITS, own_limit=LIMITS, takes=TAKES)
def test_every_verdict_is_that_of_the_model(
    counters: Any, workers: int, groups: int, limit: Limit, own_limit: Limit, takes: Takes
) -> None:
    limiter = Table.create(workers, groups)
    check(counters(limiter), limit, own_limit, takes)
    assert limiter.evicted == 0
    limiter.close()


def check(counter: Any, limit: Limit, own_limit: Limit, takes: Takes) -> None:
    model, now = Model(), NOW
    for step, bucket, key, counts, back in takes:
        now += step
        for count in counts:
            own = [(key, own_limit)] if key else []
            assert counter.take(bucket, limit, now, key, own_limit, count) == model.take(
                now, count, (bucket, limit), *own
            )
        if back and all(len(model.running(bucket, window.seconds, now)) > 1 for window in limit):
            counter.give_back(bucket, limit, now)
            model.give_back(bucket, limit, now)


@pytest.fixture(scope="module")
def over_valkey(valkey: Any, valkey_counters: Any) -> Iterator[Any]:
    counter = valkey_counters(valkey.url)
    yield counter
    assert counter.valkey.locally == 0
    counter.close()


@hypothesis_settings(max_examples=75, deadline=None)
@given(limit=LIMITS, own_limit=LIMITS, takes=TAKES)
def test_every_verdict_of_valkey_is_that_of_the_model(
    over_valkey: Any, valkey: Any, limit: Limit, own_limit: Limit, takes: Takes
) -> None:
    valkey.ask("FLUSHALL")
    check(over_valkey, limit, own_limit, takes)


@pytest.mark.parametrize("calls", [1, 3, 100])
def test_the_limits_library_agrees(counter: Any, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One window, where its fixed window with memory storage has the same rule: from the first request on, for so many
    seconds."""
    clock = [NOW / SECOND]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    oracle = limits.strategies.FixedWindowRateLimiter(limits.storage.MemoryStorage())
    minute = limits.RateLimitItemPerMinute(calls)
    for turn in range(400):
        clock[0] += (turn * 7919 % 100) / 16  # exact in binary, so that both see the same edge
        now = round(clock[0] * SECOND)
        verdict = counter.take("user", (Window(calls, 60),), now)
        assert verdict.admitted == oracle.hit(minute, "user")
        stats = oracle.get_window_stats(minute, "user")
        assert verdict.left == ((max(0, stats.remaining), max(1, -int((clock[0] - stats.reset_time) // 1))),)
