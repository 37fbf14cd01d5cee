"""What a Valkey says of itself, for whoever looks whether an installation is sound."""

from __future__ import annotations

from typing import NamedTuple

from rollbook.limits import valkey_script as script
from rollbook.limits.valkey_address import Address
from rollbook.limits.valkey_cluster import PROBE
from rollbook.limits.valkey_link import CONNECT_TIMEOUT, Gone, Link
from rollbook.limits.valkey_wire import encode

# Policies under which no count of a running window is thrown away before one that ends sooner.
SAFE_POLICIES = ("noeviction", "volatile-ttl")


class Facts(NamedTuple):
    name: str
    """`Valkey 8.1.1`; empty where the user may not ask."""
    mode: str
    """`standalone` or `cluster`."""
    policy: str
    """What it throws away when its memory is full; empty when there is no bound, or the user may not ask."""


async def ask(address: Address) -> Facts:
    """Raises Gone, with the reason, when requests cannot be counted there."""

    def probe() -> bytes:
        return encode("PING") if link.mode == "cluster" else script.command("take", 0, script.name("probe"), PROBE)

    link = Link(address, probe, lambda: None)
    link.start()
    try:
        await link.settled(2 * CONNECT_TIMEOUT)
        if not link.up:
            raise Gone(link.trouble)
        said: dict[str, str] = {}
        for section in ("server", "memory"):
            reply = await link.call(encode("INFO", section))
            if isinstance(reply, bytes):
                said |= dict(line.split(":", 1) for line in reply.decode(errors="replace").splitlines() if ":" in line)
    finally:
        await link.stop()
    name = ""
    for product, key in (("Redis", "redis_version"), ("Valkey", "valkey_version")):
        if key in said:  # Valkey tells both: the second is the version of Redis it is compatible with
            name = f"{product} {said[key]}"
    return Facts(name, link.mode, said.get("maxmemory_policy", "") if said.get("maxmemory", "0") != "0" else "")
