"""An authenticator without a browser: it makes passkeys and signs with them, and does wrong what a test asks for."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from copy import copy
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, BACKED_UP, ATTESTED = 1, 4, 16, 64
EDDSA, ES256, RS256 = -8, -7, -257


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """One passkey. `count` None: no counter, as synced passkeys have none. `named` is what it calls its algorithm."""

    def __init__(self, count: int | None = 0, algorithm: int = ES256, named: int | None = None) -> None:
        self.key, self.public = _key(algorithm)
        self.public[3] = named or algorithm
        self.id = secrets.token_bytes(32)
        self.user_handle: bytes | None = None
        self.count = count

    def copy(self) -> Authenticator:
        """A clone, from which the original knows nothing."""
        return copy(self)

    def create(self, options: dict[str, Any], origin: str, *, flags: int = PRESENT | VERIFIED, **client: Any) -> str:
        """The answer to the options of a registration. `client` is what the browser says otherwise than it should."""
        self.user_handle = decoded(options["user"]["id"])
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(self.public)
        data = self._data(options["rp"]["id"], flags | ATTESTED) + attested
        told = self._client("webauthn.create", options["challenge"], origin, client)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {"clientDataJSON": encoded(told), "attestationObject": encoded(attestation), "transports": ["usb"]}
        return self._answer(response)

    def get(self, options: dict[str, Any], origin: str, *, flags: int = PRESENT | VERIFIED, **client: Any) -> str:
        """The answer to the options of a request."""
        if self.count is not None:
            self.count += 1
        data = self._data(options["rpId"], flags)
        told = self._client("webauthn.get", options["challenge"], origin, client)
        signature = self._sign(data + sha256(told).digest())
        response = {
            "clientDataJSON": encoded(told),
            "authenticatorData": encoded(data),
            "signature": encoded(signature),
            "userHandle": self.user_handle and encoded(self.user_handle),
        }
        return self._answer(response)

    def _sign(self, data: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(data)
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(data, padding.PKCS1v15(), SHA256())
        return self.key.sign(data, ec.ECDSA(SHA256()))

    def _data(self, rp_id: str, flags: int) -> bytes:
        return sha256(rp_id.encode()).digest() + bytes([flags]) + (self.count or 0).to_bytes(4, "big")

    @staticmethod
    def _client(kind: str, challenge: str, origin: str, other: dict[str, Any]) -> bytes:
        told = {"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False}
        return json.dumps({**told, **other}).encode()

    def _answer(self, response: dict[str, Any]) -> str:
        return json.dumps(
            {"id": encoded(self.id), "rawId": encoded(self.id), "type": "public-key", "response": response}
        )


def _key(algorithm: int) -> tuple[Any, dict[int, Any]]:
    """A new private key, and its public part in COSE (RFC 9053)."""
    if algorithm == EDDSA:
        private = ed25519.Ed25519PrivateKey.generate()
        return private, {1: 1, -1: 6, -2: private.public_key().public_bytes_raw()}
    if algorithm == RS256:
        private = rsa.generate_private_key(65_537, 2_048)
        numbers = private.public_key().public_numbers()
        return private, {1: 3, -1: numbers.n.to_bytes(256, "big"), -2: numbers.e.to_bytes(3, "big")}
    private = ec.generate_private_key(ec.SECP256R1())
    point = private.public_key().public_numbers()
    return private, {1: 2, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
