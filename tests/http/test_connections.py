"""Clients that are slow, silent, greedy or gone: what one of them does costs nobody else anything."""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from wire import Client, Hold, Server, until

from rollbook.config import Settings
from rollbook.http.door import Door

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
# The sweep that ends late connections runs four times in the shortest of these.
TIMEOUTS = ("header_timeout=0.4", "body_timeout=0.6", "keep_alive_timeout=0.8")


@pytest.fixture(scope="module")
def hasty() -> Iterator[Server]:
    with Server(*TIMEOUTS) as running:
        yield running


@contextlib.contextmanager
def _takes(least: float) -> Iterator[None]:
    """So many seconds, but not as many as the time-outs are without ours: of a late answer the machine may be the
    reason."""
    began = time.monotonic()
    yield
    assert least < time.monotonic() - began < 8


def _asks(server: Server, sent: bytes) -> Client:
    """A connection over which this came so early that no time-out had to do with it: one on which we were held up is
    none."""
    deadline = time.monotonic() + 60
    while True:
        began = time.monotonic()
        client = server.client()
        client.asked = began
        client.send(sent)
        if time.monotonic() - began < 0.1:
            return client
        client.socket.close()
        assert time.monotonic() < deadline, "too busy a machine"


@contextlib.contextmanager
def _asks_for(least: float, server: Server, sent: bytes) -> Iterator[Client]:
    """The same, and it `_takes` so many seconds."""
    with _asks(server, sent) as client:
        yield client
        assert least < time.monotonic() - client.asked < 8


