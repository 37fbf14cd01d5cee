"""The setting `limits`, parsed: one Valkey server, a cluster, or a primary that Sentinel monitors. One on another
machine needs TLS and a password, unless the address says otherwise."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from rollbook.client_tls import client_context
from rollbook.config import is_loopback

PORT, SENTINEL_PORT = 6379, 26379
_SCHEMES = {"valkey": False, "redis": False, "valkeys": True, "rediss": True}
_EXAMPLE = (
    "Write valkey://host:6379, valkey://user:password@host:6379/0, valkey+cluster://host:6379,host:6379, "
    "valkey+sentinel://host:26379,host:26379/name, or valkeys with TLS."
)

# What may follow the question mark. The names are those of PostgreSQL's URLs.
_MODE, _ROOT, _LOGIN = "sslmode", "sslrootcert", "login"
_VALUES = {_MODE: "disable", _LOGIN: "none"}

ValkeyKind = Literal["server", "cluster", "sentinel"]


class Host(NamedTuple):
    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Address:
    """No text made from it contains the password."""

    kind: ValkeyKind
    hosts: tuple[Host, ...]
    """The server; servers of the cluster; or Sentinels."""
    user: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    primary: str = ""
    """The name by which Sentinel knows the primary."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    root: str = ""
    """File of the certificate authority. Empty: the system's."""
    in_clear: bool = False
    """The address says that servers on other machines are talked to without TLS."""

    @property
    def is_local(self) -> bool:
        return all(is_loopback(host.name) for host in self.hosts)

    @property
    def lacks(self) -> list[str]:
        """Missing protections of the connections, in words for people."""
        if self.is_local:
            return []
        return [word for word, has in (("TLS", self.tls), ("a password", self.password)) if not has]

    @property
    def stays_here(self) -> bool:
        """Test whether this machine is not to be left, whatever a cluster or Sentinel says: there is no TLS."""
        return self.tls is None and not self.in_clear

    def __str__(self) -> str:
        hosts = ",".join(map(str, self.hosts))
        return f"{hosts} (primary {self.primary})" if self.primary else hosts


def parse(url: str) -> Address:
    """The address in a URL. Raises ValueError with a sentence that says what to write and never shows the password.

    With TLS, the server's certificate must be valid for the host, by the authority in the file that `sslrootcert`
    names, else by the system's or those in the file that the variable SSL_CERT_FILE names.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _unreadable() from None
    scheme, _, topology = parts.scheme.partition("+")
    if scheme not in _SCHEMES or topology not in ("", "cluster", "sentinel"):
        raise ValueError(f"an address of Valkey begins with valkey://, redis://, valkeys:// or rediss://. {_EXAMPLE}")
    kind: ValkeyKind = "server" if not topology else "cluster" if topology == "cluster" else "sentinel"
    options = _options(parts)
    login, _, hosts = parts.netloc.rpartition("@")
    name, _, word = login.partition(":")
    user, password = unquote(name), unquote(word)
    if user and not password:
        raise ValueError(
            "the address of Valkey names a user without a password: write valkey://user:password@host, or "
            ":password@host."
        )
    servers, (primary, database) = _hosts(hosts, kind), _path(parts, kind)
    root, in_clear = options.get(_ROOT, ""), options.get(_MODE) == "disable"
    tls = _tls(root) if _SCHEMES[scheme] else None
    address = Address(
        kind=kind,
        hosts=servers,
        user=user,
        password=password,
        database=database,
        primary=primary,
        tls=tls,
        root=root,
        in_clear=in_clear,
    )
    _check(address, scheme, _LOGIN in options)
    return address


NO_TLS = (
    "without TLS anyone in between can read its password and change the counts. Write valkeys:// (or rediss://), with "
    "?sslrootcert=FILE if it has a certificate authority of its own. If you trust the network, add ?sslmode=disable."
)


def _check(address: Address, scheme: str, without_login: bool) -> None:
    """Raises ValueError unless it is protected, or says that it need not be."""
    if address.tls is not None and address.in_clear:
        raise ValueError(f"sslmode=disable turns TLS off, and {scheme}:// asks for it: leave one of them out.")
    if "TLS" in address.lacks and not address.in_clear:
        raise ValueError(f"Valkey is on another machine: {NO_TLS}")
    if "a password" in address.lacks and not without_login:
        raise ValueError(
            "Valkey is on another machine, and without a login anyone who reaches it can change the counts. Write "
            "valkeys://user:password@host. If only these servers reach it, add ?login=none."
        )


def _options(parts: SplitResult) -> dict[str, str]:
    """Options that follow the question mark."""
    try:
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)) if parts.query else {}
    except ValueError:
        options = {"": ""}
    if parts.fragment or not options.keys() <= {_MODE, _ROOT, _LOGIN}:
        raise ValueError(
            "the address of Valkey ends with the database and with sslmode, sslrootcert and login: write ? and # in a "
            "password as %3F and %23, / as %2F, @ as %40."
        )
    for name, value in _VALUES.items():
        if options.get(name, value) != value:
            raise ValueError(f"{name} in the address of Valkey can only be {value}. Leave it out otherwise.")
    return options


def _hosts(text: str, kind: ValkeyKind) -> tuple[Host, ...]:
    hosts = []
    for part in text.split(","):
        try:
            one = urlsplit(f"//{part}")
            name, port = one.hostname, one.port
        except ValueError:
            raise _unreadable() from None
        if not name:
            raise ValueError(f"the address of Valkey names no host. {_EXAMPLE}")
        hosts.append(Host(name, port or (SENTINEL_PORT if kind == "sentinel" else PORT)))
    if kind == "server" and len(hosts) > 1:
        raise ValueError(f"several hosts are a cluster or Sentinels. {_EXAMPLE}")
    return tuple(hosts)


def _path(parts: SplitResult, kind: ValkeyKind) -> tuple[str, int]:
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


def _tls(root: str) -> ssl.SSLContext:
    try:
        return client_context(root)
    except OSError:  # ssl.SSLError, too
        raise ValueError(
            f"sslrootcert: {root} cannot be read. Name a file with the certificate (PEM) of the authority that "
            "vouches for Valkey."
        ) from None
