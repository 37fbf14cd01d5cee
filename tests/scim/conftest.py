"""An identity provider with a key of its own, on each database."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.engines import engine as engine
from tests.harness import Server, client_of, new_key, running
from tests.scim.provider import Provider

FLAGS = ("--rate-limit", "none", "--unauthenticated-limit", "none")


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data", *FLAGS) as server:
        yield server


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx2.Client]:
    """The owner, under /v1."""
    with server.http() as http:
        yield http


@pytest.fixture(scope="module")
def idp(server: Server, http: httpx2.Client) -> Iterator[Provider]:
    key = new_key(
        http, kind="scim", scopes=["users:read", "users:write", "users:delete", "groups:read", "groups:write"]
    )
    headers = {"Authorization": f"Bearer {key}"}
    with client_of(f"{server.url}/scim/v2", headers=headers) as client:
        yield Provider(client)
