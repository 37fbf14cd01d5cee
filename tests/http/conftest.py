"""A server that many tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from wire import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server("max_body=4096", "max_target=1024") as running:
        yield running
