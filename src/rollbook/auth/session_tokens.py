"""Tokens of applications' sessions: `rbs_…` proves that a person is signed in, `rbr_…` gets the next pair, and an
access token proves it without asking the server. `rbc_…` is the code that an application exchanges for tokens.

Of the first two, only digests are stored. A refresh token begins with what all of its session have in common, its
family: so one that was replaced is recognized, whenever it was. The digests are made in another way than those of
cookies and links, so that none of these, sent as another, is ever found. A code has the family of the refresh tokens
that it is exchanged for, so one that comes twice leads to the session that it has begun. Access tokens are JWTs (RFC
7519), signed with EdDSA on Ed25519 (RFC 8037), or with RS256 (RFC 7518) where programs must read them that know nothing
else.
"""

from __future__ import annotations

import re
import secrets
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rollbook.auth.tokens import decoded, encoded

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

PREFIX, REFRESH_PREFIX, CODE_PREFIX = "rbs_", "rbr_", "rbc_"

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


def mint_code() -> str:
    """A new code with 256 random bits, and a family of its own."""
    return CODE_PREFIX + mint_refresh()[len(REFRESH_PREFIX) :]


def as_refresh(code: str) -> str:
    """A text of the family of a code, for `mint_refresh` and `refresh_digests`; nothing for what is no code."""
    return REFRESH_PREFIX + code[len(CODE_PREFIX) :] if code.startswith(CODE_PREFIX) else ""


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

EDDSA, RS256 = "EdDSA", "RS256"
"""RFC 9864 gives the first a second name, Ed25519, which libraries that verify tokens don't know yet."""
_RSA_BITS, _RSA_EXPONENT = 2048, 65_537
MAX_VERIFIED, MAX_LENGTH = 1_024, 16_384
"""Tokens whose signature a process remembers to be right, and characters of one that is looked at."""


class KeyPair(NamedTuple):
    """The parts of a key: of Ed25519 32 bytes each, of RSA in DER."""

    public: bytes
    private: bytes


def new_key(algorithm: str) -> KeyPair:
    """A new key. One for RS256 takes up to half a second of a processor."""
    if algorithm == EDDSA:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private = Ed25519PrivateKey.generate()
        return KeyPair(private.public_key().public_bytes_raw(), private.private_bytes_raw())
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(_RSA_EXPONENT, _RSA_BITS)
    return KeyPair(
        key.public_key().public_bytes(forms.Encoding.DER, forms.PublicFormat.SubjectPublicKeyInfo),
        key.private_bytes(forms.Encoding.DER, forms.PrivateFormat.PKCS8, forms.NoEncryption()),
    )


def sign(id: str, pair: KeyPair, claims: dict[str, Any], algorithm: str = EDDSA, type: str = "JWT") -> str:
    """A token with these claims (RFC 7515, section 7.1). The header names the key by its `id`."""
    header = {"typ": type, "alg": algorithm, "kid": id}
    signed = ".".join(encoded(msgspec.json.encode(part)) for part in (header, claims))
    if algorithm == EDDSA:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return f"{signed}.{encoded(Ed25519PrivateKey.from_private_bytes(pair.private).sign(signed.encode()))}"
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    return f"{signed}.{encoded(_rsa(pair.private).sign(signed.encode(), PKCS1v15(), SHA256()))}"


@lru_cache(maxsize=2)
def _rsa(private: bytes) -> RSAPrivateKey:
    """Our own key: read once, and not checked again, which would take longer than to sign with it."""
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    key: Any = load_der_private_key(private, None, unsafe_skip_rsa_key_validation=True)
    return key


@lru_cache(maxsize=16)
def _rsa_public(public: bytes) -> RSAPublicKey:
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    key: Any = load_der_public_key(public)
    return key


class _Header(msgspec.Struct):
    alg: str
    typ: str
    kid: str


def key_id(token: str, type: str) -> str:
    """ID of the key that a token of this type names; empty if it is no token that we sign with RS256."""
    try:
        header = msgspec.json.decode(decoded(token.partition(".")[0]), type=_Header)
    except (ValueError, msgspec.DecodeError):
        return ""
    return header.kid if (header.alg, header.typ) == (RS256, type) and header.kid.isidentifier() else ""


def verified(token: str, public: bytes) -> dict[str, Any] | None:
    """Claims of a token that this key has signed with RS256, whether it has expired or not; None if it has not."""
    try:
        return _verified(token, public) if len(token) <= MAX_LENGTH else None
    except (ValueError, msgspec.DecodeError):
        return None


@lru_cache(maxsize=MAX_VERIFIED)
def _verified(token: str, public: bytes) -> dict[str, Any]:
    """Remembered, so that a token which is sent again costs no signature; those that are wrong are not. Raises
    ValueError."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    signed, _, signature = token.rpartition(".")
    try:
        _rsa_public(public).verify(decoded(signature), signed.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        raise ValueError("another key, or none") from None
    claims: dict[str, Any] = msgspec.json.decode(decoded(signed.partition(".")[2]))
    return claims


def half_hash(text: str) -> str:
    """`at_hash` of an access token (OpenID Connect Core, section 3.1.3.6)."""
    return encoded(sha256(text.encode()).digest()[:16])


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636, section 4.2)."""
    return encoded(sha256(verifier.encode()).digest())


def public_jwk(id: str, public: bytes, algorithm: str) -> dict[str, str]:
    """The public part as a JSON Web Key (RFC 7517, RFC 8037 section 2, RFC 7518 section 6.3)."""
    if algorithm == EDDSA:
        return {"kty": "OKP", "crv": "Ed25519", "alg": algorithm, "use": "sig", "kid": id, "x": encoded(public)}
    numbers = _rsa_public(public).public_numbers()
    parts = {"n": encoded(_unsigned(numbers.n)), "e": encoded(_unsigned(numbers.e))}
    return {"kty": "RSA", "alg": algorithm, "use": "sig", "kid": id, **parts}


def _unsigned(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
