"""The setting `limits`, parsed: one Valkey server, a cluster, or a primary that Sentinel monitors."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

PORT, SENTINEL_PORT = 6379, 26379
_SCHEMES = {"valkey": False, "redis": False, "valkeys": True, "rediss": True}
_EXAMPLE = (
    "Write valkey://host:6379, valkey://user:password@host:6379/0, valkey+cluster://host:6379,host:6379, "
    "valkey+sentinel://host:26379,host:26379/name, or valkeys with TLS."
)

Kind = Literal["server", "cluster", "sentinel"]


class Host(NamedTuple):
    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Address:
    """No text made from it contains the password."""

    kind: Kind
    hosts: tuple[Host, ...]
    """The server; servers of the cluster; or Sentinels."""
    user: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    primary: str = ""
    """The name by which Sentinel knows the primary."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def __str__(self) -> str:
        hosts = ",".join(map(str, self.hosts))
        return f"{hosts} (primary {self.primary})" if self.primary else hosts


def parse(url: str) -> Address:
    """The address in a URL. Raises ValueError with a sentence that says what to write and never shows the password.

    With TLS, the server's certificate must be valid for the host, by the system's authorities or those in the file that
    the variable SSL_CERT_FILE names.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _unreadable() from None
    scheme, _, topology = parts.scheme.partition("+")
    if scheme not in _SCHEMES or topology not in ("", "cluster", "sentinel"):
        raise ValueError(f"an address of Valkey begins with valkey://, redis://, valkeys:// or rediss://. {_EXAMPLE}")
    kind: Kind = "server" if not topology else "cluster" if topology == "cluster" else "sentinel"
    if parts.query or parts.fragment:
        raise ValueError(
            "the address of Valkey ends with the database: write ? and # in a password as %3F and %23, / as %2F, "
            "@ as %40."
        )
    login, _, hosts = parts.netloc.rpartition("@")
    name, _, word = login.partition(":")
    user, password = unquote(name), unquote(word)
    if user and not password:
        raise ValueError(
            "the address of Valkey names a user without a password: write valkey://user:password@host, or "
            ":password@host."
        )
    primary, database = _path(parts, kind)
    return Address(kind, _hosts(hosts, kind), user, password, database, primary, _tls() if _SCHEMES[scheme] else None)


def _hosts(text: str, kind: Kind) -> tuple[Host, ...]:
    found = []
    for part in text.split(","):
        try:
            one = urlsplit(f"//{part}")
            name, port = one.hostname, one.port
        except ValueError:
            raise _unreadable() from None
        if not name:
            raise ValueError(f"the address of Valkey names no host. {_EXAMPLE}")
        found.append(Host(name, port or (SENTINEL_PORT if kind == "sentinel" else PORT)))
    if kind == "server" and len(found) > 1:
        raise ValueError(f"several hosts are a cluster or Sentinels. {_EXAMPLE}")
    return tuple(found)


def _path(parts: SplitResult, kind: Kind) -> tuple[str, int]:
    """The primary's name and the number of the database."""
    primary, database = "", parts.path.strip("/")
    if kind == "sentinel":
        primary, _, database = database.partition("/")
        if not primary:
            raise ValueError(f"after the Sentinels comes the name of the primary they monitor. {_EXAMPLE}")
    database = database or "0"
    if not (database.isascii() and database.isdecimal() and len(database) <= 5):
        raise ValueError(
            f"what follows the host in the address of Valkey is the number of a database, such as /0. {_EXAMPLE}"
        )
    if kind == "cluster" and int(database):
        raise ValueError("a cluster has no databases other than 0: leave the number out.")
    return unquote(primary), int(database)


def _unreadable() -> ValueError:
    return ValueError(f"this is no address of Valkey: its host or port cannot be read. {_EXAMPLE}")


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
