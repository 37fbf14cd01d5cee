"""Webhooks reach nothing that their owner could not reach: through the API, on a server as shipped and on one that
allows a network."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.delivery.receiver import Authority
from tests.harness import Server, new_user, running
from tests.nodes.pair import wait_until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret"


class Listener:
    """Answers every connection, and counts them."""

    def __init__(self, host: str, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_server((host, port))
        self._tls = tls
        self.port = self.socket.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                try:
                    with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as stream:
                        stream.recv(65_536)
                        stream.sendall(OK)
                except OSError:  # the sender does not trust it
                    pass


@contextmanager
def listening(host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Listener]:
    listener = Listener(host, port, tls)
    try:
        yield listener
    finally:
        listener.socket.close()


def create(http: httpx2.Client, url: str) -> httpx2.Response:
    return http.post("/v1/webhooks", json={"url": url, "status": "paused"})


def delivered_to(http: httpx2.Client, url: str) -> dict:
    """The delivery of a test event to a new webhook with this URL."""
    made = create(http, url)
    assert made.status_code == 201, made.text
    answer = http.post(f"/v1/webhooks/{made.json()['id']}/test", json={})
    assert answer.status_code == 200, answer.text
    return answer.json()


def first_delivered(http: httpx2.Client, webhook_id: str) -> dict:
    """The first delivery of an event to a webhook, which is resumed."""
    http.patch(f"/v1/webhooks/{webhook_id}", json={"status": "enabled"}).raise_for_status()
    new_user(http)
    deliveries = f"/v1/webhooks/{webhook_id}/deliveries?trigger=event"
    wait_until(lambda: http.get(deliveries).json())
    return http.get(deliveries).json()[-1]


# The listener's address, in the forms that resolvers or libraries have read as it.
FORMS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "user@127.0.0.1",
    "example.com@127.0.0.1",
    "127.0.0.1%2f",
    "①②⑦.0.0.1",
    "127。0。0。1",
]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_as_shipped_sends_nothing_to_itself_or_its_network(
    scheme: str, http: httpx2.Client, server: Server
) -> None:
    with listening() as listener:
        webhook = create(http, "https://receiver.invalid/").json()
        for form in FORMS:
            url = f"{scheme}://{form}:{listener.port}/"
            refused = create(http, url)
            assert (refused.status_code, refused.json()["param"]) == (400, "url"), url
            refused = http.patch(f"/v1/webhooks/{webhook['id']}", json={"url": url})
            assert (refused.status_code, refused.json()["param"]) == (400, "url"), url
        for port in (listener.port, server.port):
            delivery = delivered_to(http, f"https://localhost:{port}/")
            assert (delivery["outcome"], delivery["address"], delivery["response"]) == ("no_address", None, None)
        assert listener.connections == 0


def test_nobody_learns_which_names_there_are_in_the_servers_network(http: httpx2.Client) -> None:
    told = [delivered_to(http, f"https://{host}/") for host in ("localhost", "localhost.invalid")]
    for delivery in told:
        assert delivery["outcome"] == "no_address"
    differ = {name for name in told[0] if told[0][name] != told[1][name]}
    assert differ <= {"id", "webhook_id", "event_id", "created_at", "request"}, "the request has these IDs"


def test_an_allowed_network_is_reached_and_its_neighbor_is_not(tmp_path: Path) -> None:
    flags = ("--webhook-allow", "127.0.0.1/32")
    with (
        running(tmp_path / "data", *flags) as server,
        server.http() as http,
        listening() as listener,
        listening("127.0.0.2", listener.port) as neighbor,
    ):
        delivery = delivered_to(http, f"http://127.0.0.1:{listener.port}/")
        assert (delivery["outcome"], delivery["address"]) == ("delivered", "127.0.0.1")
        assert delivery["response"]["body"] == "secret"
        for url in (
            f"http://127.0.0.2:{listener.port}/",
            f"https://127.0.0.2:{listener.port}/",
            f"http://[::1]:{listener.port}/",
        ):
            assert create(http, url).status_code == 400
        assert delivered_to(http, f"http://receiver.invalid:{listener.port}/")["outcome"] == "no_address"
        assert (listener.connections, neighbor.connections) == (1, 0)


def test_certificates_are_verified_against_the_system_or_the_file_of_an_authority_of_your_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    flags = ("--webhook-allow", "127.0.0.1/32", "--rate-limit", "none")
    fault = "The certificate was not accepted: unable to get local issuer certificate."
    for name, environment, result in (
        ("trusting", {"SSL_CERT_FILE": str(authority.path)}, ("delivered", None)),
        ("as_shipped", {}, ("tls_failed", fault)),
    ):
        with (
            running(tmp_path / name, *flags, environment=environment) as server,
            server.http() as http,
            listening(tls=authority.server("127.0.0.1")) as listener,
        ):
            tested = delivered_to(http, f"https://127.0.0.1:{listener.port}/")
            assert (tested["outcome"], tested["detail"]) == result
            sent = first_delivered(http, tested["webhook_id"])
            assert (sent["outcome"], sent["detail"]) == result
