"""The TypeScript SDK does against a running server what it promises, and the package is small and complete."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import typescript_sdk
from tests.harness import Server, new_user, running
from tests.nodes.pair import wait_until
from tests.typescript_sdk import BIN, ROOT, SDK

pytestmark = pytest.mark.timeout(300)
MAX_BYTES = 8192


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its log has lost its first events."""
    flags = ("--rate-limit", "none", "--event-retention", "7", "--webhook-allow", "127.0.0.0/8")
    with running(tmp_path_factory.mktemp("server") / "data", *flags) as server, server.http() as http:
        new_user(http)
        server.stop()
        server.pass_time(8 * 86_400)
        server.start()
        wait_until(lambda: http.get("/v1/events", params={"after": "1"}).status_code == 410)
        yield server


def test_the_sdk_keeps_its_promises(server: Server) -> None:
    typescript_sdk.built()
    typescript_sdk.compile(SDK / "tests")
    environment = os.environ | {
        "ROLLBOOK_URL": server.url,
        "ROLLBOOK_KEY": server.key,
        "CLOCK_FILE": str(server.clock_file),
    }
    done = subprocess.run(
        ["node", SDK / "tests" / "dist" / "index.js"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, re.sub(r"(?m)^ok .*\n(?:  .*\n)*", "", done.stdout)[-6000:] + done.stderr[-2000:]


def test_all_of_it_is_small(tmp_path: Path) -> None:
    entry = typescript_sdk.built() / "dist" / "index.js"
    bundle = tmp_path / "bundle.js"
    subprocess.run(
        [
            BIN / "esbuild",
            entry,
            "--bundle",
            "--minify",
            "--format=esm",
            "--target=es2022",
            f"--outfile={bundle}",
            "--log-level=error",
        ],
        check=True,
    )
    size = len(gzip.compress(bundle.read_bytes(), 9))
    assert size <= MAX_BYTES, f"{size} bytes"


def test_the_package_is_complete_and_of_the_version_of_the_server() -> None:
    package = json.loads((typescript_sdk.built() / "package.json").read_text())
    assert package["version"] == json.loads((ROOT / "openapi.json").read_text())["info"]["version"]
    assert "dependencies" not in package
    done = subprocess.run(
        [BIN / "publint", "--strict"], cwd=SDK, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0 and "All good!" in done.stdout, done.stdout + done.stderr
