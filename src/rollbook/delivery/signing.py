"""Signatures of what is sent to webhooks, as Standard Webhooks 1.0 says: HMAC-SHA256 over the ID, the time and the
body."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets as random
from collections.abc import Sequence

PREFIX = "whsec_"
SIZE = 32
"""Bytes of a secret. The specification asks for 24 to 64."""


def new_secret() -> str:
    """A new secret, such as `whsec_` and 44 characters of base64."""
    return PREFIX + base64.b64encode(random.token_bytes(SIZE)).decode()


def key(secret: str) -> bytes:
    """The bytes to sign with. Raises ValueError for text that `new_secret` can't have returned."""
    try:
        decoded = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        decoded = b""
    if not secret.startswith(PREFIX) or len(decoded) != SIZE:
        raise ValueError("not a webhook secret")
    return decoded


def headers(id: str, at: int, body: bytes, keys: Sequence[bytes]) -> list[tuple[str, str]]:
    """The three headers of a request that sends `body` at `at`, in seconds since 1970, with a signature of each key.

    Each attempt is signed when it is sent, so that receivers can refuse old requests.
    """
    signed = b"%b.%d.%b" % (id.encode(), at, body)
    signatures = [
        "v1," + binascii.b2a_base64(hmac.digest(secret, signed, "sha256"), newline=False).decode("ascii")
        for secret in keys
    ]
    return [("webhook-id", id), ("webhook-timestamp", str(at)), ("webhook-signature", " ".join(signatures))]
