"""The Flask program of the docs signs people in, as it is printed, with Authlib."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx2

from rollbook.docs_site import guide
from tests.harness import PLAIN, Server, free_port, new_user, running
from tests.nodes.pair import wait_until
from tests.processes import ROOT
from tests.relying import application, parameters_of
from tests.visitor import sign_in, visitor

PYTHON = ROOT / ".venv-migrate" / "bin" / "python"


def test_the_flask_program_of_the_page_signs_people_in(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (
        running(tmp_path / "data", "--rate-limit", "none") as server,
        server.http() as http,
        application(server, http, redirect_urls=[f"{url}/callback"]) as app,
    ):
        values = {
            "client_id": app.id,
            "client_secret": app.secret,
            "issuer": server.url,
            "redirect_url": f"{url}/callback",
        }
        (tmp_path / "app.py").write_text(guide.connections()["flask"].filled(values))
        with (tmp_path / "printed").open("w") as output:
            command = [str(PYTHON), "-m", "flask", "run", "--port", str(port)]
            program = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT)
        try:
            _signs_in(server, new_user(http), url, program, tmp_path / "printed")
        finally:
            program.kill()
            program.wait()


def _signs_in(server: Server, user: dict, url: str, program: subprocess.Popen[bytes], printed: Path) -> None:
    def listens() -> bool:
        assert program.poll() is None, printed.read_text()
        try:
            return httpx2.get(url, timeout=60, **PLAIN).status_code > 0
        except httpx2.TransportError:
            return False

    wait_until(listens)
    with visitor(server) as browser:
        assert browser.get(f"{url}/").headers["location"] == "/sign-in"
        asked = browser.get(f"{url}/sign-in").headers["location"]
        assert asked.startswith(f"{server.url}/oauth2/authorize?") and "code_challenge=" in asked
        form = parameters_of(browser.get(asked).headers["location"])
        back = browser.get(sign_in(browser, user["email"], user["password"], next=form["next"]).headers["location"])
        assert back.headers["location"].startswith(f"{url}/callback?")
        done = browser.get(back.headers["location"])
        assert done.status_code == 302, printed.read_text()
        assert browser.get(f"{url}/").text == f"Hello, {user['name']}"
