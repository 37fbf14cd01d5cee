"""The texts that sign people in: the cookie of a session and the link with which a password is set once. We keep their digests only."""

from __future__ import annotations

import secrets
from hashlib import sha256

from rollbook import roles
from rollbook.config import ConfigurationError, Settings

_BYTES = 32


def mint() -> str:
    """A new text of 256 random bits, fit for a cookie and for a URL."""
    return secrets.token_urlsafe(_BYTES)


def digest(text: str) -> bytes:
    """What we keep instead, 32 bytes. A fast hash is enough for 256 random bits."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def password_link(url: str, text: str) -> str:
    """The address that sets a password once. `url` is the server's."""
    return f"{url.rstrip('/')}/account/set-password?token={text}"


def cookie_name(settings: Settings, secure: bool) -> str:
    """Over TLS the name binds the cookie to this very host and to TLS (RFC 6265bis section 4.1.3.2). Without TLS browsers refuse such a
    name; and as cookies do not know ports, the port is part of it: two servers on one machine do not sign each other's people out."""
    return "__Host-rollbook" if secure else f"rollbook-{settings.port}"


def check_roles(settings: Settings) -> None:
    """Raises ConfigurationError when `sign_in_roles` names a role that there is not."""
    for role in settings.sign_in_roles:
        if role not in roles.ROLES:
            raise ConfigurationError(f"sign_in_roles: unknown role {role!r}. Use one of {', '.join(roles.ROLES)}.")
