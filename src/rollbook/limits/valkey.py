"""Counts that several servers share, in Valkey (or Redis), and what happens while it is away.

Valkey's own clock decides, since those of the servers differ. Where a file moves a server's clock, as in tests, its own
counts.

When Valkey cannot be reached, replies too late or refuses, one of two things happens in that worker until the
connection is back: `local` counts in this server's own table, with the same limits; `closed` admits no request. A call
without a reply is decided the same way and never sent again: Valkey may have counted it before the connection broke.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import NamedTuple, Protocol

from rollbook import clock
from rollbook.errors import LimitsUnavailable
from rollbook.limits import valkey_connection as script
from rollbook.limits.valkey_address import Address
from rollbook.limits.valkey_connection import Unavailable, ValkeyConnection, ValkeyTimeouts
from rollbook.limits.windows import UNLIMITED, Limiter, Verdict
from rollbook.quota import NO_LIMIT, Limit

logger = logging.getLogger("rollbook")

TIMEOUTS = ValkeyTimeouts()

# Maxmemory policies that never evict the count of a running window before one that ends sooner.
SAFE_POLICIES = ("noeviction", "volatile-ttl")


class Store(Protocol):
    """Counter of several servers: `ValkeyConnection` or `ValkeyServers`."""

    trouble: str

    def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def wait_ready(self) -> None: ...
    async def run(
        self, verb: str, now: int, key: bytes, limit: Limit, own: bytes | None = None, own_limit: Limit = NO_LIMIT
    ) -> bytes: ...
    async def info(self) -> dict[str, str]: ...


class Valkey:
    """Created before the workers are forked; each starts its own connection."""

    def __init__(
        self,
        address: Address,
        local: Limiter,
        closed: bool = False,
        own_clock: bool = False,
        timeouts: ValkeyTimeouts | None = None,
    ) -> None:
        """`local` counts while Valkey is away, unless `closed`. `own_clock`: the caller's `now` decides, not Valkey's
        clock."""
        self.address = address
        self.closed = closed
        self.locally = 0
        """Requests that this worker has counted on its own server (a metric)."""
        self.away = "not connected yet"
        """The reason why Valkey does not count, or counts only a part of the requests; empty when all is well."""
        self._local = local
        self._own_clock = own_clock
        self._timeouts = timeouts or TIMEOUTS
        self._store: Store | None = None
        self._reported = False

    async def start(self) -> None:
        """Connect. Returns when the first attempt has succeeded or failed, within about a second; it is repeated until
        `stop`."""
        store = _store(self.address, self._changed, self._timeouts)
        store.start()
        await store.wait_ready()
        self._store = store
        self._changed()

    async def stop(self) -> None:
        store, self._store = self._store, None  # from here on nothing is logged
        if store is not None:
            await store.stop()

    @property
    def evicted(self) -> int:
        return self._local.evicted

    def meter(self, bucket: str, limit: Limit, own: str | None, own_limit: Limit) -> None:
        """Every request asks the store."""

    async def take(
        self,
        bucket: str,
        limit: Limit,
        now: int,
        own: str | None = None,
        own_limit: Limit = NO_LIMIT,
        requests: int = 1,
    ) -> Verdict:
        moment = now if self._own_clock else 0
        verb = "take" if requests == 1 else str(requests)
        store = self._store
        try:
            if store is None:
                raise Unavailable
            if own is not None and own_limit:
                if limit:
                    return script.verdict(
                        await store.run(verb, moment, script.name(bucket), limit, script.name(own), own_limit)
                    )
                return script.verdict(await store.run(verb, moment, script.name(own), own_limit))
            if limit:
                return script.verdict(await store.run(verb, moment, script.name(bucket), limit))
            return UNLIMITED
        except Unavailable:
            if self.closed:
                raise LimitsUnavailable() from None
        self.locally += 1
        return await self._local.take(bucket, limit, now, own, own_limit, requests)

    async def give_back(self, bucket: str, limit: Limit, now: int, at: int = 0) -> None:
        if not at:
            await self._local.give_back(bucket, limit, now)
        elif limit and self._store is not None:
            with contextlib.suppress(
                Unavailable
            ):  # then the request stays counted: one too few is admitted, never one too many
                await self._store.run("back", at, script.name(bucket), limit)

    async def peek(self, bucket: str, limit: Limit, now: int) -> tuple[tuple[int, int], ...]:
        if not limit:
            return ()
        if self._store is not None:
            with contextlib.suppress(Unavailable):
                return script.pairs(
                    await self._store.run("peek", now if self._own_clock else 0, script.name(bucket), limit)
                )
        return await self._local.peek(bucket, limit, now)

    def _changed(self) -> None:
        """Log once when Valkey goes away and once when it is back, in each worker."""
        if self._store is None:
            return
        self.away = self._store.trouble
        if self.away and not self._reported:
            instead = "requests are refused with 503" if self.closed else "requests are counted on this server only"
            logger.warning("limits: Valkey at %s is away (%s): %s", self.address, self.away, instead)
        elif self._reported and not self.away:
            logger.info("limits: Valkey at %s is back, requests are counted there again", self.address)
        self._reported = bool(self.away)


class ValkeyFacts(NamedTuple):
    name: str
    """`Valkey 8.1.1`; empty where the user may not ask."""
    policy: str
    """Eviction policy for a full memory; empty without a bound, or where the user may not ask."""


async def inspect(address: Address) -> ValkeyFacts:
    """Ask a Valkey about itself. Raises Unavailable, with the reason, when requests cannot be counted there."""
    store = _store(address, lambda: None, ValkeyTimeouts(TIMEOUTS.reply, 2 * TIMEOUTS.connect))
    store.start()
    try:
        await store.wait_ready()
        said = await store.info()
    finally:
        await store.stop()
    name = ""
    for product, key in (("Redis", "redis_version"), ("Valkey", "valkey_version")):
        if key in said:  # Valkey tells both: the second is the version of Redis it is compatible with
            name = f"{product} {said[key]}"
    return ValkeyFacts(name, said.get("maxmemory_policy", "") if said.get("maxmemory", "0") != "0" else "")


def build(address: Address, local: Limiter, closed: bool) -> Valkey:
    """The limiter of a server. A clock that a file moves decides over Valkey's, which knows nothing of it."""
    return Valkey(address, local, closed, own_clock=clock.is_moved())


def _store(address: Address, changed: Callable[[], None], timeouts: ValkeyTimeouts) -> Store:
    if address.kind == "server":
        return ValkeyConnection(address, changed, timeouts)
    from rollbook.limits.valkey_group import ValkeyServers

    return ValkeyServers(address, changed, timeouts)
