"""An authenticator without a browser: it makes passkeys and signs with them, and does wrong what a test asks for."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from copy import copy
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 1, 4, 64


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """One passkey. `count` None: no counter, as synced passkeys have none."""

    def __init__(self, count: int | None = 0) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_bytes(32)
        self.user_handle: bytes | None = None
        self.count = count

    def copy(self) -> Authenticator:
        """A clone, from which the original knows nothing."""
        return copy(self)

    def create(self, options: dict[str, Any], origin: str, *, flags: int = PRESENT | VERIFIED, **client: Any) -> str:
        """The answer to the options of a registration. `client` is what the browser says otherwise than it should."""
        self.user_handle = decoded(options["user"]["id"])
        point = self.key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(public)
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
        signature = self.key.sign(data + sha256(told).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": encoded(told),
            "authenticatorData": encoded(data),
            "signature": encoded(signature),
            "userHandle": self.user_handle and encoded(self.user_handle),
        }
        return self._answer(response)

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
