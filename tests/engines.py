"""The fixture that runs a folder of tests on each database. A `conftest.py` imports it: `from tests.engines import engine`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import harness

ENGINES = ("sqlite", "postgresql")


@pytest.fixture(scope="module", params=ENGINES, autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Servers that are started meanwhile run on it."""
    harness.engine = request.param
    yield request.param
    harness.engine = "sqlite"
