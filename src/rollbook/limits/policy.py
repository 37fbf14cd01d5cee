"""Policy of limits: the bucket in which a request is counted, and the limit that applies to it."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from rollbook import clock
from rollbook.config import Settings
from rollbook.errors import TooManyRequests
from rollbook.limits import windows
from rollbook.limits.windows import Limiter
from rollbook.networks import narrowest
from rollbook.quota import MAX_CALLS, Limit, Window

_AROUND = {4: ((24, 8),), 6: ((56, 4), (48, 16))}
"""Networks around an address (IPv6: around its /64): the length of the prefix, and how many times the limit of one
address it has. Wider ones have more, so that no network uses up alone what belongs to the one around it."""


class CountedNetwork(NamedTuple):
    """A client's, by which it is counted."""

    bucket: str
    times: int
    """The number of times the limit of one address that it has."""

    def limit(self, of_address: Limit) -> Limit:
        return of_address if self.times == 1 else _multiple(of_address, self.times)


@lru_cache(maxsize=64)
def _multiple(limit: Limit, times: int) -> Limit:
    return Limit(Window(min(window.calls * times, MAX_CALLS), window.seconds) for window in limit)


class Policy:
    """The limits that a server's settings set, by role and by user."""

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.rate_limit
        self._of_scim = settings.scim_limit
        self._of_roles = dict(settings.role_limits)

    def limit_for(self, role: str, own: str | None = None) -> Limit:
        """The windows of a user with this role and this `rate_limit`."""
        return self._of_roles.get(role, self._limit) if own is None else Limit.parse(own)

    def limit_of_key(self, kind: str, role: str, own: str | None) -> Limit:
        """The windows in which requests with a key of this kind are counted; role and `rate_limit` are its user's."""
        return self._of_scim if kind == "scim" else self.limit_for(role, own)


def key_bucket(user_id: str, key_id: str) -> str:
    """The bucket of a key with its own limit, shared by the keys created with it. It contains the user's ID, so that
    both are counted in one step."""
    return f"{user_id}:{key_id}"


def scim_bucket(user_id: str, tenant: str) -> str:
    """The bucket of an identity provider: of a SCIM key and of those that it was rotated from. Not its user's, who
    still has all of their own requests."""
    return f"{user_id}:scim:{tenant}"


def address_bucket(address: str) -> str:
    """The bucket of requests without a valid key."""
    return f"address:{narrowest(address)}"


async def count_page(limiter: Limiter, limit: Limit, address: str, user_id: str | None = None, pages: int = 1) -> None:
    """Count a page, or what is as large as so many, for who is signed in, otherwise for the address. However large, it
    fits the limit of who asks for nothing else. Raises TooManyRequests."""
    bucket = "pages:" + (address_bucket(address) if user_id is None else user_id)
    pages = min(pages, min((window.calls for window in limit), default=1))
    verdict = await limiter.take(bucket, limit, clock.now(), requests=pages)
    if not verdict.admitted:
        raise TooManyRequests(windows.retry_after(verdict, pages))


def networks(address: str) -> tuple[CountedNetwork, ...]:
    """Networks that an address belongs to, the narrowest first: that of `address_bucket`, then those around it, which
    one holder may have too."""
    narrowest = CountedNetwork(address_bucket(address), 1)
    try:
        ip = ip_address(address)
    except ValueError:
        return (narrowest,)
    around = (
        CountedNetwork(f"address:{int(ip) >> (ip.max_prefixlen - length):x}/{length}", times)
        for length, times in _AROUND[ip.version]
    )
    return (narrowest, *around)
