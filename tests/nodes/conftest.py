"""Two nodes of four workers each, for tests that do no harm to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.certificates import Certified, certified
from tests.nodes.pair import WIDE, Pair, pair
from tests.patient import PATIENT
from tests.valkey import ValkeyServer


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """The certificate of a server that the nodes trust."""
    return certified(tmp_path_factory.mktemp("certificate"), "127.0.0.1")


@pytest.fixture(scope="session")
def nodes(valkey: ValkeyServer, files: Certified, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    # Valkey's clock decides about limits, as where it ships; and more connections than one for each purpose, so that
    # they overtake each other.
    environment = {"ROLLBOOK_LIMITS": valkey.url, "ROLLBOOK_CLOCK_FILE": "", "ROLLBOOK_DATABASE_CONNECTIONS": "8"}
    environment["SSL_CERT_FILE"] = str(files.authority)
    with pair(
        tmp_path_factory.mktemp("nodes"),
        *("--workers", "4", *WIDE, "--webhook-allow", "127.0.0.0/8"),
        environment=environment,
        program=PATIENT,
    ) as nodes:
        yield nodes
