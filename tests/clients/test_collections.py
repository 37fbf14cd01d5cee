"""The collections for Postman and Bruno: each of their requests succeeds in a run from top to bottom."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.clients.generated import ROOT, run
from tests.harness import Server, running
from tests.nodes.pair import wait_until

INTEGRATIONS = ROOT / "integrations"
BIN = INTEGRATIONS / "hosts" / "collections" / "node_modules" / ".bin"
POSTMAN = INTEGRATIONS / "postman" / "rollbook.postman_collection.json"
BRUNO = INTEGRATIONS / "bruno"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data", "--rate-limit", "none") as server, server.http() as http:
        # The collections ask for a request that was logged.
        wait_until(lambda: http.get("/v1/requests").json() != [])
        yield server


def values(server: Server) -> list[str]:
    return ["--env-var", f"baseUrl={server.url}", "--env-var", f"key={server.key}"]


def test_postman(server: Server) -> None:
    said = run([BIN / "newman", "run", POSTMAN, *values(server), "--color", "off"], ROOT)
    asked = json.loads(POSTMAN.read_text())
    assert said.count("✓  Status ") == sum(len(folder["item"]) for folder in asked["item"])


def test_bruno(server: Server) -> None:
    said = run([BIN / "bru", "run", "-r", "--env", "Rollbook", *values(server)], BRUNO)
    assert said.count("✓ res.status") == len([*BRUNO.glob("*/*.bru")]) - len([*BRUNO.glob("*/folder.bru")]) - 1


def test_both_are_small() -> None:
    """What converters made of the description had 4.6 MB."""
    assert POSTMAN.stat().st_size < 300_000
    assert sum(file.stat().st_size for file in BRUNO.rglob("*") if file.is_file()) < 300_000
