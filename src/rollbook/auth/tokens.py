"""Tokens that sign people in: session cookies, and one-time tokens. Only their digests are stored."""

from __future__ import annotations

import secrets
from hashlib import sha256

from rollbook.auth.base64url import decoded, decoded_or_empty, encoded
from rollbook.auth.server_secret import Secret
from rollbook.config import Settings

DEVICE = "-device"
"""The end of the name of the device cookie: see `devices`."""

STEP = "-step"
"""The end of the name of the cookie with the challenge of a sign-in that waits for a second factor."""

_BYTES = 32


def mint() -> str:
    """A new token with 256 random bits, safe in cookies and URLs. It begins with a letter or digit, so that no command
    takes it for an option."""
    while not (token := secrets.token_urlsafe(_BYTES))[0].isalnum():
        pass
    return token


def redirect_url(token: str) -> str:
    """URL to which a password link of an earlier version leads after use, which its text contains; empty for none. Only
    to be asked once its digest is known to be right."""
    return decoded(token.partition(".")[2]).decode()


def digest(text: str) -> bytes:
    """Digest that is stored instead of the token, 32 bytes. A fast hash is enough for 256 random bits."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


_PAGES = {
    "invite": "invitation",
    "reset_password": "set-password",
    "verify_email": "confirm-email",
    "change_email": "confirm-email",
    "sign_in": "sign-in-link",
}


def link_url(url: str, purpose: str, text: str) -> str:
    """The page on which a one-time token is used. `url` is the server's base URL."""
    return f"{url.rstrip('/')}/account/{_PAGES[purpose]}?token={text}"


def stop_url(url: str, secret: Secret, user_id: str, id: str) -> str:
    """The page on which whoever gets the user's mail ends the token with this ID, and can do nothing else."""
    text = f"{user_id}.{id}"
    signature = encoded(secret.mac("email changes", text.encode()))
    return f"{url.rstrip('/')}/account/stop-email-change?token={text}.{signature}"


def stopped(secret: Secret, text: str) -> tuple[str, str] | None:
    """The user ID and token ID of such a link; None if it is none."""
    named, _, signature = text.rpartition(".")
    if not text.isascii() or not secret.has_mac("email changes", named.encode(), decoded_or_empty(signature)):
        return None
    user_id, _, id = named.partition(".")
    return user_id, id


def cookie_name(settings: Settings, secure: bool) -> str:
    """Over TLS, the name binds the cookie to this host and to TLS (RFC 6265bis section 4.1.3.2). Without TLS, browsers
    reject such a name; cookies ignore ports, so the port is part of it: otherwise two servers on one machine would sign
    out each other's users."""
    return "__Host-rollbook" if secure else f"rollbook-{settings.port}"
