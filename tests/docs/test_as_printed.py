"""The README and the quickstart run as they are printed: all of their lines, in order, pasted into one shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import free_port, running
from tests.processes import ROOT

PAGES = {
    ROOT / "README.md": r"Alice.*Alice Wonderland.*status +active.*refresh_token.*Alice Wonderland",
    ROOT / "docs" / "quickstart.md": r"Hello, Alice Wonderland!.*incorrect.*Hello, Alice Wonderland!",
}
"""With what they print in the end."""
SKIPPED = "make serve"
"""The server runs already."""


def printed(page: Path) -> str:
    """What a reader pastes: the blocks of commands, without those that show what a command prints."""
    blocks = re.findall(r"^```(?:console|sh)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return "".join(block for block in blocks if SKIPPED not in block and not block.startswith("  "))


@pytest.mark.parametrize(("page", "says"), PAGES.items(), ids=lambda each: getattr(each, "name", ""))
def test_the_first_pages_run_as_printed_outside_of_the_clone(page: Path, says: str, tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        script = printed(page).replace("http://127.0.0.1:8000", server.url).replace("5001", str(free_port()))
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "NO_PROXY": "*",
        }
        done = subprocess.run(
            ["bash", "-c", f"set -e; trap 'kill $(jobs -p) 2> /dev/null || :' EXIT\n{script}"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(says, done.stdout, re.DOTALL), done.stdout + done.stderr
        assert '"error"' not in done.stdout
