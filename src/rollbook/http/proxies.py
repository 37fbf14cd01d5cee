"""Finds the client's address and scheme behind proxies, using only the headers of trusted ones."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from rollbook.config import Networks

Address = IPv4Address | IPv6Address


class Proxies:
    """The networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def trusts(self, peer: str) -> bool:
        """Test whether this address is one of our proxies."""
        address = _parse(peer)
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
            address = _parse(hop)
            if address is None:
                break
            client = str(address)
            if not self._holds(address):
                break
        return client, secure

    def _holds(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def plain(address: str) -> str:
    """The address of a connection: an IPv4 address as IPv4, also where a dual-stack socket shows it inside IPv6 (RFC
    4291 section 2.5.5.2). The kernel spells it in one way only."""
    return address[7:] if address.startswith("::ffff:") and "." in address else address


def _parse(text: str) -> Address | None:
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
