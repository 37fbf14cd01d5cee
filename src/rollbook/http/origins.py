"""Where requests come from: host names we can be called by and the base of links, the checks against DNS rebinding and
CSRF, the client's address and scheme behind trusted proxies, and the web origins that may call the API from a browser
(Fetch standard, "CORS protocol")."""

from __future__ import annotations

import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from rollbook.config import Networks, Origins, Settings
from rollbook.errors import ForeignForm, UnknownHost
from rollbook.http.request import Request, line

# Domains that can't be registered (RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`), or that home routers use and
# ICANN has reserved.
LOCAL = (".localhost", ".local", ".internal", ".home.arpa", ".lan", ".test")
PORTS = {"http": "80", "https": "443"}


class Origin(NamedTuple):
    """Scheme, host and port (RFC 6454), in lower case. The scheme's default port is empty, as in browsers."""

    scheme: str
    host: str
    port: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{self.port and ':'}{self.port}"


def is_secure(request: Request, settings: Settings) -> bool:
    """Test whether the browser uses TLS: with us, with a trusted proxy, or because it uses our public URL and that is
    https."""
    return _called(request, settings).scheme == "https"


def check_host(request: Request, settings: Settings) -> None:
    """Check that the browser uses a host name that is ours, where people sign in or are signed in. Raises UnknownHost.

    A malicious site can point its own host name to this machine (DNS rebinding). To the browser, our pages are then
    part of that site, which could guess passwords from inside a network. The attacker must own a name in the public
    DNS, so all other names are safe: IP addresses, names without a dot, domains that can't be registered, the machine's
    own name and the one to listen on. Of public names only the host of `public_url` is accepted.
    """
    host = _called(request, settings).host
    if _is_ours(host, settings):
        return
    raise UnknownHost(
        f"The dashboard only accepts requests for known host names, and {host} is not one. Open {settings.url} "
        "instead. "
        "If the name is correct, set public_url to the address that people use."
    )


def base_url(request: Request, settings: Settings) -> str:
    """Base of the links in a response, without a trailing slash: `public_url` or, without it, the address by which the
    client called us. Not if its host is a name that a stranger can own: links must not lead there."""
    if settings.public_url:
        return settings.url
    origin = _called(request, settings)
    if not origin.host or not _is_ours(origin.host, settings):
        return settings.url
    return str(origin)


def _is_ours(host: str, settings: Settings) -> bool:
    if "." not in host or host.endswith(LOCAL) or _is_address(host):
        return True
    public = _public(settings)
    return (public is not None and host == public.host) or host in (settings.host.lower(), socket.gethostname().lower())


def for_passkeys(request: Request, settings: Settings) -> Origin | None:
    """The origin to which passkeys are bound: that of `public_url` or, without it, the one in the address bar. None
    where browsers have no passkeys for it, or where the browser doesn't use a `public_url` that could have some."""
    called, public = _called(request, settings), _public(settings)
    if public is not None and called != public and not _is_address(public.host):
        return None
    return called if _has_passkeys(called) else None


def has_public_passkeys(settings: Settings) -> bool:
    """Test whether browsers have passkeys for `public_url`."""
    public = _public(settings)
    return public is not None and _has_passkeys(public)


def _has_passkeys(origin: Origin) -> bool:
    """WebAuthn level 3, section 5.1.2: a name, and TLS unless it is this machine's."""
    is_this_machine = origin.host == "localhost" or origin.host.endswith(".localhost")
    return bool(origin.host) and not _is_address(origin.host) and (origin.scheme == "https" or is_this_machine)


def check_form(request: Request, settings: Settings) -> None:
    """Accept forms from our own pages only. Current browsers send Sec-Fetch-Site (Fetch Metadata); older ones, and all
    browsers over plain HTTP from another machine, send Origin (RFC 6454). Without either, refuse. Raises
    ForeignForm."""
    site = request.headers.get(b"sec-fetch-site")
    if site is not None:
        if site == b"same-origin":
            return
    elif (origin := request.headers.get(b"origin")) is not None and is_ours(
        origin.decode("latin-1"), request, settings
    ):
        return
    raise ForeignForm()


def is_ours(url: str, request: Request, settings: Settings) -> bool:
    """Test whether the URL belongs to this server, as the browser or `public_url` names it."""
    origin = _parse(url)
    return origin is not None and origin in (_called(request, settings), _public(settings))


