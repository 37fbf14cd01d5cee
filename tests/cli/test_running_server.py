"""Commands on a data folder know where its server listens."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from rollbook.cli import server_address
from tests.cli.command import good, refused, rollbook
from tests.harness import OWNER_EMAIL, Server, free_port, running, serving
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


def test_a_command_for_servers_says_why_and_where_the_one_of_the_folder_is(server: Server, tmp_path: Path) -> None:
    said = refused("imports", "undo", "imp_1", "--yes", data=server.data)
    assert "This is done by a running server, not on a folder." in said
    assert f"--url {server.url} with an API key in ROLLBOOK_KEY" in said
    assert "--url http://127.0.0.1:8000 " in refused("imports", "undo", "imp_1", data=tmp_path)
    assert "Whose? For example: rollbook keys create owner@" in refused("keys", "create", data=server.data, code=2)


def test_open_prints_the_dashboard_of_the_server(server: Server, tmp_path: Path) -> None:
    data = str(server.data)
    assert good("open", "--data", data) == f"{server.url}\n"
    assert good("open", "--data", data, public_url="https://users.example.com/") == "https://users.example.com\n"
    assert good("open", data=tmp_path, url="https://u.example.com/v1") == "https://u.example.com\n"
    assert "No server is running" in refused("open", "--data", str(tmp_path))


def test_health_is_an_exit_status(server: Server, tmp_path: Path) -> None:
    assert good("health", "--data", str(server.data)) == f"{server.url}: database ok\n"
    assert good("health", port=server.port, host="0.0.0.0", data=tmp_path) == f"{server.url}: database ok\n"
    assert good("health", url=f"{server.url}/v1") == f"{server.url}: database ok\n"
    port = free_port()
    assert f"http://127.0.0.1:{port} does not answer" in refused("health", port=port, data=tmp_path)
    assert "does not answer" in refused("health", port=port, data=tmp_path, url=f"http://127.0.0.1:{port}")
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as other, serving(other):  # answers 404, in HTML
        address = f"http://127.0.0.1:{other.server_port}"
        assert f"{address} does not answer as Rollbook does" in refused("health", "--url", address)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_systemd_hears_when_the_server_answers(tmp_path: Path, workers: str) -> None:
    name = f"rollbook-{os.getpid()}-{workers}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(60)
        manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        with running(tmp_path / "data", "--workers", workers, environment={"NOTIFY_SOCKET": f"@{name}"}) as server:
            message, [(_, _, credentials)], *_ = manager.recvmsg(64, 64)
            assert good("health", "--data", str(server.data))
            assert message == b"READY=1"
            # From the main process: systemd believes no other.
            assert server.process is not None and struct.unpack("3i", credentials)[0] == server.process.pid


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
