"""Clients in PHP, Ruby, Rust and Swift do what those of test_generated_clients.py do."""

from __future__ import annotations

import pytest

from tests.clients import application, generated
from tests.clients.generated import Client
from tests.harness import Server

pytestmark = pytest.mark.timeout(900)
each_client = pytest.mark.parametrize("name", generated.MORE)


@pytest.fixture(scope="module")
def more_clients(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Client | Exception]:
    return generated.generate(tmp_path_factory.mktemp("clients"), generated.MORE)


@each_client
def test_it_does_what_an_application_does(
    more_clients: dict[str, Client | Exception], server: Server, ids: str, name: str
) -> None:
    application.works(more_clients[name], server, ids)


@each_client
def test_it_works_with_a_later_version(
    more_clients: dict[str, Client | Exception], server: Server, ids: str, name: str
) -> None:
    application.works_with_a_later_version(more_clients[name], server, ids)
