"""The clients are generated and compiled once for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients import generated
from tests.clients.generated import Client
from tests.harness import Server, new_user, running


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Client | Exception]:
    return generated.generate(tmp_path_factory.mktemp("clients"), generated.CLIENTS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data", "--rate-limit", "none") as server:
        yield server


@pytest.fixture(scope="module")
def ids(server: Server) -> str:
    with server.http() as http:
        return ",".join(new_user(http, name=f"User {number}")["id"] for number in range(5))
