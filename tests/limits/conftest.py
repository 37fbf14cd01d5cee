"""Both limiters, and a way to call them without an event loop of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rollbook.limits import valkey_address
from rollbook.limits.table import Table
from rollbook.limits.valkey import Valkey
from rollbook.limits.windows import UNLIMITED, Limiter, Verdict
from rollbook.quota import NO_LIMIT, Limit
from tests.valkey import LONG_TIMEOUTS, ValkeyServer


class Counter:
    """A limiter whose calls return at once; limits may be given as text."""

    def __init__(self, limiter: Limiter) -> None:
        self.limiter = limiter

    def take(
        self,
        bucket: str,
        limit: Limit | str,
        now: int,
        own: str | None = None,
        own_limit: Limit | str = NO_LIMIT,
        requests: int = 1,
    ) -> Verdict:
        return finish(self.limiter.take(bucket, _limit(limit), now, own, _limit(own_limit), requests))

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
    raise AssertionError(
        "a limiter of one machine never suspends: a handler that only reads is driven to its end at once"
    )


def _limit(limit: Limit | str) -> Limit:
    return Limit.parse(limit) if isinstance(limit, str) else limit


class ValkeyCounter(Counter):
    """The same over a connection, on a loop of its own that turns while a call waits. The test's clock decides, as in
    the others."""

    def __init__(self, url: str, own_clock: bool = True, local: Limiter | None = None, closed: bool = False) -> None:
        self.valkey = Valkey(
            valkey_address.parse(url), local or Table.create(workers=1), closed, own_clock, LONG_TIMEOUTS
        )
        super().__init__(self.valkey)
        self.loop = asyncio.new_event_loop()
        self.run(self.valkey.start())

    def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(call)

    def take(
        self,
        bucket: str,
        limit: Limit | str,
        now: int,
        own: str | None = None,
        own_limit: Limit | str = NO_LIMIT,
        requests: int = 1,
    ) -> Verdict:
        verdict = self.run(self.limiter.take(bucket, _limit(limit), now, own, _limit(own_limit), requests))
        if verdict.at:
            assert verdict.at == now
            return verdict._replace(at=0)
        assert verdict is UNLIMITED or self.valkey.away
        return verdict

    def give_back(self, bucket: str, limit: Limit | str, now: int) -> None:
        self.run(self.limiter.give_back(bucket, _limit(limit), now, now))

    def peek(self, bucket: str, limit: Limit | str, now: int) -> tuple[tuple[int, int], ...]:
        return self.run(self.limiter.peek(bucket, _limit(limit), now))

    def close(self) -> None:
        self.run(self.valkey.stop())
        self.run(asyncio.sleep(0.01))
        self.loop.close()


@pytest.fixture(params=["table", "valkey"])
def counter(request: pytest.FixtureRequest) -> Iterator[Counter]:
    if request.param == "table":
        table = Table.create(workers=1, groups=64)
        yield Counter(table)
        table.close()
    else:
        with _over(request.getfixturevalue("valkey")) as counter:
            yield counter


@contextmanager
def _over(valkey: ValkeyServer) -> Iterator[ValkeyCounter]:
    valkey.ask("FLUSHALL")
    counter = ValkeyCounter(valkey.url)
    assert not counter.valkey.away
    try:
        yield counter
        assert counter.valkey.locally == 0, "Valkey counted, and not the table that stands in for it"
    finally:
        counter.close()


@pytest.fixture(scope="session")
def counters() -> type[Counter]:
    return Counter


@pytest.fixture(scope="session")
def valkey_counters() -> type[ValkeyCounter]:
    return ValkeyCounter
