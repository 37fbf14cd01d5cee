"""A certificate authority of a test's own, and the certificate of a server: without key usage, as many people have them,
which Python 3.13 would refuse by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ELSEWHERE = "127.1"
"""A host that leads to this machine and, like any name, does not say so: what holds for other machines holds for it."""


class Certified(NamedTuple):
    """Files in PEM."""

    authority: Path
    certificate: Path
    key: Path


def certified(folder: Path, *names: str) -> Certified:
    """A new authority, and a certificate from it for these names and addresses."""
    folder.mkdir(exist_ok=True)
    files = Certified(folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")
    above, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _begun("authority of a test", above, above).add_extension(x509.BasicConstraints(True, None), True)
    server = _begun("server of a test", own, above).add_extension(
        x509.SubjectAlternativeName([_general(name) for name in names]), False
    )
    files.authority.write_bytes(_pem(authority, above))
    files.certificate.write_bytes(_pem(server, above))
    form = serialization.PrivateFormat.TraditionalOpenSSL
    files.key.write_bytes(own.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return files


def _begun(name: str, key: ec.EllipticCurvePrivateKey, above: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    today = datetime.now(UTC)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named("authority of a test"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(identifier, False)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(builder: x509.CertificateBuilder, above: ec.EllipticCurvePrivateKey) -> bytes:
    return builder.sign(above, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
