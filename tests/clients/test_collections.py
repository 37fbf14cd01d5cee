"""What Postman and Bruno import from the description: requests that can be sent as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.generated import ROOT, run
from tests.harness import Server, running

BIN = ROOT / "integrations" / "hosts" / "collections" / "node_modules" / ".bin"
SENT = ("Create a user", "List users", "Create a group", "Create an API key", "Get usage")
"""Names of requests that need no ID."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "data", "--rate-limit", "none") as server:
        yield server


@pytest.fixture
def description(server: Server, tmp_path: Path) -> Path:
    with server.http(None) as stranger:
        (file := tmp_path / "openapi.json").write_bytes(stranger.get("/openapi.json").content)
    return file


def test_postman(server: Server, description: Path) -> None:
    """With the settings that docs/conventions.md names."""
    made = description.with_name("postman.json")
    settings = "folderStrategy=Tags,parametersResolution=Example,enableOptionalParameters=false"
    run([BIN / "openapi2postmanv2", "-s", description, "-o", made, "-O", settings], ROOT)
    assert {"key": "baseUrl", "value": server.url}.items() <= json.loads(made.read_text())["variable"][0].items()
    told = description.with_name("told.json")
    names = [part for name in SENT for part in ("--folder", name)]
    report = ["--reporters", "json", "--reporter-json-export", told]
    run([BIN / "newman", "run", made, *names, "--env-var", f"bearerToken={server.key}", *report], ROOT)
    sent = json.loads(told.read_text())["run"]["executions"]
    assert {each["item"]["name"]: each["response"]["code"] // 100 for each in sent} == dict.fromkeys(SENT, 2)


def test_bruno(server: Server, description: Path) -> None:
    made = description.with_name("Rollbook")
    run(
        [BIN / "bru", "import", "openapi", "--source", description, "--output", made, "--collection-name", "Rollbook"],
        ROOT,
    )
    files = [next(made.glob(f"*/{name}.*")) for name in SENT]
    told = description.with_name("told.json")
    key = ["--env", "This server", "--env-var", f"token={server.key}"]
    run([BIN / "bru", "run", *files, *key, "--output", told], made)
    (done,) = json.loads(told.read_text())
    assert {each["test"]["filename"]: each["response"]["status"] // 100 for each in done["results"]} == {
        str(file.relative_to(made)): 2 for file in files
    }
