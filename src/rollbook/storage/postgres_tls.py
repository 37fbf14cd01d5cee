"""Protection of connections to PostgreSQL: as the URL says or, where it says nothing, TLS with a server that proves its
name, unless they stay on this machine. Never falls back to plain text by itself."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from rollbook.client_tls import client_context, how_to_fix, is_for_another_name
from rollbook.config import is_loopback

Mode = Literal["", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
_SYSTEM = "system"
"""`sslrootcert=system`: the authorities of the system, as in libpq."""
# What only asyncpg's own context knows; it then needs `sslrootcert`, too.
_OTHERS = {"sslcrl", "ssl_min_protocol_version", "ssl_max_protocol_version"}
_TOLD = {
    "require": "TLS, but any server is believed: sslmode=require",
    "verify-ca": "TLS, but the server's name is not checked: sslmode=verify-ca",
    "verify-full": "TLS, and the server's certificate is verified",
}
FIX = (
    "Anyone on the network in between can take the place of the database. Use sslmode=verify-full, with "
    "sslrootcert=FILE if the database has a certificate authority of its own."
)
_OWN_AUTHORITY = (
    "If the database has a certificate authority of its own, the URL must name the file with that authority's "
    "certificate: ?sslmode=verify-full&sslrootcert=FILE"
)


class Protection(NamedTuple):
    """Protection of the connections to one URL."""

    is_local: bool
    """All its hosts are this machine, by a loopback address or a Unix socket."""
    mode: Mode
    """`sslmode`. Empty: nothing is said, and nothing leaves this machine."""
    root: str
    """File of the certificate authority. Empty: the system's."""
    client: tuple[str, str | None, str] | None
    """Certificate that we show, its key and the password of that."""
    for_driver: bool
    """True for a URL with more than what is above: the driver reads it by itself."""

    @property
    def is_safe(self) -> bool:
        return self.is_local or self.mode == "verify-full"

    @property
    def told(self) -> str:
        """Sentence for people about the safety of the connection."""
        if self.is_local:
            return "stays on this machine; a pooler's or proxy's own connection is not checked"
        if self.mode == "require" and self.root:  # as with libpq
            return _TOLD["verify-ca"]
        if self.mode == "disable":
            return "not encrypted: sslmode=disable"
        return _TOLD.get(
            self.mode, f"encrypted only if the server, or who takes its place, wants it: sslmode={self.mode}"
        )

    @property
    def driver(self) -> str | ssl.SSLContext | None:
        """The argument `ssl` of asyncpg."""
        if self.mode == "verify-full" and self.root in ("", _SYSTEM) and not self.for_driver:
            return _by_the_system(self.client)
        return self.mode or None


def protection(url: str) -> Protection:
    """Protection that the URL asks for, or the variables that PostgreSQL's own programs know too."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    is_local = "service" not in query and all(map(_stays_here, _hosts(parts.netloc, query)))
    said = (query.get("sslmode") or os.environ.get("PGSSLMODE") or "").replace("_", "-")
    root = query.get("sslrootcert") or os.environ.get("PGSSLROOTCERT") or _own_root()
    mode = "verify-full" if root == _SYSTEM or not (said or is_local) else said
    certificate = query.get("sslcert") or os.environ.get("PGSSLCERT")
    return Protection(
        is_local,
        mode,  # type: ignore[arg-type]  # the driver refuses others
        root,
        (certificate, query.get("sslkey") or os.environ.get("PGSSLKEY"), query.get("sslpassword", ""))
        if certificate
        else None,
        not _OTHERS.isdisjoint(query),
    )


def missing_root(url: str) -> str:
    """The file of an authority that is named and cannot be read; empty if there is none."""
    root = protection(url).root
    return root if root not in ("", _SYSTEM) and not os.access(root, os.R_OK) else ""


def reason(problem: BaseException) -> str:
    """The reason for which no protected connection came about, and how to fix it; empty if that is not what went
    wrong."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        what = "is another server's" if is_for_another_name(problem) else "is not to be trusted"
        return f"its certificate {what} ({problem.verify_message}). {how_to_fix(problem, _OWN_AUTHORITY)}".rstrip(".")
    if isinstance(problem, ssl.SSLError):
        return f"TLS failed ({problem.reason or problem})"
    if isinstance(problem, ConnectionError) and "rejected SSL upgrade" in str(problem):
        return (
            "it offers no TLS, and without it anyone in between can read the password. Turn on `ssl` there. If you "
            "trust the network, add ?sslmode=disable to the URL"
        )
    return ""


def _hosts(netloc: str, query: dict[str, str]) -> list[str]:
    """Names, addresses and folders of sockets, in the order in which asyncpg looks for them. None: a socket."""
    named = netloc.rpartition("@")[2]
    if named:
        return [
            unquote(host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0])
            for host in named.split(",")
        ]
    hosts = query.get("host") or os.environ.get("PGHOST") or ""
    return [host if host.startswith("/") else host.strip("[]") for host in hosts.split(",") if host]


def _stays_here(host: str) -> bool:
    return host.startswith("/") or is_loopback(host)


def _own_root() -> str:
    """Default file of the authority, where libpq and asyncpg look for it; empty if there is none."""
    try:
        file = Path.home() / ".postgresql" / "root.crt"
        return str(file) if file.exists() else ""
    except (OSError, RuntimeError, KeyError):  # no home, or none that we may look into
        return ""


@lru_cache(maxsize=4)
def _by_the_system(client: tuple[str, str | None, str] | None) -> ssl.SSLContext:
    """Verifies by the system's authorities, or those in the file that SSL_CERT_FILE names. asyncpg's own knows only
    files."""
    context = client_context()
    context.set_alpn_protocols(["postgresql"])
    if client is not None:
        certificate, key, password = client
        context.load_cert_chain(certificate, key, password)
    return context
