"""The life of the server: it starts, survives the death of its workers, and stops without losing a request."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from wire import Client, Hold, Server, until

from rollbook.config import ConfigurationError
from rollbook.http.server import begin_nothing, bind
from tests.harness import free_port


def _processes(server: Server, connections: int = 60) -> set[int]:
    """The workers that answer."""
    found = set()
    for _ in range(connections):
        with server.client() as client:
            found.add(client.get("/process").json)
    return found


def _children(pid: int) -> set[int]:
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # it has ended
            found |= {int(child) for child in (task / "children").read_text().split()}
    return found


class Load:
    """Clients that send one request after another on kept connections, as long as the server lets them."""

    def __init__(self, port: int, path: str, clients: int) -> None:
        self.answered = 0
        self.failed: list[str] = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(port, path)) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def _run(self, port: int, path: str) -> None:
        while True:
            try:
                client = Client(port)
            except ConnectionRefusedError:
                return  # the port is closed: nothing was asked, nothing is lost
            with client:
                while True:
                    try:
                        answer = client.get(path)
                    except (OSError, EOFError) as problem:
                        with self.lock:
                            self.failed.append(repr(problem))
                        return
                    with self.lock:
                        self.answered += 1
                        if answer.status != 200:
                            self.failed.append(str(answer.status))
                    if answer.headers.get("connection") == "close":
                        break

    def join(self) -> None:
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()


class TestStop:
    @pytest.mark.parametrize("workers", [1, 2])
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_no_request_is_lost_under_load(self, workers: int, number: int, tmp_path: Path) -> None:
        environment = {"ECHO_STOPPED": str(tmp_path / "stopped")}
        with Server(f"workers={workers}", "drain_timeout=600", environment=environment) as server:
            load = Load(server.port, "/slow?s=0.02", 16)
            until(lambda: load.answered > 100)
            code, _, errors = server.stop(number)  # much sooner than it would wait for them
            load.join()
        assert load.failed == []
        assert (code, errors) == (0, "")
        assert len((tmp_path / "stopped").read_text().splitlines()) == workers

    def test_a_port_that_is_about_to_close_resets_no_one(self) -> None:
        """However long the server is held up before it closes the port: here until every client has come again."""
        (listener,) = bind("127.0.0.1", 0)
        listener.listen()
        address = listener.getsockname()
        with socket.create_connection(address), socket.socket() as late:
            begin_nothing(listener)
            late.setblocking(False)
            late.connect_ex(address)
            assert select.select([listener], [], [], 60)[0]  # who came before is still let in
            listener.accept()[0].close()
            assert select.select([listener], [], [], 0.1)[0] == []
            listener.close()
            assert select.select([], [late], [], 60)[1]  # it has tried again
            assert late.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED

    def test_a_running_request_ends_and_says_close(self, tmp_path: Path) -> None:
        with Server("drain_timeout=600") as server, server.client() as client:
            held = _held(client, tmp_path)
            server.process.send_signal(signal.SIGTERM)
            until(server.refuses)
            held.let_go()
            answer = client.read()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert client.at_end()
            assert server.process.wait(60) == 0

    def test_idle_connections_do_not_delay_it(self) -> None:
        with Server("drain_timeout=600", "header_timeout=600", "keep_alive_timeout=600") as server:
            idle = [server.client() for _ in range(20)]
            for client in idle[:10]:
                client.get()
            code, _, _ = server.stop()
            assert code == 0
            for client in idle:
                assert client.at_end()
                client.socket.close()

    def test_new_connections_are_refused_while_running_requests_end(self, tmp_path: Path) -> None:
        with Server("drain_timeout=600") as server, server.client() as client:
            held = _held(client, tmp_path)
            server.process.send_signal(signal.SIGTERM)
            until(server.refuses)
            assert server.process.poll() is None
            held.let_go()
            assert client.read().status == 200

    def test_the_write_of_a_client_that_hung_up_is_waited_for(self, tmp_path: Path) -> None:
        stopped = tmp_path / "stopped"
        with Server("drain_timeout=600", environment={"ECHO_STOPPED": str(stopped)}) as server:
            with server.client() as client:
                held = _held(client, tmp_path)
            server.process.send_signal(signal.SIGTERM)
            until(server.refuses)
            held.let_go()
            assert server.process.wait(60) == 0
        assert stopped.read_text() == "0 1\n"

    @pytest.mark.parametrize("workers", [1, 2])
    def test_what_does_not_end_is_cut_off(self, workers: int, tmp_path: Path) -> None:
        with Server(f"workers={workers}", "drain_timeout=1") as server, server.client() as client:
            _held(client, tmp_path)
            code, seconds, errors = server.stop()
        assert seconds > 0.8
        assert code == 0
        assert "unfinished" in errors

    @pytest.mark.parametrize("workers", [1, 2])
    def test_a_second_signal_ends_it_at_once(self, workers: int, tmp_path: Path) -> None:
        with Server(f"workers={workers}", "drain_timeout=600") as server, server.client() as client:
            _held(client, tmp_path)
            server.process.send_signal(signal.SIGTERM)
            until(server.refuses)
            workers_left = _children(server.process.pid)
            code, _, _ = server.stop(signal.SIGINT)
            assert code == 128 + signal.SIGINT
            until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers_left))


class TestWorkers:
    def test_they_share_the_port(self) -> None:
        with Server("workers=3") as server:
            until(lambda: len(_processes(server)) > 1)
            assert _processes(server) <= _children(server.process.pid)

    def test_one_that_is_killed_is_replaced(self) -> None:
        with Server("workers=2") as server:
            until(lambda: len(_children(server.process.pid)) == 2)
            for _ in range(2):
                before = _children(server.process.pid)
                victim = min(before)
                os.kill(victim, signal.SIGKILL)
                until(lambda gone=victim: gone not in _children(server.process.pid))  # type: ignore[misc]
                with server.client() as client:  # the other one still answers
                    assert client.get().status == 200
                until(lambda: len(_children(server.process.pid)) == 2)
            code, _, errors = server.stop()
        assert code == 0
        assert errors.count("SIGKILL; starting it again") == 2

    def test_they_go_when_the_parent_is_killed(self) -> None:
        with Server("workers=2") as server:
            until(lambda: len(_children(server.process.pid)) == 2)
            workers = _children(server.process.pid)
            server.process.kill()
            until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers))

    def test_a_signal_to_the_whole_group_stops_them_gently(self, tmp_path: Path) -> None:
        """As a terminal does with Ctrl-C, and systemd with SIGTERM."""
        with Server("workers=2", "drain_timeout=600") as server, server.client() as client:
            until(lambda: len(_children(server.process.pid)) == 2)
            held = _held(client, tmp_path)
            for pid in (*_children(server.process.pid), server.process.pid):
                os.kill(pid, signal.SIGINT)
            until(server.refuses)
            held.let_go()
            assert client.read().status == 200
            assert server.process.wait(60) == 0


class TestStart:
    def test_the_port_opens_when_the_application_has_started(self, tmp_path: Path) -> None:
        port, start = free_port(), tmp_path / "start"
        with Server(f"port={port}", environment={"ECHO_START_HELD": str(start)}, wait=False) as server:
            until(start.with_suffix(".begun").exists)
            with pytest.raises(ConnectionRefusedError):
                Client(port)
            start.touch()
            assert server.output.readline().strip() == f"http://127.0.0.1:{port}"
            with Client(port) as client:
                assert client.get().status == 200

    @pytest.mark.parametrize("workers", [1, 2])
    def test_a_failing_start_ends_the_server(self, workers: int) -> None:
        with Server(f"workers={workers}", environment={"ECHO_FAILS_TO_START": "1"}, wait=False) as server:
            code, output, errors = server.end()
        assert code != 0
        assert output == ""
        assert "no storage" in errors

    def test_a_taken_port_names_who_has_it(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with pytest.raises(ConfigurationError, match=rf"{port} is taken by .*\(process {os.getpid()}\).*--port"):
                bind("127.0.0.1", port)

    @pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
    def test_a_host_that_is_not_ours_is_named(self, host: str) -> None:
        with pytest.raises(ConfigurationError, match=host):
            bind(host, 0)

    def test_a_host_that_is_not_ours_is_no_fault_of_who_has_the_port_elsewhere(self) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as other,
            pytest.raises(ConfigurationError, match="cannot listen on 192.0.2.1"),
        ):
            bind("192.0.2.1", other.getsockname()[1])

    def test_all_addresses_of_a_host_have_the_same_port(self) -> None:
        sockets: list[socket.socket] = []
        for _ in range(20):
            with suppress(ConfigurationError):  # the port that is free at the first of them is taken at another
                sockets = bind("localhost", 0)
                break
        assert sockets
        assert len({listener.getsockname()[1] for listener in sockets}) == 1
        for listener in sockets:
            listener.close()

    @pytest.mark.parametrize("host", ["::", "0.0.0.0", ""])
    def test_a_wildcard_is_reached_by_ipv4_as_ipv4(self, host: str) -> None:
        with Server(f"host={host}") as server, server.client() as client:
            assert client.get().json["address"] == "127.0.0.1"

    def test_a_certificate_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        missing = tmp_path / "missing.pem"
        with Server(f"tls_cert={missing}", f"tls_key={missing}", wait=False) as server:
            code, _, errors = server.end()
        assert code != 0
        assert f"ConfigurationError: tls_cert: {missing} does not exist" in errors


def _held(client: Client, folder: Path) -> Hold:
    """A request of this client's, which the server has begun to answer."""
    held = Hold(folder)
    client.send(f"GET {held.path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    held.begun()
    return held


def test_a_request_that_waits_for_something_to_happen_is_answered_when_the_server_stops(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    with Server("drain_timeout=600") as server, server.client() as client:
        client.send(f"GET /wait?begun={begun} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        until(begun.exists)
        code, _, _ = server.stop()
        assert (code, client.read().json) == (0, "stopping")


@pytest.mark.parametrize("half", [True, False], ids=["sends no more", "leaves"])
def test_a_request_that_waits_for_something_to_happen_ends_when_its_client(tmp_path: Path, half: bool) -> None:
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    with Server() as server, server.client() as client:
        client.send(f"GET /wait?begun={begun}&ended={ended} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        until(begun.exists)
        client.socket.shutdown(socket.SHUT_WR)
        if half:
            assert client.read().json == "left"
        else:
            client.socket.close()
        until(ended.exists)
        assert ended.read_text() == "left"