class TestDeadlines:
    def test_a_silent_connection_is_closed(self, hasty: Server) -> None:
        with _takes(0.2), hasty.client() as client:
            assert client.at_end()

    @pytest.mark.parametrize("start", [b"G", b"GET / HT", GET[:-2], GET[:-2] + b"X: y", b"\r\n"])
    def test_half_a_head_gets_408(self, hasty: Server, start: bytes) -> None:
        with _takes(0.2), hasty.client() as client:
            client.send(start)
            assert client.read().status == 408
            assert client.at_end()

    @pytest.mark.parametrize(
        "start",
        [
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y",
            b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhel",
        ],
    )
    def test_half_a_body_gets_408(self, hasty: Server, start: bytes) -> None:
        with _asks_for(0.4, hasty, start) as client:
            assert client.read().status == 408
            assert client.at_end()

    def test_a_trickle_does_not_move_the_deadline(self, hasty: Server) -> None:
        with hasty.client() as client:
            client.send(GET[:-2])
            while not select.select([client.socket], [], [], 0.1)[0]:
                client.send(b"X: y\r\n")  # after ninety of them there would be too many: 431
            assert client.read().status == 408

    def test_an_idle_connection_is_closed_after_its_time(self, hasty: Server) -> None:
        with _asks_for(0.6, hasty, GET) as client:
            assert client.read().status == 200
            assert client.at_end()

    def test_a_busy_connection_is_not(self, hasty: Server) -> None:
        def kept() -> bool:
            """Whether one that is used every 0.4 s outlives them. It may end only when we were held up for longer than
            it may be idle."""
            with _asks(hasty, GET) as client:
                sent = time.monotonic() - 0.1
                assert client.read().status == 200
                for _ in range(4):
                    time.sleep(0.4)
                    now = time.monotonic()
                    try:
                        assert client.get().status == 200
                    except (EOFError, ConnectionResetError):
                        assert time.monotonic() - sent > 0.8
                        return False
                    sent = now
            return True

        assert any(kept() for _ in range(10))

    def test_a_slow_handler_is_not_the_clients_fault(self, hasty: Server) -> None:
        with _asks_for(1.5 + 0.6, hasty, b"GET /slow?s=1.5 HTTP/1.1\r\nHost: a\r\n\r\n") as client:
            assert client.read().status == 200
            assert client.at_end()  # idle from then on, and for its time

    def test_a_request_behind_a_slow_one_has_its_whole_time(self, hasty: Server) -> None:
        with _asks_for(1 + 0.25, hasty, b"GET /slow?s=1 HTTP/1.1\r\nHost: a\r\n\r\n" + GET[:-2]) as client:
            assert [client.read().status, client.read().status] == [200, 408]

    def test_one_that_does_not_read_its_answer_is_cut_off(self, hasty: Server) -> None:
        def received(seconds: float) -> int:
            """Bytes that one gets who reads so late."""
            with _asks(hasty, b"GET /big?bytes=20000000 HTTP/1.1\r\nHost: a\r\n\r\n") as client:
                time.sleep(seconds)
                count = 0
                with contextlib.suppress(ConnectionResetError):
                    while data := client.socket.recv(1 << 20):
                        count += len(data)
                return count

        assert any(received(seconds) < 20_000_000 for seconds in (1.5, 3, 6, 12))

    def test_two_hundred_half_open_connections_disturb_nobody(self, hasty: Server) -> None:
        starts = (b"", GET[:-2], b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nh")
        crowd = [_asks(hasty, starts[number % 3]) for number in range(200)]
        try:
            for _ in range(20):
                with _asks(hasty, GET) as other:
                    assert other.read().status == 200
            for number, client in enumerate(crowd):
                if number % 3:
                    assert client.read().status == 408
                assert client.at_end()
        finally:
            for client in crowd:
                client.socket.close()


class TestPipelining:
    def test_answers_come_in_the_order_of_the_requests(self, server: Server) -> None:
        paths = [
            f"/{name}?n={number}" for number, name in enumerate(["slow", "a", "turns", "b", "slow", "empty", "c"] * 5)
        ]
        with server.client() as client:
            client.send(b"".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths))
            for number, path in enumerate(paths):
                answer = client.read()
                if not path.startswith("/empty"):
                    assert answer.json["query"] == f"n={number}"

    def test_thousands_of_requests_in_one_go_are_all_answered(self, server: Server) -> None:
        with server.client() as client:
            client.socket.setblocking(False)
            pending, answers = GET * 10_000, 0
            deadline = time.monotonic() + 120
            while answers < 10_000 and time.monotonic() < deadline:
                with contextlib.suppress(BlockingIOError):
                    pending = pending[client.socket.send(pending[:50_000]) :] if pending else b""
                with contextlib.suppress(BlockingIOError):
                    client.buffer += client.socket.recv(1 << 20)
                answers += client.buffer.count(b"HTTP/1.1 200")
                client.buffer = client.buffer[-12:] if not client.buffer.endswith(b"HTTP/1.1 200") else b""
            assert answers == 10_000

    def test_one_that_never_reads_does_not_fill_our_memory(self) -> None:
        with Server() as server, server.client() as client:
            client.get()
            before = _memory(server)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.socket.settimeout(0.5)
            request = b"GET /big?bytes=50000 HTTP/1.1\r\nHost: a\r\n\r\n"
            try:
                for _ in range(100):
                    client.socket.sendall(request * 1000)
            except TimeoutError:
                pass  # the server has stopped reading
            time.sleep(0.2)
            assert _memory(server) - before < 8_000_000
            with server.client() as other:
                assert other.get().status == 200


