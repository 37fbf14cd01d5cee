"""The memory of one process stays bounded."""

from __future__ import annotations

import tracemalloc
from typing import Any

from rollbook.clock import SECOND
from rollbook.limits.memory import Memory

NOW = 1_700_000_000 * SECOND


def test_buckets_whose_windows_have_ended_are_dropped(counters: Any) -> None:
    memory = Memory()
    counter = counters(memory)
    most = 0
    for number in range(10):  # these stay all the time, and must not shield the others from being found
        counter.take(f"user{number}", "9/day", NOW)
    for number in range(60_000):  # a new address each 10 ms, for ten minutes: 6,000 have a window running at any time
        counter.take(f"address:{number}", "60/minute", NOW + number * SECOND // 100)
        most = max(most, len(memory))
    assert most <= 2 * 6_010 + 2
    assert memory.evicted == 0


def test_a_bucket_costs_less_than_512_bytes(counters: Any) -> None:
    memory = Memory()
    counter = counters(memory)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(20_000):
        counter.take(f"address:2001:db8::{number:x}", "60/minute,1000/hour", NOW + number)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert used / 20_000 < 512


def test_a_flood_of_addresses_stays_within_the_capacity_and_frees_nobody_who_is_used_up(counters: Any) -> None:
    memory = Memory(capacity=200)
    counter = counters(memory)
    users = [f"user{number}" for number in range(50)]
    for user in users:
        assert counter.admitted(9, user, "5/minute", NOW) == 5
    for number in range(2_000):
        assert counter.take(f"address:{number}", "5/minute", NOW + number).admitted
        assert len(memory) <= 200
    assert memory.evicted == 2_050 - 200
    assert not any(counter.take(user, "5/minute", NOW + 3_000).admitted for user in users)


def test_buckets_counted_by_a_clock_that_was_set_back_are_dropped(counters: Any) -> None:
    memory = Memory()
    counter = counters(memory)
    for number in range(100):
        counter.take(f"address:{number}", "5/minute", NOW + 365 * 86_400 * SECOND)
    for number in range(100, 200):
        counter.take(f"address:{number}", "5/minute", NOW)
    assert len(memory) == 100


def test_a_slot_used_again_starts_empty(counters: Any) -> None:
    memory = Memory()
    counter = counters(memory)
    counter.admitted(5, "first", "5/minute,9/hour", NOW)
    later = NOW + 2 * 3600 * SECOND
    for name in ("second", "third", "fourth"):
        assert counter.take(name, "5/minute,9/hour", later).left == ((4, 60), (8, 3600))
    assert len(memory) == 3
    assert counter.take("first", "5/minute,9/hour", later).left == ((4, 60), (8, 3600))
