"""Servers that many tests share: one that answers directly, one that takes the ASGI way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from wire import Server


@pytest.fixture(scope="session", params=["direct", "asgi"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(f"direct={str(request.param == 'direct').lower()}", "max_body=4096", "max_target=1024") as running:
        yield running


@pytest.fixture(params=["true", "false"], ids=["direct", "asgi"])
def direct(request: pytest.FixtureRequest) -> str:
    return f"direct={request.param}"
