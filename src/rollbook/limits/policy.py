"""Which bucket a request is counted in, and whose limit applies to it."""

from __future__ import annotations

from ipaddress import ip_address

from rollbook.config import Settings
from rollbook.quota import Limit


class Policy:
    """The limits that a server's settings set, by role and by user."""

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.rate_limit
        self._of_roles = dict(settings.role_limits)

    def limit_for(self, role: str, own: str | None = None) -> Limit:
        """The windows of a user with this role and this `rate_limit`."""
        return self._of_roles.get(role, self._limit) if own is None else Limit.parse(own)


def key_bucket(user_id: str, key_id: str) -> str:
    """The bucket of a key with its own limit, shared by the keys created with it. It contains the user's ID, so that both are counted in one step."""
    return f"{user_id}:{key_id}"


def address_bucket(address: str) -> str:
    """The bucket of requests without a valid key: an IPv4 address, or the /64 that one holder of IPv6 has all to itself."""
    if ":" in address:
        try:
            return f"address:{int(ip_address(address)) >> 64:x}::/64"
        except ValueError:
            pass
    return f"address:{address}"
