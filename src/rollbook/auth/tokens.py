"""Tokens that sign people in: session cookies, and setup and password reset links. Only their digests are stored."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

from rollbook.config import Settings

DEVICE = "-device"
"""The end of the name of the device cookie: see `devices`."""

_BYTES = 32


def mint() -> str:
    """A new token with 256 random bits, safe in cookies and URLs."""
    return secrets.token_urlsafe(_BYTES)


def mint_link(redirect_url: str = "") -> str:
    """The token of a link. It contains where the person continues afterwards, which no one can change: the digest is
    that of the whole."""
    return mint() + ("." + urlsafe_b64encode(redirect_url.encode()).decode().rstrip("=") if redirect_url else "")


def redirect_url(token: str) -> str:
    """URL to which a link leads after use, empty for the dashboard. Only to be asked once its digest is known to be
    right."""
    encoded = token.partition(".")[2]
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()


def digest(text: str) -> bytes:
    """Digest that is stored instead of the token, 32 bytes. A fast hash is enough for 256 random bits."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def password_link(url: str, text: str) -> str:
    """A setup or password reset link. `url` is the server's base URL."""
    return f"{url.rstrip('/')}/account/set-password?token={text}"


def cookie_name(settings: Settings, secure: bool) -> str:
    """Over TLS, the name binds the cookie to this host and to TLS (RFC 6265bis section 4.1.3.2). Without TLS, browsers
    reject such a name; cookies ignore ports, so the port is part of it: otherwise two servers on one machine would sign
    out each other's users."""
    return "__Host-rollbook" if secure else f"rollbook-{settings.port}"
