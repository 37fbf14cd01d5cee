"""Where Valkey is: the setting `limits`, taken apart."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

SCHEMES = {"valkey": False, "redis": False, "valkeys": True, "rediss": True}
PORT = 6379
_EXAMPLE = "Write valkey://host:6379, valkey://user:password@host:6379/0, or valkeys:// with TLS."


@dataclass(frozen=True, slots=True)
class Address:
    """The password is in no text that is made of it."""

    host: str
    port: int = PORT
    user: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(url: str) -> Address:
    """The address that a URL names. Raises ValueError with a sentence that says what to write, and shows no password.

    With TLS the server's certificate must be valid for the host, by the system's authorities or those of the file that the variable
    SSL_CERT_FILE names.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"this is no address of Valkey: its host or port cannot be read. {_EXAMPLE}") from None
    if scheme not in SCHEMES:
        raise ValueError(f"an address of Valkey begins with valkey://, redis://, valkeys:// or rediss://. {_EXAMPLE}")
    if not host:
        raise ValueError(f"the address of Valkey names no host. {_EXAMPLE}")
    database = parts.path.strip("/") or "0"
    if not (database.isascii() and database.isdecimal() and len(database) <= 5):
        raise ValueError(f"what follows the host in the address of Valkey is the number of a database, such as /0. {_EXAMPLE}")
    if parts.query or parts.fragment:
        raise ValueError(
            "the address of Valkey ends with the database: write ? and # in a password as %3F and %23, / as %2F, @ as %40."
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if user and not password:
        raise ValueError(
            "the address of Valkey names a user without a password: write valkey://user:password@host, or :password@host."
        )
    return Address(host, PORT if port is None else port, user, password, int(database), _tls() if SCHEMES[scheme] else None)


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
