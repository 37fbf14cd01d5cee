"""Networks of clients: by which one is told from another, and which a key can be used from."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address


def narrowest(address: str) -> str:
    """An IPv4 address, or the /64 that one holder of IPv6 has all to itself. Anything else stays as it is."""
    if ":" in address:
        try:
            return f"{int(ip_address(address)) >> 64:x}::/64"
        except ValueError:
            pass
    return address


def within(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Test whether one of these has the address."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in networks)
