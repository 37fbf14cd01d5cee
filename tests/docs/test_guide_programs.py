"""The programs in the quickstart and on the page about rate limits do what the pages say."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests.docs.test_follow_programs import program
from tests.harness import OWNER_EMAIL, Server, running
from tests.nodes.pair import wait_until


def printed_by(page: str, server: Server, folder: Path) -> str:
    command = program(page, "python", server, folder)
    done = subprocess.run(
        command, env=os.environ | {"ROLLBOOK_KEY": server.key}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_program_lists_the_users(server: Server, tmp_path: Path) -> None:
    assert OWNER_EMAIL in printed_by("quickstart.md", server, tmp_path).splitlines()


def test_the_program_that_is_over_its_limit_waits_as_long_as_it_must(tmp_path: Path) -> None:
    # Also where 100 requests take long; where they don't, it waits for most of the window.
    with running(tmp_path / "data", "--rate-limit", "100/20s") as server:
        started = time.monotonic()
        assert printed_by("limits.md", server, tmp_path) == "150 requests were answered.\n"
        assert time.monotonic() - started > 1
        wait_until(lambda: '"status":429' in server.log.read_text().replace(" ", ""))
