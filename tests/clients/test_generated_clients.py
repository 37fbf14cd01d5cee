"""Clients that generators make of the description compile, and do against a running server what an application does."""

from __future__ import annotations

import pytest

from tests.clients import application, generated
from tests.clients.generated import Client
from tests.harness import Server

pytestmark = pytest.mark.timeout(600)
each_client = pytest.mark.parametrize("name", generated.CLIENTS)


@each_client
def test_a_generated_client_does_what_an_application_does(
    clients: dict[str, Client | Exception], server: Server, ids: str, name: str
) -> None:
    application.works(clients[name], server, ids)


@each_client
def test_a_client_generated_today_works_with_a_later_version(
    clients: dict[str, Client | Exception], server: Server, ids: str, name: str
) -> None:
    application.works_with_a_later_version(clients[name], server, ids)
