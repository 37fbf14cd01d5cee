"""The Python client keeps within the rate limit: no request is refused, and no time is lost. PACED_CALLS=10000 shows it
for more calls."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from rollbook_client import AsyncRollbook, Rollbook, errors

from tests.harness import PLAIN, Server, running
from tests.sdk_python.passing_time import AsyncPassingClock, PassingClock

MINUTE, HOUR = 100, 5_000
CALLS = int(os.environ.get("PACED_CALLS", "250"))
LEAST = (CALLS - 1) // HOUR * 3600 + (CALLS - 1) % HOUR // MINUTE * 60
"""Seconds that so many calls take at least, since a window begins with its first request."""


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "data") as server:
        yield server


@contextmanager
def counting(server: Server, **options: Any) -> Iterator[tuple[Rollbook, PassingClock, Counter[int]]]:
    """A client whose waits take no time, and how many responses of each status it has had."""
    answers: Counter[int] = Counter()
    with httpx2.Client(
        event_hooks={"response": [lambda response: answers.update([response.status_code])]}, timeout=60, **PLAIN
    ) as http:
        client = Rollbook(url=server.url, key=server.key, http_client=http, **options)
        clock = PassingClock(server)
        clock.install(client)
        yield client, clock, answers


def test_many_tasks_at_once_are_never_refused_and_lose_no_time(limited: Server) -> None:
    answers: Counter[int] = Counter()

    async def count(response: httpx2.Response) -> None:
        answers.update([response.status_code])

    async def run() -> tuple[float, float]:
        async with httpx2.AsyncClient(event_hooks={"response": [count]}, timeout=60, **PLAIN) as http:
            client = AsyncRollbook(url=limited.url, key=limited.key, http_client=http)
            clock = AsyncPassingClock(limited)
            clock.install(client)
            await asyncio.gather(*(client.users.get("me") for _ in range(CALLS)))
            return clock.elapsed(), clock.passed

    elapsed, waited = asyncio.run(run())
    assert answers == {200: CALLS}
    assert elapsed >= LEAST and waited < LEAST + 20


def test_many_threads_at_once_are_never_refused_and_lose_no_time(limited: Server) -> None:
    with counting(limited) as (client, clock, answers), ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.users.get("me"), range(CALLS)))
    assert answers == {200: CALLS}
    assert clock.elapsed() >= LEAST and clock.passed < LEAST + 20


def test_without_pacing_the_server_refuses_and_the_client_waits_as_it_says(limited: Server) -> None:
    with counting(limited, pacing=False) as (client, clock, answers):
        for _ in range(MINUTE + 1):
            client.users.get("me")
        assert answers == {200: MINUTE + 1, 429: 1} and clock.elapsed() > 59 and clock.passed < 62
        for _ in range(MINUTE - 1):
            client.users.get("me")
        with pytest.raises(errors.RateLimitExceeded) as refused:
            client.with_options(max_retries=0).users.get("me")
        assert refused.value.retry_after and refused.value.request_id


def test_a_wait_that_is_too_long_is_an_error_before_anything_is_sent(limited: Server) -> None:
    with counting(limited, max_wait=5) as (client, _, answers):
        for _ in range(MINUTE):
            client.users.get("me")
        with pytest.raises(errors.RateLimitExceeded, match="max_wait") as refused:
            client.users.get("me")
        assert (
            answers == {200: MINUTE} and refused.value.request_id is None and 5 < (refused.value.retry_after or 0) <= 60
        )
        assert client.server.live().status == "ok"  # does not count


def test_two_clients_of_one_user_are_refused_once_and_then_wait(limited: Server) -> None:
    """Neither can know that the other took the last request of the window."""
    with counting(limited) as (one, clock, first), counting(limited) as (other, _, second):
        clock.install(other)
        clock.client = one  # whose calls and the other's are made in turn
        for _ in range(70):
            one.users.get("me")
            other.users.get("me")
        assert (first + second)[200] == 140 and (first + second)[429] <= 2
        assert clock.elapsed() >= 60 and clock.passed < 80
