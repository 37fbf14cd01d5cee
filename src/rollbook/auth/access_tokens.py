"""Signed access tokens: JWTs (RFC 7519) with EdDSA on Ed25519 (RFC 8037), and the keys that sign them."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from rollbook.auth.tokens import encoded

ALGORITHM, CURVE = "EdDSA", "Ed25519"
"""RFC 9864 gives the algorithm a second name, Ed25519, which libraries that verify tokens don't know yet."""


class KeyPair(NamedTuple):
    """The parts of an Ed25519 key, 32 bytes each."""

    public: bytes
    private: bytes


def new_key() -> KeyPair:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    return KeyPair(private.public_key().public_bytes_raw(), private.private_bytes_raw())


def sign(id: str, pair: KeyPair, claims: dict[str, Any]) -> str:
    """A token with these claims (RFC 7515, section 7.1). The header names the key by its `id`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    header = {"typ": "JWT", "alg": ALGORITHM, "kid": id}
    signed = ".".join(encoded(msgspec.json.encode(part)) for part in (header, claims))
    return f"{signed}.{encoded(Ed25519PrivateKey.from_private_bytes(pair.private).sign(signed.encode()))}"


def public_jwk(id: str, public: bytes) -> dict[str, str]:
    """The public part as a JSON Web Key (RFC 7517, RFC 8037 section 2)."""
    return {"kty": "OKP", "crv": CURVE, "alg": ALGORITHM, "use": "sig", "kid": id, "x": encoded(public)}
