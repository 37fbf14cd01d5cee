"""Tokens in the browsers of people: session cookies, one-time tokens in links, and device cookies, in base64url without
padding (RFC 4648 section 5, RFC 7515 section 2). Only digests of the first two are stored.

A device cookie shows that a user has signed in with a browser before, so strangers' guesses don't lock that user out,
after the "device cookies" protocol of OWASP
(https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies). It signs no one in: its holder
has attempts of their own at one account, and needs the password as anyone else. It names no user.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

from rollbook import clock
from rollbook.auth.server_secret import Secret
from rollbook.config import Settings


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """Ignores characters that are not base64url. Raises ValueError."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def decoded_or_empty(text: str) -> bytes:
    """The bytes of a signature that anyone may have written; none if it is not base64url."""
    try:
        return decoded(text)
    except ValueError:
        return b""


DEVICE = "-device"
"""The end of the name of the device cookie."""

STEP = "-step"
"""The end of the name of the cookie with the challenge of a sign-in that waits for a second factor."""


def mint() -> str:
    """A new token with 256 random bits, safe in cookies and URLs. It begins with a letter or digit, so that no command
    takes it for an option."""
    while not (token := secrets.token_urlsafe(32))[0].isalnum():
        pass
    return token


def digest(text: str) -> bytes:
    """Digest that is stored instead of the token, 32 bytes. A fast hash is enough for 256 random bits."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


_PAGES = {
    "invite": "invitation",
    "reset_password": "set-password",
    "verify_email": "confirm-email",
    "change_email": "confirm-email",
    "sign_in": "sign-in-link",
    "impersonate": "impersonate",
}


def link_url(url: str, purpose: str, text: str, language: str | None = None) -> str:
    """The page on which a one-time token is used, in the token's language. `url` is the server's base URL."""
    return f"{url.rstrip('/')}/account/{_PAGES[purpose]}?token={text}{_lang(language)}"


def _lang(language: str | None) -> str:
    return f"&lang={language}" if language else ""


def stop_url(url: str, secret: Secret, user_id: str, id: str, language: str | None = None) -> str:
    """The page on which whoever gets the user's mail ends the token with this ID, and can do nothing else."""
    text = f"{user_id}.{id}"
    signature = encoded(secret.mac("email changes", text.encode()))
    return f"{url.rstrip('/')}/account/stop-email-change?token={text}.{signature}{_lang(language)}"


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


DEVICE_VALID = 180 * clock.DAY
"""The time that a browser is known after the last sign-in, in microseconds."""
MAX_DEVICE_LENGTH = 100
"""Characters of a cookie that is looked at."""


def mint_device(secret: Secret, user_id: str) -> str:
    """A cookie for the browser in which this user has just signed in: the time, a random number and their signature,
    separated by dots."""
    start = f"{clock.now() // clock.SECOND:x}.{secrets.token_urlsafe(12)}"
    return f"{start}.{encoded(secret.mac('devices', _signed_device(user_id, start)))}"


def known_device(secret: Secret, user_id: str, cookie: str) -> str | None:
    """The random number of a cookie that this user's sign-in left in a browser; None if it is another's, invalid or
    older than VALID."""
    start, _, signature = cookie.rpartition(".")
    issued, _, device = start.partition(".")
    if (
        len(cookie) > MAX_DEVICE_LENGTH
        or not cookie.isascii()
        or not secret.has_mac("devices", _signed_device(user_id, start), decoded_or_empty(signature))
    ):
        return None
    return device if clock.now() < int(issued, 16) * clock.SECOND + DEVICE_VALID else None


def _signed_device(user_id: str, start: str) -> bytes:
    return f"{user_id} {start}".encode()
