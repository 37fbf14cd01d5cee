"""The clients are generated and compiled once for all tests."""

from __future__ import annotations

import pytest

from tests.clients import generated
from tests.clients.generated import Client


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Client | Exception]:
    return generated.generate(tmp_path_factory.mktemp("clients"), generated.CLIENTS)
