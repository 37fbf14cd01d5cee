"""Addresses that events may be sent to. Checks URLs, and every address of their hosts, so that webhooks reach no
internal network (SSRF).

A name can have other addresses each time it is looked up. So what counts is not the URL but the addresses that a
connection is opened to: `resolve` returns checked ones, and the sender connects to nothing else.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Thread
from typing import Any, NamedTuple

from rollbook.config import Networks

MAX_URL = 2048
LOOKUP_TIMEOUT = 5.0
"""Seconds until a name counts as unknown."""
REMEMBERED = 10.0
"""Seconds that the addresses of a name are used, for receivers that close each connection."""

# What is not the public internet, from IANA's registry of special-purpose IPv4 addresses (RFC 6890), and multicast (RFC
# 5771).
_SPECIAL_4 = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier NAT; metadata of Alibaba Cloud
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # metadata of Azure
            "169.254.0.0/16",  # link-local; metadata of AWS, Azure, Google Cloud and others
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments; metadata of Oracle Cloud
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
# Of IPv6, only this is the public internet (RFC 4291 section 2.4). Loopback, unique local, link-local, multicast, IPv4
# addresses inside IPv6 (::ffff:0:0/96) and NAT64 (64:ff9b::/96, 64:ff9b:1::/48) are outside of it.
_PUBLIC_6 = ip_network("2000::/3")
_SPECIAL_6 = tuple(
    map(
        ip_network,
        (
            "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID and others
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, with any IPv4 address inside
            "3fff::/20",  # documentation
        ),
    )
)

_URL = re.compile(r"(https?)://([^/?#]*)([/?][^#]*)?", re.IGNORECASE).fullmatch
_AUTHORITY = re.compile(r"(\[[0-9a-f.]*:[0-9a-f:.]*\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?", re.IGNORECASE).fullmatch
_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
).fullmatch
# What resolvers may read as an IPv4 address: decimal, octal or hexadecimal, with one to four parts (the URL standard's
# "ends in a number").
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)").fullmatch

Lookup = Callable[..., list[tuple[Any, ...]]]


class UrlParts(NamedTuple):
    """A URL in parts."""

    secure: bool
    host: str
    """A name in lower case, or an IP address without brackets."""
    port: int
    authority: str
    """Value of the `Host` header."""
    path: str
    """With the query, at least `/`."""


class Unresolved(Exception):
    """There is no address to connect to. Why is not told (`outcomes.NO_ADDRESS`)."""


class Addresses:
    """Checks and looks up receivers, once for each process. Addresses in `allow` are accepted whatever they are, and
    also by plain HTTP. If there are `hosts`, no others are accepted: names, or `*.` and a domain for all names below
    it."""

    def __init__(
        self,
        allow: Networks,
        hosts: Sequence[str] = (),
        *,
        look_up: Lookup = socket.getaddrinfo,
        timeout: float = LOOKUP_TIMEOUT,
        remembered: float = REMEMBERED,
    ) -> None:
        """`look_up` is called like `socket.getaddrinfo`, in a thread."""
        self._allow = allow
        self._hosts = tuple(host.lower() for host in hosts)
        self._look_up = look_up
        self._timeout = timeout
        self._remembered = remembered
        # One for each name that is being looked up, or was just now: a name server that hangs holds one thread, however
        # many wait for it.
        self._lookups: dict[str, asyncio.Future[list[str]]] = {}

    def check_url(self, url: str) -> UrlParts:
        """The URL in parts. Raises ValueError with a sentence that says how to fix it. Looks up nothing."""
        target = _parse(url)
        if self._hosts and not any(
            target.host.endswith(host[1:]) if host.startswith("*.") else target.host == host for host in self._hosts
        ):
            raise ValueError(
                f"must be on a host that the operator of this server allowed with --webhook-hosts, not {target.host}."
            )
        address = _literal(target.host)
        if address is None:
            if not target.secure and not self._allow:
                raise ValueError("must start with https://.")
        elif not self._accepts(address, target.secure):
            if _is_public(address):
                raise ValueError("must start with https://.")
            raise ValueError(
                f"must have a public address, not {target.host}. The operator of this server can allow it with "
                "--webhook-allow."
            )
        return target

    async def resolve(self, target: UrlParts) -> list[str]:
        """The addresses of the host, in the order to try. Raises Unresolved, also if only one of them is not
        accepted."""
        literal = _literal(target.host)
        if literal is not None:
            addresses = [str(literal)]
        else:
            try:
                async with asyncio.timeout(self._timeout):
                    addresses = await asyncio.shield(self._lookup(target.host))
            except TimeoutError:
                addresses = []
        if not addresses or not all(self._accepts(ip_address(address), target.secure) for address in addresses):
            raise Unresolved()
        return addresses

    def _accepts(self, address: IPv4Address | IPv6Address, secure: bool) -> bool:
        return any(address in network for network in self._allow) or (secure and _is_public(address))

    def _lookup(self, host: str) -> asyncio.Future[list[str]]:
        future = self._lookups.get(host)
        if future is None:
            loop = asyncio.get_running_loop()
            future = self._lookups[host] = loop.create_future()
            # Not the loop's own threads, which others need, and which the end of the process waits for.
            Thread(target=self._run, args=(host, future, loop), name="rollbook-dns", daemon=True).start()
        return future

    def _run(self, host: str, future: asyncio.Future[list[str]], loop: asyncio.AbstractEventLoop) -> None:
        try:
            infos = self._look_up(host, None, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
        except (OSError, UnicodeError):
            addresses = []
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._finish, host, future, addresses)

    def _finish(self, host: str, future: asyncio.Future[list[str]], addresses: list[str]) -> None:
        future.set_result(addresses)
        if addresses:
            future.get_loop().call_later(self._remembered, self._lookups.pop, host, None)
        else:
            del self._lookups[host]


def _parse(url: str) -> UrlParts:
    if len(url) > MAX_URL:
        raise ValueError(f"must have at most {MAX_URL:,} characters.")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError(
            "must be ASCII without spaces and backslashes. Write other characters as %XX, and names as xn--…."
        )
    parts = _URL(url)
    if parts is None:
        raise ValueError("must be a URL such as https://example.com/hook, without a fragment.")
    scheme, authority, path = parts[1].lower(), parts[2], parts[3] or "/"
    if "@" in authority:
        raise ValueError("must not have a user name or password. Use a header.")
    host, port = _host(authority.lower())
    secure = scheme == "https"
    if port is None:
        port = 443 if secure else 80
    return UrlParts(secure, host.strip("[]"), port, authority.lower(), path if path[0] == "/" else f"/{path}")


def _host(authority: str) -> tuple[str, int | None]:
    parts = _AUTHORITY(authority)
    port = int(parts[2]) if parts is not None and parts[2] else None
    if parts is None or (port is not None and not 0 < port < 65536):
        raise ValueError("must have a valid host and port.")
    host = parts[1]
    if host[0] == "[" or _ENDS_IN_NUMBER(host):
        try:
            ip_address(host.strip("[]"))
        except ValueError:
            raise ValueError(
                "must have its IP address in the usual form, such as 192.0.2.1 or [2001:db8::1]."
            ) from None
    elif not _NAME(host):
        raise ValueError("must have a valid host name.")
    return host, port


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    return ip_address(host) if ":" in host or _ENDS_IN_NUMBER(host) else None


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_4)
    return address in _PUBLIC_6 and not any(address in network for network in _SPECIAL_6)
