"""A meter counts as the table does, and writes the same header lines, or leaves the request to it."""

from __future__ import annotations

import random

from rollbook.clock import SECOND
from rollbook.limits import meter as meter_limit
from rollbook.limits.meter import Meter
from rollbook.limits.table import Table
from rollbook.quota import NO_LIMIT, Limit
from rollbook.storage.sqlite_connection import drive
from tests.grids import grid

NOW = 1_700_000_000 * SECOND
LIMITS = [
    Limit.parse(text) for text in ("5/minute,12/hour", "12/10s,13/minute", "3/minute,3/hour", "1000000/second,5/minute")
]
STEPS = (0, 0, 1, 7, SECOND, 5 * SECOND, 30 * SECOND, 61 * SECOND, 3601 * SECOND, -SECOND, -90 * SECOND, -4000 * SECOND)


class Counter:
    """Counts as the gate does: by the meter where it can, and else by the table."""

    def __init__(self, is_metered: bool, groups: int) -> None:
        self.table = Table.create(workers=1, groups=groups)
        self.is_metered = is_metered
        self.meters: dict[tuple[str, Limit, bool], Meter | None] = {}
        self.metered = 0

    def take(self, bucket: str, limit: Limit, of_key: bool, now: int) -> bytes:
        given = (bucket, NO_LIMIT, f"{bucket}:key", limit) if of_key else (bucket, limit, None, NO_LIMIT)
        meter = self.meters.setdefault((bucket, limit, of_key), self.table.meter(*given))
        lines = meter.take(now) if self.is_metered and meter is not None else None
        if lines is not None:
            self.metered += 1
            return lines
        bucket, limit, own, own_limit = given
        return meter_limit.render(limit, own_limit, drive(self.table.take(bucket, limit, now, own, own_limit), "test"))


@grid("seed", range(20))
def test_a_meter_and_the_table_count_alike(seed: int) -> None:
    choose = random.Random(seed)
    metered, plain = Counter(True, 64), Counter(False, 64)
    plain.table.locate = metered.table.locate  # so that the same buckets share a group
    now = NOW
    for _ in range(600):
        now += choose.choice(STEPS) if choose.random() < 0.5 else 0
        asked = (choose.choice("abc"), choose.choice(LIMITS[:2] if seed % 2 else LIMITS), choose.random() < 0.3, now)
        assert metered.take(*asked) == plain.take(*asked), (seed, asked)
    assert metered.metered > 0
    for counter in (metered, plain):
        counter.table.close()


def test_a_bucket_that_lost_its_slot_gets_another() -> None:
    counter = Counter(True, 1)
    limit = LIMITS[0]
    for _ in range(3):
        counter.take("first", limit, False, NOW)
    for number in range(40):  # a group has 16 slots
        for _ in range(4):
            counter.take(f"other-{number}", limit, False, NOW)
    assert counter.table.evicted > 0
    lines = counter.take("first", limit, False, NOW)
    assert b"RateLimit-Remaining: 4\r\n" in lines
    assert b"RateLimit-Remaining: 3\r\n" in counter.take("first", limit, False, NOW)
    counter.table.close()


def test_the_unusual_is_left_to_the_table() -> None:
    alone, shared = Table.create(workers=1), Table.create(workers=2)
    two, three = LIMITS[0], Limit.parse("1/second,5/minute,12/hour")
    assert shared.meter("a", two, None, NO_LIMIT) is None
    assert alone.meter("a", three, None, NO_LIMIT) is None
    assert alone.meter("a", two, "b", two) is None
    for table in (alone, shared):
        unlimited = table.meter("a", NO_LIMIT, None, NO_LIMIT)
        assert unlimited is not None and unlimited.take(NOW) == b""
        table.close()
