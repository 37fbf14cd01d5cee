"""Which server of a cluster holds a bucket (https://valkey.io/topics/cluster-spec/): the map of its 16,384 slots, kept fresh."""

from __future__ import annotations

import asyncio
from binascii import crc_hqx
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from rollbook.limits import valkey_script as script
from rollbook.limits.valkey_address import Address
from rollbook.limits.valkey_link import CONNECT_TIMEOUT, TIMEOUT, Gone, Link
from rollbook.limits.valkey_wire import Reply, encode
from rollbook.quota import Limit, Window

SLOTS = 16_384
# Seconds between two looks at the map; shorter while a part of the cluster is away.
REFRESH, URGENT = 10.0, 0.5
PROBE = Limit([Window(1_000_000_000, 1)])


@lru_cache(16_384)
def slot(key: bytes) -> int:
    """The slot of a key: CRC-16 (XMODEM) of what stands in its first braces."""
    start = key.find(b"{")
    end = key.find(b"}", start + 1)
    return crc_hqx(key[start + 1 : end] if 0 <= start < end - 1 else key, 0) % SLOTS


def probe(owns: Callable[[int], bool]) -> bytes:
    """A take that counts for nobody, in a slot that the server owns: it succeeds where all others do."""
    for number in range(SLOTS * 20):
        key = script.name(f"probe-{number}")
        if owns(slot.__wrapped__(key)):
            return script.command("take", 0, key, PROBE)
    return encode("PING")


class Cluster:
    """Links to all servers that own slots."""

    def __init__(self, seed: Link, changed: Callable[[], None]) -> None:
        """`seed` is the link that the setting names. `changed` is called when a part has come or gone."""
        self._seed = seed
        self._changed = changed
        self._links: dict[Address, Link] = {}
        self._owners: list[Link | None] = [None] * SLOTS
        self._stale = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when the servers are connected, or have been tried."""
        await self._look()
        await asyncio.gather(*(link.settled(CONNECT_TIMEOUT) for link in self._links.values()))
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*(link.stop() for link in self._links.values()))

    @property
    def trouble(self) -> str:
        """Why some buckets cannot be counted; empty when all can."""
        for address, link in self._links.items():
            if not link.up:
                return f"{address}: {link.trouble}"
        return "" if all(self._owners) else "nobody owns some of the cluster's slots"

    def owner(self, key: bytes) -> Link | None:
        """The link to the server that holds this key, when it is up."""
        link = self._owners[slot(key)]
        return link if link is not None and link.up else None

    def refresh(self) -> None:
        """The map is out of date: look soon."""
        self._stale.set()

    async def named(self, where: str) -> Link | None:
        """The link to the server that a redirection names as `host:port`, when it can be had within the time of a call."""
        host, _, port = where.rpartition(":")
        link = self._link(host.strip("[]"), int(port))
        await link.settled(TIMEOUT)
        return link if link.up else None

    def _link(self, host: str, port: int) -> Link:
        address = replace(self._seed.address, host=host or self._seed.address.host, port=port, database=0)
        link = self._links.get(address)
        if link is None:

            def owns(slot: int) -> bool:
                return self._owners[slot] is self._links.get(address)

            link = self._links[address] = Link(address, lambda: probe(owns), self._changed)
            link.start()
        return link

    async def _keep(self) -> None:
        while True:
            try:
                async with asyncio.timeout(URGENT if self.trouble else REFRESH):
                    await self._stale.wait()
            except TimeoutError:
                pass
            self._stale.clear()
            await self._look()
            await asyncio.sleep(0.05)  # a migration redirects many calls at once

    async def _look(self) -> None:
        for link in (self._seed, *self._links.values()):
            if link.up:
                try:
                    await self._draw(await link.call(encode("CLUSTER", "SLOTS")))
                except Gone:
                    continue
                return

    async def _draw(self, ranges: Reply) -> None:
        if not isinstance(ranges, list):
            return
        owners: list[Link | None] = [None] * SLOTS
        for start, end, (host, port, *_), *_replicas in ranges:
            link = self._link((host or b"").decode(), port)
            owners[start : end + 1] = [link] * (end + 1 - start)
        self._owners = owners
        owning = set(owners)
        gone = [address for address, link in self._links.items() if link not in owning]
        for address in gone:
            await self._links.pop(address).stop()
        self._changed()
