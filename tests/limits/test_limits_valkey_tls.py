"""TLS to Valkey: a certificate that is not valid for its host is nobody's. On another machine there is no way
without."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollbook.clock import now
from rollbook.limits import valkey_address
from rollbook.limits.table import Table
from rollbook.limits.valkey import Valkey
from rollbook.quota import Limit
from tests.certificates import ELSEWHERE, certified
from tests.harness import free_pair, free_port
from tests.valkey import LONG_TIMEOUTS, ValkeyServer, running_valkey, wait_for


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Where a Valkey with TLS listens, `127.0.0.1:port`, and the authority of its certificate."""
    files = certified(tmp_path_factory.mktemp("tls"), "127.0.0.1", ELSEWHERE)
    folder = files.certificate.parent
    port = free_port()
    options = [
        "--tls-port",
        str(port),
        "--tls-cert-file",
        "certificate.pem",
        "--tls-key-file",
        "key.pem",
        "--tls-auth-clients",
        "no",
    ]
    with running_valkey(folder, *options):
        yield f"127.0.0.1:{port}", files.authority


@pytest.fixture(scope="module")
def cluster(place: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a cluster of one server with the same certificate listens."""
    port, pem = free_port(), place[1].parent
    options = [
        "--tls-port",
        str(port),
        "--tls-cert-file",
        str(pem / "certificate.pem"),
        "--tls-key-file",
        str(pem / "key.pem"),
    ]
    options += ["--tls-auth-clients", "no", "--cluster-enabled", "yes"]
    with running_valkey(tmp_path_factory.mktemp("cluster"), *options, port=free_pair()) as server:
        assert server.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383") == b"+OK\r\n"
        wait_for(lambda: b"cluster_state:ok" in server.ask("CLUSTER", "INFO"))
        yield f"127.0.0.1:{port}"


def away(url: str) -> str:
    """Why a limiter at this address does not count there; empty when it does."""

    async def test() -> str:
        limiter = Valkey(valkey_address.parse(url), Table.create(workers=1), timeouts=LONG_TIMEOUTS)
        await limiter.start()
        verdict = await limiter.take("user", Limit.parse("5/minute"), now())
        assert bool(verdict.at) != bool(limiter.away)
        await limiter.stop()
        await asyncio.sleep(0.05)
        return limiter.away

    return asyncio.run(asyncio.wait_for(test(), 200))


@pytest.mark.parametrize("scheme", ["valkeys", "rediss"])
def test_a_certificate_that_is_vouched_for_is_taken(
    place: tuple[str, Path], scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(place[1]))
    assert away(f"{scheme}://{place[0]}") == ""


def test_a_certificate_that_nobody_vouches_for_is_not(place: tuple[str, Path]) -> None:
    assert away(f"valkeys://{place[0]}").startswith("TLS: ")


def test_an_authority_in_the_address_vouches_for_it_and_no_one_else_does(place: tuple[str, Path], cluster: str) -> None:
    for url in (f"valkeys://{place[0]}", f"valkeys+cluster://{cluster}"):
        assert away(f"{url}?sslrootcert={place[1]}") == ""
        other = certified(place[1].parent / "other", "127.0.0.1").authority
        assert "certificate" in away(f"{url}?sslrootcert={other}")
    assert "sslrootcert=FILE" in away(f"valkeys://{place[0]}")


def test_a_sentinel_and_its_primary_are_held_to_the_same(place: tuple[str, Path], tmp_path: Path) -> None:
    port, pem = free_port(), place[1].parent
    files = [f"tls-{name}-file {pem / file}" for name, file in (("cert", "certificate.pem"), ("key", "key.pem"))]
    files += [f"tls-ca-cert-file {place[1]}", "tls-auth-clients no", "tls-replication yes", f"tls-port {port}"]
    sentinel = ValkeyServer(tmp_path, *files, monitors=int(place[0].rpartition(":")[2]))
    try:
        sentinel.start()
        wait_for(lambda: b"status=ok" in sentinel.ask("INFO", "sentinel"))
        url = f"valkeys+sentinel://127.0.0.1:{port}/limits"
        assert "No master found" in away(url) or "certificate verify failed" in away(url)
        assert away(f"{url}?sslrootcert={place[1]}") == ""
        assert away(f"{url.replace('127.0.0.1', 'localhost')}?sslrootcert={place[1]}"), "not its name"
    finally:
        sentinel.kill()


def test_a_certificate_of_another_host_is_not(place: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(place[1]))
    assert away(f"valkeys://{place[0].replace('127.0.0.1', 'localhost')}").startswith("TLS: ")


def test_without_tls_nothing_is_said_to_a_port_with_tls(place: tuple[str, Path]) -> None:
    assert away(f"valkey://{place[0]}")


def test_a_cluster_is_held_to_the_same(place: tuple[str, Path], cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "certificate verify failed" in away(f"valkeys+cluster://{cluster}")
    monkeypatch.setenv("SSL_CERT_FILE", str(place[1]))
    assert away(f"valkeys+cluster://{cluster}") == ""
    assert away(f"valkey+cluster://{cluster}")


def test_another_machine_needs_tls_and_a_password_unless_the_address_says_otherwise() -> None:
    for topology, end in (("", ""), ("+cluster", ""), ("+sentinel", "/name")):
        for plain, safe in (("valkey", "valkeys"), ("redis", "rediss")):
            one, several = f"@db.internal:6379{end}", f"@127.0.0.1:6379,10.0.0.1:6379{end}"
            for hosts in (one, several) if topology else (one,):
                with pytest.raises(ValueError, match="Valkey is on another machine: without TLS") as refusal:
                    valkey_address.parse(f"{plain}{topology}://:hunter2{hosts}")
                assert "sslmode=disable" in str(refusal.value) and "hunter2" not in str(refusal.value)
                with pytest.raises(ValueError, match="without a login"):
                    valkey_address.parse(f"{safe}{topology}://{hosts[1:]}")
                assert valkey_address.parse(f"{safe}{topology}://:hunter2{hosts}").lacks == []
                assert valkey_address.parse(f"{plain}{topology}://:h{hosts}?sslmode=disable").lacks == ["TLS"]
                open_door = valkey_address.parse(f"{plain}{topology}://{hosts[1:]}?sslmode=disable&login=none")
                assert open_door.lacks == ["TLS", "a password"]
            assert valkey_address.parse(f"{plain}{topology}://127.0.0.1:6379{end}").lacks == []


@pytest.mark.parametrize(
    "url",
    [
        "valkeys://:hunter2@host?sslmode=disable",
        "valkey://127.0.0.1?sslmode=prefer",
        "valkeys://host?login=anyone",
        "valkeys://:hunter2@host?sslrootcert=/none.pem",
        "valkey://:hunter2@host?sslmode",
        "valkey://:hunter2@host?SSLMODE=disable",
    ],
)
def test_what_follows_the_question_mark_is_held_to_its_words(url: str) -> None:
    with pytest.raises(ValueError, match=r"sslmode|login|sslrootcert") as refusal:
        valkey_address.parse(url)
    assert "hunter2" not in str(refusal.value)


def test_servers_that_a_cluster_or_a_sentinel_names_are_held_to_the_same(tmp_path: Path) -> None:
    port = free_pair()
    options = ["--cluster-enabled", "yes", "--cluster-announce-ip", "192.0.2.1"]
    with running_valkey(tmp_path / "cluster", *options, port=port) as server:
        assert server.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383") == b"+OK\r\n"
        wait_for(lambda: b"cluster_state:ok" in server.ask("CLUSTER", "INFO"))
        assert "192.0.2.1 is another machine" in away(f"valkey+cluster://127.0.0.1:{port}")
        assert "another machine" not in away(f"valkey+cluster://127.0.0.1:{port}?sslmode=disable")
    with running_valkey(tmp_path / "primary") as primary:
        sentinel = ValkeyServer(tmp_path / "sentinel", monitors=primary.port)
        try:
            sentinel.start()
            assert away(f"valkey+sentinel://127.0.0.1:{sentinel.port}/limits") == ""
            assert sentinel.ask("SENTINEL", "REMOVE", "limits") == b"+OK\r\n"
            assert sentinel.ask("SENTINEL", "MONITOR", "limits", "192.0.2.1", "6379", "1") == b"+OK\r\n"
            assert "192.0.2.1 is another machine" in away(f"valkey+sentinel://127.0.0.1:{sentinel.port}/limits")
        finally:
            sentinel.kill()