def _called(request: Request, settings: Settings) -> Origin:
    """The origin in the browser's address bar, as far as we can tell."""
    host, port = _split(request.headers.get(b"host", b"").decode("latin-1").lower())
    if request.secure:
        return _origin("https", host, port)
    public = _public(settings)
    if public is not None and public == _origin(public.scheme, host, port):
        return public  # a proxy that isn't named in `trusted_proxy` may terminate TLS
    return _origin("http", host, port)


def _public(settings: Settings) -> Origin | None:
    return _parsed_once(settings.public_url)


def _parse(url: str) -> Origin | None:
    """The origin of a URL; None if it has none, such as `null`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.netloc or "@" in parts.netloc:
        return None
    return _origin(parts.scheme, *_split(parts.netloc.lower()))


_parsed_once = lru_cache(maxsize=4)(_parse)


def _origin(scheme: str, host: str, port: str) -> Origin:
    return Origin(scheme, host, "" if port == PORTS[scheme] else port)


def _split(authority: str) -> tuple[str, str]:
    """Host and port."""
    if authority.startswith("["):
        host, _, rest = authority.partition("]")
        return host + "]", rest.removeprefix(":")
    host, _, port = authority.partition(":")
    return host.removesuffix("."), port


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


IPAddress = IPv4Address | IPv6Address


class Proxies:
    """The networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def trusts(self, peer: str) -> bool:
        """Test whether this address is one of our proxies."""
        address = _parse_address(peer)
        return address is not None and self._holds(address)

    def client(self, peer: str, secure: bool, headers: dict[bytes, bytes]) -> tuple[str, bool]:
        """Address of the client and whether it spoke TLS, given the address and scheme of the connection itself.

        Each proxy appends the address it was called from, so the list is read from the right, as long as its addresses
        are those of our own proxies: the first other address is the client. Anything further to the left, or invalid,
        was written by that client or by strangers.
        """
        if not self._networks or not self.trusts(peer):
            return peer, secure
        proto = headers.get(b"x-forwarded-proto")
        if proto is not None:
            secure = proto.rpartition(b",")[2].strip().lower() == b"https"
        client = peer
        for hop in reversed(headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
            address = _parse_address(hop)
            if address is None:
                break
            client = str(address)
            if not self._holds(address):
                break
        return client, secure

    def _holds(self, address: IPAddress) -> bool:
        return any(address in network for network in self._networks)


def plain(address: str) -> str:
    """The address of a connection: an IPv4 address as IPv4, also where a dual-stack socket shows it inside IPv6 (RFC
    4291 section 2.5.5.2). The kernel spells it in one way only."""
    return address[7:] if address.startswith("::ffff:") and "." in address else address


def _parse_address(text: str) -> IPAddress | None:
    """`192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


ANY_ORIGIN = line("Access-Control-Allow-Origin", "*")
"""Header of documents that are public anyway."""

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
# What a script may send beside the fields that are always allowed.
_SENT = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Traceparent, Tracestate, X-Request-Id"
# What it may read beside the fields that are always readable.
_READ = (
    "ETag, Event-Position, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Limit, RateLimit-Policy, "
    "RateLimit-Remaining, "
    "RateLimit-Reset, Retry-After, Traceparent, WWW-Authenticate, X-Next-Cursor, X-Request-Id, X-Total-Count"
)
# Browsers ask again after a day at most, some after two hours.
_PREFLIGHT = (
    line("Access-Control-Allow-Methods", _METHODS)
    + line("Access-Control-Allow-Headers", _SENT)
    + line("Access-Control-Max-Age", "86400")
)
_VARY = b"Vary: Origin\r\n"


class Cors:
    """The origins of the setting `cors_origins`."""

    def __init__(self, origins: Origins) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def lines(self, path: str, method: str, headers: dict[bytes, bytes]) -> bytes:
        """Header lines of the response to a request, an error included."""
        if not path.startswith("/v1"):
            return b""
        origin = headers.get(b"origin")
        if origin not in self._origins:
            return _VARY
        allowed = _VARY + b"Access-Control-Allow-Origin: " + origin + b"\r\n"
        if method == "OPTIONS" and b"access-control-request-method" in headers:
            return allowed + _PREFLIGHT
        return allowed + line("Access-Control-Expose-Headers", _READ)
