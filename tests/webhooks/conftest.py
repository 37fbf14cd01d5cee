"""A server that may send to this machine, a receiver, and the database of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.engines import engine as engine
from tests.harness import Server, running
from tests.webhooks.hooks import Make, Time
from tests.webhooks.listener import Listener, listening

FLAGS = ("--webhook-allow", "127.0.0.0/8", "--rate-limit", "none", "--unauthenticated-limit", "none")


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data", *FLAGS) as server:
        yield server


@pytest.fixture(scope="module")
def later(server: Server) -> Time:
    return Time(server)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as found:
        yield found


@pytest.fixture
def make(http: httpx2.Client, listener: Listener) -> Iterator[Make]:
    """Creates a webhook to the listener; gone after the test."""
    made: list[str] = []

    def create(path: str = "/hook", **fields: Any) -> dict[str, Any]:
        answer = http.post("/v1/webhooks", json={"url": listener.url(path), "types": ["user.*"], **fields})
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["id"])
        return answer.json()

    yield create
    for id in made:
        http.delete(f"/v1/webhooks/{id}")
