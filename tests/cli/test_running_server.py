"""Commands on a data folder know where its server listens."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollbook.cli import server_address
from tests.cli.command import good, refused, rollbook
from tests.harness import OWNER_EMAIL, Server, running
from tests.nodes.pair import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With two workers, which the parent's announcement must outlive as well."""
    with running(tmp_path_factory.mktemp("server") / "data", "--workers", "2") as server:
        yield server


def test_links_and_hints_lead_to_the_port_the_server_listens_on(server: Server) -> None:
    assert good("users", "invite", OWNER_EMAIL, "--quiet", "--data", str(server.data)).startswith(
        f"{server.url}/account/set-password"
    )
    assert f"{server.url}/v1/users/me" in rollbook("keys", "create", OWNER_EMAIL, "--data", str(server.data)).stderr


def test_open_prints_the_dashboard_of_the_server(server: Server, tmp_path: Path) -> None:
    data = str(server.data)
    assert good("open", "--data", data) == f"{server.url}\n"
    assert good("open", "--data", data, public_url="https://users.example.com/") == "https://users.example.com\n"
    assert good("open", data=tmp_path, url="https://u.example.com/v1") == "https://u.example.com\n"
    assert "No server is running" in refused("open", "--data", str(tmp_path))


def test_a_second_server_on_a_folder_names_the_first_and_each_is_found_without_the_other(tmp_path: Path) -> None:
    with running(tmp_path / "data") as first, running(first.data) as second:
        assert first.log == second.log
        deadline = time.monotonic() + 60
        while f"Another server runs on this folder, at {first.url}." not in first.log.read_text():
            assert time.monotonic() < deadline, first.log.read_text()
            time.sleep(0.05)
        assert good("open", "--data", str(first.data)) == f"{first.url}\n"
        second.stop()
        assert good("open", "--data", str(first.data)) == f"{first.url}\n", "the end of the second changes nothing"
        second.start()
        wait_until((first.data / f"{server_address.NAME}.2").exists)
        first.stop()
        assert good("open", "--data", str(first.data)) == f"{second.url}\n"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_the_address_of_a_server_that_is_gone_is_used_no_longer(tmp_path: Path, how: signal.Signals) -> None:
    data = tmp_path / "data"
    with running(data) as server:
        file = data / server_address.NAME
        assert file.read_text() == f"{server.url}\n" and file.stat().st_mode & 0o077 == 0
        server.stop(how)
        assert file.exists() == (how == signal.SIGKILL)
        assert "No server is running" in refused("open", "--data", str(data))
        assert ":8000/" in good("users", "invite", OWNER_EMAIL, "--quiet", "--data", str(data))
