"""How a client is set up. Free of input and output."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ._errors import RollbookError
from ._version import __version__

if TYPE_CHECKING:
    import ssl


class Settings(NamedTuple):
    """What copies of a client may have different."""

    timeout: float | None
    max_retries: int
    max_wait: float
    pacing: bool


def address(url: str | None) -> str:
    """The server's root, without `/v1`. Raises RollbookError without a usable one."""
    found = url or os.environ.get("ROLLBOOK_URL", "")
    if not found:
        raise RollbookError("No server is named. Set ROLLBOOK_URL, or pass url=.")
    parts = urlsplit(found)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise RollbookError(f"The URL of a server is http(s)://HOST, not {found!r}.")
    return found.rstrip("/").removesuffix("/v1")


def head(key: str | None) -> dict[str, str]:
    """Of all requests. Raises RollbookError without a usable key."""
    found = (key or os.environ.get("ROLLBOOK_KEY", "")).strip()
    if not found:
        raise RollbookError("There is no API key. Set ROLLBOOK_KEY, or pass key=.")
    if not (found.isascii() and found.isprintable()):
        raise RollbookError("The API key has characters that no key has.")
    python = ".".join(map(str, sys.version_info[:2]))
    return {
        "Authorization": f"Bearer {found}",
        "Accept": "application/json",
        "User-Agent": f"rollbook-client/{__version__} python/{python}",
    }


def needs_certificates(url: str, proxy: str | None) -> bool:
    """Whether TLS is spoken at all: to load the certificates of all authorities takes longer than a hundred
    requests."""
    return url.startswith("https:") or bool(proxy) or any("proxy" in name.lower() for name in os.environ)


def tls_context() -> ssl.SSLContext:
    """Verifies servers alike on every version of Python: from 3.13 on, it would refuse authorities without key usage if
    SSL_CERT_FILE names them, and otherwise accept them."""
    import ssl

    import httpx2

    context = httpx2.create_ssl_context()
    context.verify_flags &= ~(ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN)
    return context
