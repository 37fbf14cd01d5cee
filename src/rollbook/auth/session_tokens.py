"""Tokens of applications' sessions: `rbs_…` proves that a person is signed in, `rbr_…` gets the next pair, and an
access token proves it without asking the server.

Of the first two, only digests are stored. A refresh token begins with what all of its session have in common, its
family: so one that was replaced is recognized, whenever it was. The digests are made in another way than those of
cookies and links, so that none of these, sent as another, is ever found. Access tokens are JWTs (RFC 7519), signed with
EdDSA on Ed25519 (RFC 8037).
"""

from __future__ import annotations

import re
import secrets
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from rollbook.auth.tokens import encoded

PREFIX, REFRESH_PREFIX = "rbs_", "rbr_"

_SECRET, _FAMILY = 32, 16  # bytes

_FAMILY_END = len(REFRESH_PREFIX) + 22  # characters of base64url

_TOKENS = blake2b(digest_size=32, person=b"session")

_IS_REFRESH_TOKEN = re.compile(r"rbr_[A-Za-z0-9_-]{65}").fullmatch


class RefreshDigests(NamedTuple):
    """Digests of a refresh token, 32 bytes each."""

    family: bytes
    token: bytes


def mint_session() -> str:
    """A new session token with 256 random bits."""
    return PREFIX + secrets.token_urlsafe(_SECRET)


def mint_refresh(former: str = "") -> str:
    """A new refresh token with 256 random bits, of the same family as the `former` one, or else of a family of its own
    with 128."""
    family = former[:_FAMILY_END] or REFRESH_PREFIX + secrets.token_urlsafe(_FAMILY)
    return family + secrets.token_urlsafe(_SECRET)


def session_digest(token: str, audience: str) -> bytes:
    """Digest of a session token, 32 bytes: for another audience, it is that of no session."""
    hasher = _TOKENS.copy()  # a third of the time of making one
    hasher.update(f"{token}\0{audience}".encode())
    return hasher.digest()


def refresh_digests(token: str) -> RefreshDigests | None:
    """Digests of a refresh token; None if it is none."""
    if not _IS_REFRESH_TOKEN(token):
        return None
    family = blake2b(token[:_FAMILY_END].encode(), digest_size=32, person=b"session family")
    return RefreshDigests(family.digest(), blake2b(token.encode(), digest_size=32, person=b"session refresh").digest())


# ---- access tokens

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
