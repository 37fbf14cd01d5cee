"""What was answered is counted at once, logged a handful at a time, and complete when the server has stopped."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from rollbook.http.request import Request
from rollbook.observe.access import AccessLog
from rollbook.observe.lines import HANDFUL, LARGE, WITHIN, Done
from rollbook.observe.metrics import Metrics
from rollbook.observe.usage_buffer import UsageBuffer
from tests.harness import Server, running
from tests.observe.counted import count, reading, until


@pytest.fixture
def done() -> Done:
    return Done(Metrics([]), {}, AccessLog(-1, "none"), UsageBuffer(lines=True))


def request(body: bytes = b"") -> Request:
    made = Request("GET", "/v1/users", "", {}, body, "192.0.2.1", False, "req_1", time.perf_counter_ns())
    made.user_id, made.key_id = "user_a", "key_a"
    return made


def recorded(done: Done) -> int:
    done._usage.flush()
    buckets = done._usage.peek(1_000)
    done._usage.ack(len(buckets))
    return sum(bucket.count for bucket in buckets)


def counted(done: Done) -> int:
    line = next(
        line
        for line in done._metrics.render().decode().splitlines()
        if line.startswith("rollbook_http_requests_total{")
    )
    return int(line.split()[-1])


def test_metrics_count_at_once_and_the_rest_by_handfuls(done: Done) -> None:
    async def answer() -> None:
        for number in range(1, 2 * HANDFUL + 2):
            done.note(request(), 200, 0)
            assert counted(done) == done.count == number
        assert recorded(done) == 2 * HANDFUL
        await asyncio.sleep(2 * WITHIN)
        assert recorded(done) == 1
        done.note(request(), 200, 0)
        done.work_off()
        assert recorded(done) == 1

    asyncio.run(answer())


def test_a_large_body_is_not_kept_for_the_handful(done: Done) -> None:
    async def answer() -> None:
        done.note(request(b"x" * (LARGE + 1)), 200, 0)
        assert recorded(done) == 1

    asyncio.run(answer())


@pytest.mark.parametrize("requests", [1, HANDFUL - 1, HANDFUL + 7])
def test_nothing_is_lost_when_the_server_stops(tmp_path: Path, requests: int) -> None:
    with running(tmp_path / "data") as server, server.http() as http:
        user = http.get("/v1/users/me").json()["id"]
        for _ in range(requests):
            assert http.get("/v1/users/count").status_code == 200
        server.stop()
        assert len(lines(server, "/v1/users/count")) == requests
        with reading(server) as read:
            assert count(read, user) == requests + 1


def test_a_few_requests_are_logged_soon_and_kill_9_takes_nothing_back(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, server.http() as http:
        for _ in range(3):
            assert http.get("/v1/users/count").status_code == 200
        until(lambda: len(lines(server, "/v1/users/count")) == 3)
        server.stop(signal.SIGKILL)
        assert len(lines(server, "/v1/users/count")) == 3


def lines(server: Server, route: str) -> list[dict[str, Any]]:
    return [line for line in server.logged() if line.get("event") == "request" and line["route"] == route]
