"""Metrics of webhooks: what fails, what waits, for how long, and that it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.harness import Server, free_port, new_user, running, serving

HOUR = 3600


class Accepts(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *values: object) -> None:
        pass


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("metrics") / "data"
    with running(data, "--webhook-allow", "127.0.0.0/8", "--rate-limit", "none") as server:
        yield server


def metrics(http: httpx2.Client) -> dict[str, float]:
    """Those of webhooks, without their common beginning."""
    found = {}
    for family in parse_text(http.get("/metrics").text):
        for sample in family.samples:
            if sample.name.startswith("rollbook_webhook"):
                found[sample.labels.get("outcome") or sample.name.removeprefix("rollbook_webhook").lstrip("_")] = (
                    sample.value
                )
    return found


def until(http: httpx2.Client, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    deadline = time.monotonic() + 60
    while not holds(found := metrics(http)):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def test_failures_are_counted_grow_old_and_are_over_when_the_receiver_is_back(
    server: Server, http: httpx2.Client
) -> None:
    assert metrics(http) == dict.fromkeys(
        (
            "delivered",
            "failed",
            "s_enabled",
            "s_disabled",
            "events_waiting",
            "events_failing",
            "oldest_waiting_seconds",
        ),
        0,
    )
    port = free_port()
    hook = {"url": f"http://127.0.0.1:{port}/", "types": ["user.created"]}
    id = http.post("/v1/webhooks", json=hook).json()["id"]
    for _ in range(3):
        new_user(http)
    found = until(
        http, lambda found: found["failed"] >= 3 and found["events_failing"] == 3 and found["events_waiting"] == 0
    )
    assert (found["delivered"], found["s_enabled"], found["s_disabled"]) == (0, 1, 0)
    server.pass_time(2 * HOUR)
    until(http, lambda found: 2 * HOUR <= found["oldest_waiting_seconds"] < 3 * HOUR)
    with serving(ThreadingHTTPServer(("127.0.0.1", port), Accepts)):
        server.pass_time(4 * HOUR)
        found = until(http, lambda found: found["delivered"] == 3)
        until(
            http,
            lambda found: found["events_failing"] == found["oldest_waiting_seconds"] == found["events_waiting"] == 0,
        )
    http.patch(f"/v1/webhooks/{id}", json={"status": "paused"})
    new_user(http)
    assert metrics(http)["events_waiting"] == metrics(http)["s_enabled"] == 0  # what is paused is not behind