class TestHangUp:
    def test_a_write_that_was_begun_is_not_lost(self, tmp_path: Path) -> None:
        writes = [Hold(tmp_path) for _ in range(5)]
        with Server() as server:
            for write in writes:
                with server.client() as client:
                    client.send(f"POST {write.path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                    write.begun()
            with server.client() as client:  # by now it knows that they are gone
                assert client.get("/written").json == 0
            for write in writes:
                write.let_go()
            with server.client() as client:
                until(lambda: client.get("/written").json == 5)

    def test_the_end_of_the_clients_sending_is_not_the_end_of_its_reading(self, server: Server) -> None:
        with server.client() as client:
            client.send(b"GET /slow?s=0.2 HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
            client.socket.shutdown(socket.SHUT_WR)
            assert [client.read().status, client.read().status] == [200, 200]
            assert client.at_end()

    @pytest.mark.parametrize("start", [GET[:-2], b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel"])
    def test_an_end_inside_a_request_gets_400(self, server: Server, start: bytes) -> None:
        with server.client() as client:
            client.send(start)
            time.sleep(0.05)
            client.socket.shutdown(socket.SHUT_WR)
            assert client.read().status == 400
            assert client.at_end()

    def test_a_reset_in_the_middle_harms_nobody(self, server: Server) -> None:
        for start in (b"", GET[:10], GET.replace(b"/", b"/slow", 1), GET.replace(b"/", b"/big?bytes=5000000", 1)):
            client = server.client()
            client.send(start)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.socket.close()
        with server.client() as other:
            assert other.get("/slow").status == 200


class TestNewConnections:
    def test_all_that_wait_are_accepted_at_once_not_one_by_one_between_the_requests_of_others(
        self, server: Server, tmp_path: Path
    ) -> None:
        stall = tmp_path / "stall"
        with server.client() as busy, contextlib.ExitStack() as stack:
            busy.send(b"GET /stall?by=%b HTTP/1.1\r\nHost: a\r\n\r\n" % str(stall).encode())
            until(stall.with_suffix(".begun").exists)
            waiting = [stack.enter_context(server.client()) for _ in range(100)]
            for client in waiting:
                client.send(b"GET /turn HTTP/1.1\r\nHost: a\r\n\r\n")
            stall.touch()
            turns = [client.read().json for client in waiting]
            assert max(turns) < 10  # of the event loop

    def test_those_for_which_there_is_no_file_are_accepted_when_there_is(self) -> None:
        with Server() as server, contextlib.ExitStack() as stack:
            assert stack.enter_context(server.client()).get().status == 200
            files = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (files + 5, files + 5))
            first = [stack.enter_context(server.client()) for _ in range(5)]
            for client in first:
                assert client.get().status == 200
            late = stack.enter_context(server.client())
            late.send(GET)
            assert "cannot accept connections: Too many open files" in server.errors.readline()
            assert first[0].get().status == 200, "the others are answered meanwhile"
            first.pop().socket.close()
            assert late.read().status == 200


class TestTooManyConnections:
    def test_further_ones_get_503_and_the_first_go_on(self) -> None:
        with Server("max_connections=5") as server:
            held = [server.client() for _ in range(5)]
            for client in held:
                assert client.get().status == 200
            with server.client() as further:
                answer = further.read()
                assert answer.status == 503
                assert int(answer.headers["retry-after"]) >= 1
                assert "error" in answer.json
                assert further.at_end()
            assert held[0].get().status == 200
            held.pop().socket.close()

            def taken() -> bool:
                with server.client() as next_one:
                    return next_one.get().status == 200

            until(taken)
            for client in held:
                client.socket.close()

    def test_one_network_has_only_so_many_and_the_others_go_on(self) -> None:
        counts = {"ECHO_LOOPBACK_COUNTS": "1"}
        with Server("max_connections_per_address=3", environment=counts) as server, contextlib.ExitStack() as stack:
            held = [stack.enter_context(server.client(source="127.0.0.2")) for _ in range(3)]
            assert [client.get().status for client in held] == [200] * 3
            with server.client(source="127.0.0.2") as further:
                answer = further.read()
                assert (answer.status, "Your network" in answer.json["error"]) == (503, True)
            with server.client(source="127.0.0.3") as other:
                assert other.get().status == 200
            held[0].socket.close()

            def taken() -> bool:
                with server.client(source="127.0.0.2") as next_one:
                    return next_one.get().status == 200

            until(taken)

    def test_this_machine_and_trusted_proxies_are_not_limited(self) -> None:
        with Server("max_connections_per_address=1") as server, server.client() as first, server.client() as second:
            assert [first.get().status, second.get().status] == [200, 200]
        door = Door(Settings(max_connections_per_address=1), lambda address: address == "192.0.2.1")

        def entered(address: str) -> bool | None:
            """None: without a word."""
            place = door.enter(address)
            return None if place is None else place.refusal is None

        assert [entered("192.0.2.1") for _ in range(3)] == [True] * 3
        assert [entered(f"2001:db8::{number}") for number in (1, 2, 3)] == [True, False, None]
        assert entered("2001:db8:0:1::1"), "another /64"

    def test_a_tls_handshake_counts(self, tmp_path: Path) -> None:
        certificate, key = _certificate(tmp_path)
        context = ssl.create_default_context(cafile=certificate)
        with Server(f"tls_cert={certificate}", f"tls_key={key}", "max_connections=5", "header_timeout=600") as server:
            silent = [server.client() for _ in range(5)]
            with server.client() as further:
                assert further.at_end()
            silent.pop().socket.close()

            def taken() -> bool:
                try:
                    with server.client(tls=context) as next_one:
                        return next_one.get().status == 200
                except OSError:
                    return False

            until(taken)
            for client in silent:
                client.socket.close()


class TestProxies:
    def _seen(self, server: Server, *lines: str) -> tuple[str, bool]:
        with server.client() as client:
            seen = client.get("/", *lines).json
        return seen["address"], seen["secure"]

    def test_fields_of_strangers_are_not_believed(self, server: Server) -> None:
        assert self._seen(server, "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https") == ("127.0.0.1", False)

    def test_fields_of_a_trusted_proxy_are(self) -> None:
        with Server("trusted_proxy=127.0.0.0/8,10.0.0.0/8") as server:
            for forwarded, address in {
                "192.0.2.1": "192.0.2.1",
                "198.51.100.7, 192.0.2.1": "192.0.2.1",
                "198.51.100.7, 192.0.2.1, 10.1.1.1": "192.0.2.1",
                "10.3.3.3, 10.1.1.1": "10.3.3.3",
                "192.0.2.1:4711": "192.0.2.1",
                "2001:db8::1": "2001:db8::1",
                "[2001:db8::1]:443": "2001:db8::1",
                "::ffff:192.0.2.1": "192.0.2.1",
                "::FFFF:192.0.2.1": "192.0.2.1",
                "::ffff:c000:201": "192.0.2.1",
                "[0:0:0:0:0:ffff:c000:0201]:443": "192.0.2.1",
                "nonsense, 10.1.1.1": "10.1.1.1",
                "unknown": "127.0.0.1",
                "": "127.0.0.1",
            }.items():
                assert self._seen(server, f"X-Forwarded-For: {forwarded}") == (address, False), forwarded
            assert self._seen(server, "X-Forwarded-Proto: https") == ("127.0.0.1", True)
            assert self._seen(server, "X-Forwarded-Proto: https, http") == ("127.0.0.1", False)
            with server.client() as client:
                refused = client.get("/%zz", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https")
            assert refused.json["address"] == "192.0.2.1"
            assert refused.headers["strict-transport-security"].startswith("max-age=")


def _memory(server: Server) -> int:
    """Resident bytes of the server."""
    with open(f"/proc/{server.process.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    context = ssl.create_default_context(cafile=certificate)
    with Server(f"tls_cert={certificate}", f"tls_key={key}") as server:
        with server.client(tls=context) as client:
            answer = client.get()
            assert answer.json["secure"] is True
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert client.get("/slow").status == 200
            assert client.get("/big?bytes=1000000").headers["content-length"] == "1000000"
            assert client.get("/", "Connection: close").status == 200
            assert client.at_end()
        with server.client(tls=context) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 100_000)
            assert client.read().status == 413
            assert client.at_end()
        for version, suites, is_taken in (
            (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0", False),
            (ssl.TLSVersion.TLSv1_2, "AES128-SHA:ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256", False),
            (ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256", False),
            (ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM", True),
            (ssl.TLSVersion.TLSv1_2, "ECDHE+CHACHA20", True),
            (ssl.TLSVersion.TLSv1_3, "ALL", True),
        ):
            assert _is_taken(certificate, server.port, version, suites) == is_taken, (version, suites)
    with Server(f"tls_cert={certificate}", f"tls_key={key}", *TIMEOUTS) as server, _takes(0), server.client() as plain:
        assert plain.at_end()  # a handshake that never comes


def _is_taken(certificate: str, port: int, version: ssl.TLSVersion, suites: str) -> bool:
    """Test whether the server agrees to this version, with one of these suites."""
    context = ssl.create_default_context(cafile=certificate)
    context.set_ciphers(suites)
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            context.wrap_socket(connection, server_hostname="localhost").close()
        except ssl.SSLError:
            return False
    return True


def test_a_tls_connection_takes_less_than_128_kib(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    context = ssl.create_default_context(cafile=certificate)
    with Server(f"tls_cert={certificate}", f"tls_key={key}") as server, contextlib.ExitStack() as clients:

        def connect(number: int) -> None:
            for _ in range(number):
                assert clients.enter_context(server.client(tls=context)).get().status == 200

        connect(20)
        before = _memory(server)
        connect(100)
        assert (_memory(server) - before) / 100 < 131_072


def _certificate(folder: Path) -> tuple[str, str]:
    """A certificate for localhost, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")
