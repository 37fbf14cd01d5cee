"""The README, the quickstart and what the command line prints run as they are printed, pasted into one shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.cli.command import rollbook
from tests.harness import PLAIN, answers, free_port, new_user, running
from tests.nodes.pair import wait_until
from tests.processes import ROOT

PAGES = {
    ROOT / "README.md": r"\"Grace\".*Grace Hopper.*status +active.*sign_in = SignIn\(app",
    ROOT / "docs" / "quickstart.md": r"Hello, Alice Wonderland<.*incorrect.*Hello, Alice Wonderland<",
}
"""With what they print in the end."""
SKIPPED = ("make serve", "pip install")
"""The server runs already, and what programs need is in this environment."""
INSTALLED = ROOT / ".venv-migrate"


def printed(page: Path) -> str:
    """What a reader pastes: the blocks of commands, without those that show what a command prints."""
    blocks = re.findall(r"^```(?:console|sh)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return "".join(block for block in blocks if not any(map(block.__contains__, SKIPPED)) and block[:2] != "  ")


def environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": f"{Path(sys.executable).parent}:{INSTALLED / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "sdk" / "python" / "src"),
        "HOME": str(folder),
        "NO_PROXY": "*",
    }


@pytest.mark.parametrize(("page", "says"), PAGES.items(), ids=lambda each: getattr(each, "name", ""))
def test_the_first_pages_run_as_printed_outside_of_the_clone(page: Path, says: str, tmp_path: Path) -> None:
    (tmp_path / ".venv-shop").symlink_to(INSTALLED)
    with running(tmp_path / "data") as server:
        script = printed(page).replace("http://127.0.0.1:8000", server.url).replace("5001", str(free_port()))
        done = subprocess.run(
            ["bash", "-c", f"set -e; trap 'kill $(jobs -p) 2> /dev/null || :' EXIT\n{script}"],
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stdout
        assert re.search(says, done.stdout, re.DOTALL), done.stdout
        assert '"error"' not in done.stdout


@pytest.mark.parametrize("audiences", [(), ("--audiences", "shop", "--audiences", "app")], ids=["its own", "two"])
def test_a_program_that_signs_people_in_is_printed_with_its_key(audiences: tuple[str, ...], tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, server.http() as http:
        user = new_user(http)
        done = rollbook(
            "apps", "create", "Shop", "--for", "sign-in", *audiences, "--url", server.url, "--key", server.key
        )
        script = done.stderr.partition("Try it:\n\n")[2].partition("\n\nThe application is")[0]
        port = str(free_port())
        with (tmp_path / "printed").open("w") as output:
            shop = subprocess.Popen(
                ["bash", "-c", script.replace("5001", port).replace("flask --app", "exec flask --app")],
                cwd=tmp_path,
                env=environment(tmp_path),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(lambda: shop.poll() is not None or answers(int(port), "/sign-in"))
            with httpx2.Client(follow_redirects=True, timeout=60, **PLAIN) as browser:
                form = {"email": user["email"], "password": user["password"]}
                answer = browser.post(f"http://localhost:{port}/sign-in", data=form)
            assert f"Hello, {user['name']}<" in answer.text, (tmp_path / "printed").read_text()
        finally:
            shop.kill()
            shop.wait()
