"""The plugin for pytest starts a server whose clock tests move, and nothing leads that server to data that exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from rollbook_client import SessionEnded
from rollbook_client.testing import Sandbox, sandbox

from tests.harness import PLAIN
from tests.nodes.pair import wait_until


@pytest.fixture(scope="module")
def rollbook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Started where settings of a real server lie about."""
    folder = tmp_path_factory.mktemp("production")
    (folder / "rollbook.toml").write_text(f'data = "{folder}/data"\nhost = "0.0.0.0"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ROLLBOOK_DATA", str(folder / "data"))
        patch.setenv("ROLLBOOK_HOST", "0.0.0.0")
        patch.setenv("ROLLBOOK_RATE_LIMIT", "1/hour")
        with sandbox() as server:
            yield server
    assert [path.name for path in folder.iterdir()] == ["rollbook.toml"]


def test_the_clock_goes_ahead_at_once(rollbook: Sandbox) -> None:
    client = rollbook.client
    client.users.create(name="Ada", email="ada@example.com", password="securepassword123")
    session = client.sessions.create(email="ada@example.com", password="securepassword123", audience="shop")
    assert client.sessions.verify(token=session.token, audience="shop").user.name == "Ada"
    rollbook.advance(16 * 60)
    with pytest.raises(SessionEnded):
        client.sessions.verify(token=session.token, audience="shop")
    with pytest.raises(ValueError, match="forward only"):
        rollbook.advance(-1)


def test_mail_and_webhooks_are_lists_and_links_lead_to_the_server(rollbook: Sandbox) -> None:
    user = rollbook.client.users.create(name="Bob", email="bob@example.com", password="securepassword123")
    rollbook.client.tokens.request(purpose="reset_password", email=user.email)
    rollbook.wait_until(lambda: rollbook.mail)
    message = rollbook.mail[-1]
    assert message["To"] == "bob@example.com"
    body = message.get_body(("plain",))
    assert body is not None
    [link] = re.findall(rf"{rollbook.url}/\S+", body.get_content())
    assert httpx2.get(link, timeout=60, **PLAIN).status_code == 200
    rollbook.wait_until(lambda: [event for event in rollbook.webhooks if event.object.id == user.id])
    with pytest.raises(TimeoutError):
        rollbook.wait_until(lambda: False, 0.01)


@pytest.mark.parametrize("name", ["data", "database", "database_replicas", "host", "port", "config", "limits"])
def test_it_is_not_pointed_at_data_that_exist(name: str) -> None:
    with pytest.raises(ValueError, match=f"its own {name}"), sandbox(**{name: "there"}):
        pass


def test_what_keeps_it_from_starting_is_said() -> None:
    with pytest.raises(RuntimeError, match="rate_limit"), sandbox(rate_limit="often"):
        pass


def test_it_ends_with_the_tests_even_if_they_are_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from rollbook_client.testing import sandbox\n"
        "with sandbox() as server: print(server.url, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(tmp_path)}
    ) as tests:
        assert tests.stdout
        url = tests.stdout.readline().strip()
        assert httpx2.get(f"{url}/health/ready", timeout=60, **PLAIN).status_code == 200
        tests.kill()

    def is_gone() -> bool:
        try:
            httpx2.get(f"{url}/health/ready", timeout=60, **PLAIN)
        except httpx2.TransportError:
            return True
        return False

    wait_until(is_gone)
