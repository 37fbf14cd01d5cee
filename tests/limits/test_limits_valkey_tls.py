"""TLS to Valkey: a certificate that is not valid for its host is nobody's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rollbook.clock import now
from rollbook.limits import valkey_address
from rollbook.limits.table import Table
from rollbook.limits.valkey import Valkey
from rollbook.quota import Limit
from tests.harness import free_port
from tests.valkey import TIMEOUTS, free_pair, running_valkey, wait_for


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Where a Valkey with TLS listens, `127.0.0.1:port`, and the certificate that vouches for itself."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "valkey of a test")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    port = free_port()
    options = [
        "--tls-port",
        str(port),
        "--tls-cert-file",
        "cert.pem",
        "--tls-key-file",
        "key.pem",
        "--tls-auth-clients",
        "no",
    ]
    with running_valkey(folder, *options):
        yield f"127.0.0.1:{port}", folder / "cert.pem"


@pytest.fixture(scope="module")
def cluster(place: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a cluster of one server with the same certificate listens."""
    port, pem = free_port(), place[1].parent
    options = [
        "--tls-port",
        str(port),
        "--tls-cert-file",
        str(pem / "cert.pem"),
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
        limiter = Valkey(valkey_address.parse(url), Table.create(workers=1), timeouts=TIMEOUTS)
        await limiter.start()
        verdict = await limiter.take("user", Limit.parse("5/minute"), now())
        assert bool(verdict.at) != bool(limiter.away)
        await limiter.stop()
        await asyncio.sleep(0.05)
        return limiter.away

    return asyncio.run(asyncio.wait_for(test(), 60))


@pytest.mark.parametrize("scheme", ["valkeys", "rediss"])
def test_a_certificate_that_is_vouched_for_is_taken(
    place: tuple[str, Path], scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(place[1]))
    assert away(f"{scheme}://{place[0]}") == ""


def test_a_certificate_that_nobody_vouches_for_is_not(place: tuple[str, Path]) -> None:
    assert away(f"valkeys://{place[0]}").startswith("TLS: ")


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
