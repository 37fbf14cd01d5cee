"""The network by which one client is told from another."""

from __future__ import annotations

from ipaddress import ip_address


def narrowest(address: str) -> str:
    """An IPv4 address, or the /64 that one holder of IPv6 has all to itself. Anything else stays as it is."""
    if ":" in address:
        try:
            return f"{int(ip_address(address)) >> 64:x}::/64"
        except ValueError:
            pass
    return address
