"""The two limiters, and a way to call them without an event loop: neither ever suspends."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from rollbook.limits.memory import Memory
from rollbook.limits.shared import Shared
from rollbook.limits.windows import Limit, Limiter, Verdict, parse


class Counter:
    """A limiter whose calls return at once; limits may be given as text."""

    def __init__(self, limiter: Limiter) -> None:
        self.limiter = limiter

    def take(self, bucket: str, limit: Limit | str, now: int, own: str | None = None, own_limit: Limit | str = ()) -> Verdict:
        return finish(self.limiter.take(bucket, _limit(limit), now, own, _limit(own_limit)))

    def give_back(self, bucket: str, limit: Limit | str, now: int) -> None:
        finish(self.limiter.give_back(bucket, _limit(limit), now))

    def peek(self, bucket: str, limit: Limit | str, now: int) -> tuple[tuple[int, int], ...]:
        return finish(self.limiter.peek(bucket, _limit(limit), now))

    def admitted(self, tries: int, bucket: str, limit: Limit | str, now: int) -> int:
        return sum(self.take(bucket, limit, now).admitted for _ in range(tries))


def finish(call: Coroutine[Any, Any, Any]) -> Any:
    try:
        call.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a limiter of one machine never suspends: a handler that only reads is driven to its end at once")


def _limit(limit: Limit | str) -> Limit:
    return parse(limit) if isinstance(limit, str) else limit


@pytest.fixture(params=["memory", "shared"])
def counter(request: pytest.FixtureRequest) -> Iterator[Counter]:
    if request.param == "memory":
        yield Counter(Memory())
    else:
        shared = Shared.create(groups=64)
        yield Counter(shared)
        shared.close()


@pytest.fixture(scope="session")
def counters() -> type[Counter]:
    return Counter
