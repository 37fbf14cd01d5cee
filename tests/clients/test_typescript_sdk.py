"""The TypeScript SDK does against a running server what it promises, and the package is small and complete."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import typescript_sdk
from tests.harness import Server, new_user, running
from tests.nodes.pair import wait_until
from tests.typescript_sdk import BIN, ROOT, SDK

pytestmark = pytest.mark.timeout(300)
MAX_BYTES = 9000


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


def test_the_folder_alone_can_be_packed_and_installed(tmp_path: Path) -> None:
    """As in a clone in which nothing was installed: only the compiler is there, which npm would fetch otherwise."""
    alone, application = tmp_path / "rollbook" / "sdk", tmp_path / "application"
    shutil.copytree(SDK, alone, ignore=shutil.ignore_patterns("dist", "tests", "node_modules"))
    (alone / "node_modules").mkdir()
    (alone / "node_modules" / "typescript").symlink_to(ROOT / "node_modules" / "typescript")
    application.mkdir()
    (application / "package.json").write_text("{}")

    def npm(folder: Path, *arguments: str | Path) -> None:
        command = ["npm", *arguments, "--offline", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr

    npm(alone, "pack", "--pack-destination", tmp_path)
    with tarfile.open(next(tmp_path.glob("rollbook-client-*.tgz"))) as file:
        assert {"package/dist/index.js", "package/dist/index.d.ts", "package/README.md"} <= set(file.getnames())
    for options in ((), ("--install-links",)):
        shutil.rmtree(alone / "dist", ignore_errors=True)
        shutil.rmtree(application / "node_modules", ignore_errors=True)
        npm(application, "install", *options, alone)
        program = 'import { Rollbook } from "@rollbook/client"; console.log(typeof Rollbook)'
        command = ["node", "--input-type=module", "--eval", program]
        assert (
            subprocess.run(command, cwd=application, capture_output=True, text=True, check=True).stdout == "function\n"
        )
    packed = ["rollbook-client-1.0.0.tgz", "sdk/typescript/rollbook-client-1.0.0.tgz"]
    ignored = subprocess.run(["git", "check-ignore", *packed], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ignored.stdout.split() == packed


def test_the_package_is_complete_and_of_the_version_of_the_server() -> None:
    package = json.loads((typescript_sdk.built() / "package.json").read_text())
    assert package["version"] == json.loads((ROOT / "openapi.json").read_text())["info"]["version"]
    assert "dependencies" not in package
    done = subprocess.run(
        [BIN / "publint", "--strict"], cwd=SDK, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0 and "All good!" in done.stdout, done.stdout + done.stderr
