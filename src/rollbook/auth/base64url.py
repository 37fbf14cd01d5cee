"""Base64url without padding (RFC 4648 section 5, RFC 7515 section 2)."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """Ignores characters that are not base64url. Raises ValueError."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def decoded_or_empty(text: str) -> bytes:
    """The same for a signature that anyone may have written: none is empty."""
    try:
        return decoded(text)
    except ValueError:
        return b""
