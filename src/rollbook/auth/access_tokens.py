"""Signed access tokens: JWTs (RFC 7519) with EdDSA on Ed25519 (RFC 8037), and the keys that sign them.

joserfc is loaded on first use: it takes 0.3 s, and most servers sign nothing.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from rollbook.auth.tokens import decoded, encoded

if TYPE_CHECKING:
    from joserfc.jwk import OKPKey

ALGORITHM, CURVE = "EdDSA", "Ed25519"


class KeyPair(NamedTuple):
    """The parts of an Ed25519 key, 32 bytes each."""

    public: bytes
    private: bytes


def prepare() -> None:
    """Load the library. Called in a thread once the server answers."""
    new_key()


def new_key() -> KeyPair:
    from joserfc.jwk import OKPKey

    made: dict[str, Any] = OKPKey.generate_key(CURVE, auto_kid=False).as_dict(private=True)
    return KeyPair(decoded(made["x"]), decoded(made["d"]))


def sign(id: str, pair: KeyPair, claims: dict[str, Any]) -> str:
    """A token with these claims. The header names the key by its `id`."""
    from joserfc import jwt

    with warnings.catch_warnings():
        # RFC 9864 gives the algorithm a second name, Ed25519, which libraries that verify tokens don't know yet.
        warnings.simplefilter("ignore")
        return jwt.encode({"alg": ALGORITHM, "kid": id}, claims, _key(pair), algorithms=[ALGORITHM])


def public_jwk(id: str, public: bytes) -> dict[str, str]:
    """The public part as a JSON Web Key (RFC 7517, RFC 8037 section 2)."""
    return {"kty": "OKP", "crv": CURVE, "alg": ALGORITHM, "use": "sig", "kid": id, "x": encoded(public)}


def _key(pair: KeyPair) -> OKPKey:
    from joserfc.jwk import OKPKey

    return OKPKey.import_key({"kty": "OKP", "crv": CURVE, "x": encoded(pair.public), "d": encoded(pair.private)})
