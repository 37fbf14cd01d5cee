"""Fixtures that many tests share: a server that lives as long as a test module, and clients for each role."""

from __future__ import annotations

import gc
import json
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests import cost, forks
from tests.certificates import certified
from tests.harness import Server, new_key, new_user, running
from tests.mail_server import MailServer, mail_server
from tests.valkey import ValkeyServer, running_valkey

# How long an example takes says more about the machine than about the code.
hypothesis_settings.register_profile(
    "tests", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("tests")

RECORD = Path(__file__).parents[1] / "benchmarks" / "suite.json"


def pytest_addoption(parser: pytest.Parser) -> None:
    forks.pytest_addoption(parser)
    parser.addoption("--shuffle", metavar="SEED", help="Files in another order: none may need what ran before it.")


def pytest_configure(config: pytest.Config) -> None:
    """A shell starts what runs in its background with SIGINT ignored, and the commands under test would inherit
    that. SIGTERM ends the tests as SIGINT does: with all that they have started."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    gc.disable()  # until the tests are collected, of which all stay
    forks.pytest_configure(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those of the browser start first, so that each process starts it once; then files that take longest, so that none
    of them runs alone at the end. Those that are not in the record are taken for long."""
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    seconds = record.get("soak" if os.environ.get("ROLLBOOK_SOAK") else "waits", {})
    seed = config.getoption("shuffle")

    def place(item: pytest.Item) -> tuple[bool, float, str]:
        file = item.nodeid.partition("::")[0]
        by_length = random.Random(seed + file).random() if seed else -seconds.get(file, 1e9)
        return not file.startswith("tests/browser/"), by_length, file

    items.sort(key=place)


_meters: list[cost.Meter] = []


def pytest_collection_finish() -> None:
    """All that was collected stays."""
    gc.freeze()
    gc.enable()


def pytest_runtest_logstart() -> None:
    if cost.FOLDER and not _meters:
        _meters.append(cost.Meter())


def pytest_runtest_logfinish(nodeid: str) -> None:
    for meter in _meters:
        meter.note(nodeid)


ROLES = ("member", "viewer", "admin", "owner")


@pytest.fixture(scope="module")
def engine() -> str:
    """The database that servers run on. Folders whose tests hold for each of them override it, see
    `tests/engines.py`."""
    return "sqlite"


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker, limits wide enough for a module's worth of requests, everything else as shipped."""
    with running(
        tmp_path_factory.mktemp("server") / "data",
        "--rate-limit",
        "1000000/minute,10000000/hour",
        "--unauthenticated-limit",
        "1000000/minute",
    ) as server:
        yield server


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One for all tests that do no harm to it."""
    with running_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="module")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    """A server of another that takes mail."""
    with mail_server(certified(tmp_path_factory.mktemp("tls"), "127.0.0.1")) as listening:
        yield listening


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx2.Client]:
    """The owner's client."""
    with server.http() as client:
        yield client


@pytest.fixture(scope="module")
def anonymous(server: Server) -> Iterator[httpx2.Client]:
    with server.http(None) as client:
        yield client


@pytest.fixture
def user(http: httpx2.Client) -> dict:
    """A new member."""
    return new_user(http)


@pytest.fixture
def as_role(server: Server, http: httpx2.Client) -> Iterator[Callable[..., httpx2.Client]]:
    """Makes a user with a role, and gives a client with a key of it; `client.user` is that user."""
    clients: list[httpx2.Client] = []

    def make(role: str, scopes: list[str] | None = None, **fields: object) -> httpx2.Client:
        user = new_user(http, role=role, **fields)
        client = server.http(new_key(http, user_id=user["id"], scopes=scopes))
        client.user = user  # type: ignore[attr-defined]
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
