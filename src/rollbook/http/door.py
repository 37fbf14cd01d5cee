"""Admission of connections: how many a process has, TLS handshakes included, and how many of them are of one
network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address

from rollbook.config import Settings
from rollbook.errors import ApiError, Unavailable
from rollbook.networks import narrowest


class Admission:
    """Share of the limits that one connection occupies, from when it is accepted on."""

    __slots__ = ("_door", "address", "network", "refusal")

    def __init__(self, door: Door, address: str, network: str, refusal: ApiError | None) -> None:
        self._door: Door | None = door
        self.address = address
        self.network = network
        """The client's, where the client is the peer."""
        self.refusal = refusal
        """Response to whatever it asks for, where there are too many."""

    def leave(self) -> None:
        """Give it back when the connection is over. May be called again."""
        if self._door is not None:
            self._door.left(self)
            self._door = None


class Door:
    """All connections of a process."""

    def __init__(self, settings: Settings, is_proxy: Callable[[str], bool]) -> None:
        """`is_proxy` says of an address whether others stand behind it."""
        self._most = settings.max_connections
        self._most_of_network = settings.max_connections_per_address
        self._is_proxy = is_proxy
        self._is_secure = bool(settings.tls_cert)
        self._count = 0
        self._of_networks: Counter[str] = Counter()

    def enter(self, address: str) -> Admission | None:
        """Admit a connection from this address. None where it is not admitted, and is to be closed without a word: over
        TLS, a word would cost a handshake."""
        network = narrowest(address)
        times = self._count / self._most
        why = "The server has too many connections. Try again shortly."
        if times < 1 and not self._is_apart(address):
            times = self._of_networks[network] / self._most_of_network
            why = "Your network has too many connections to this server. Close some, or try again shortly."
        if times >= (1 if self._is_secure else 2):
            return None
        self._count += 1
        self._of_networks[network] += 1
        return Admission(self, address, network, None if times < 1 else Unavailable(why))

    def left(self, admission: Admission) -> None:
        self._count -= 1
        self._of_networks[admission.network] -= 1
        if not self._of_networks[admission.network]:
            del self._of_networks[admission.network]

    def _is_apart(self, address: str) -> bool:
        """Test whether connections of this address may be those of many: this machine's, or a trusted proxy's."""
        try:
            return ip_address(address).is_loopback or self._is_proxy(address)
        except ValueError:  # no address
            return True
