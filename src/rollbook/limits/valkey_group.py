"""A Valkey cluster, or a primary that Sentinel monitors, through redis-py.

redis-py finds the servers, follows moved slots and failovers, and holds one connection for each command under way: a
take costs seven times the CPU of `valkey_connection`. Loaded only where the setting names such an address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

from redis import exceptions
from redis.asyncio import Connection, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection
from redis.backoff import NoBackoff

from rollbook.client_tls import UNUSUAL_FLAGS
from rollbook.config import is_loopback
from rollbook.limits import valkey_connection as script
from rollbook.limits.valkey_address import NO_TLS, Address
from rollbook.limits.valkey_connection import ReplyError, Unavailable, ValkeyTimeouts, refusal
from rollbook.quota import NO_LIMIT, Limit

# Seconds between two checks of every server: of a healthy group, and of one with a server that does not reply.
HEARTBEAT, URGENT = 1.0, 0.25
# Commands under way at once, each on a connection of its own.
MAX_COMMANDS = 32
# While a slot moves, redis-py may give up on a call whose server is well: it sends ASKING and the command on different
# connections.
_MOVING = (exceptions.ClusterError, AttributeError)


class ValkeyServers:
    """`trouble` names the servers that do not reply, and is empty when all do. Only their keys raise Unavailable from
    `run`."""

    def __init__(self, address: Address, changed: Callable[[], None], timeouts: ValkeyTimeouts) -> None:
        """`changed` is called when `trouble` may have changed."""
        self.trouble = "not connected yet"
        self._address = address
        self._changed = changed
        self._timeouts = timeouts
        self._client: _Cluster | _Primary | None = None
        # Servers that do not reply, and why; "" stands for all of them.
        self._silent: dict[str, str] = {}
        self._turns = asyncio.Semaphore(MAX_COMMANDS)
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        while self._task is not None and not self._task.done():
            self._task.cancel()  # again, where redis-py has taken it for one of its time-outs
            await asyncio.wait([self._task], timeout=1.0)
        client, self._client = self._client, None
        self.trouble = "stopped"
        if client is not None:
            await client.aclose()

    async def wait_ready(self) -> None:
        """Returns when the first attempt to connect has succeeded or failed."""
        await self._ready.wait()

    async def run(
        self, verb: str, now: int, key: bytes, limit: Limit, own: bytes | None = None, own_limit: Limit = NO_LIMIT
    ) -> bytes:
        """Run the script and return its reply. Raises Unavailable."""
        if self._client is None:
            raise Unavailable(self.trouble)
        keys = (key,) if own is None else (key, own)
        server = ""
        try:
            server = self._client.owner(key)
            call = self._in_turn(self._client, server, keys, script.words(verb, now, limit, own_limit))
            return await asyncio.get_running_loop().create_task(call)  # redis-py measures its time-outs by the task
        except Unavailable:
            raise
        except Exception as problem:
            if type(problem) not in _MOVING:
                self._silent[server] = _reason(problem)
                self._update()
            raise Unavailable(_reason(problem)) from None

    async def info(self) -> dict[str, str]:
        """Facts that one of the servers tells about itself; empty where the user may not ask. Raises Unavailable."""
        if self.trouble or self._client is None:
            raise Unavailable(self.trouble)
        said: dict[str, Any] = {}
        with suppress(exceptions.ResponseError):
            for section in ("server", "memory"):
                said |= await self._client.execute_command("INFO", section)
        return {name: str(value) for name, value in said.items()}

    async def _in_turn(
        self, client: _Cluster | _Primary, server: str, keys: tuple[bytes, ...], words: list[str]
    ) -> bytes:
        async with self._turns:
            if not self._silent.keys().isdisjoint((server, "")):
                raise Unavailable(self.trouble)
            return await self._evaluate(client, keys, words)

    async def _evaluate(self, client: _Cluster | _Primary, keys: tuple[bytes, ...], words: list[str]) -> bytes:
        async with asyncio.timeout(self._timeouts.reply):
            try:
                return await client.execute_command("EVALSHA", script.DIGEST, len(keys), *keys, *words)
            except exceptions.NoScriptError:
                return await client.execute_command("EVAL", script.SCRIPT, len(keys), *keys, *words)

    # ---- which servers reply

    async def _keep(self) -> None:
        while True:
            try:
                await self._check()
            except Exception as problem:  # redis-py raises more than its own errors while a server goes away
                self._silent = {"": _reason(problem)}
            self._update()
            self._ready.set()
            await asyncio.sleep(URGENT if self.trouble else HEARTBEAT)

    async def _check(self) -> None:
        """A take on every server."""
        kind = _Cluster if self._address.kind == "cluster" else _Primary
        client = self._client or kind(self._address, self._timeouts)
        try:
            async with asyncio.timeout(self._timeouts.connect):
                await client.initialize()
        except BaseException:
            if self._client is None:
                await client.aclose()
            raise
        self._client = client
        probes = client.probes()
        words = script.words("take", 0, script.PROBE_LIMIT)
        replies = await asyncio.gather(
            *(self._evaluate(client, (key,), words) for key in probes.values()), return_exceptions=True
        )
        self._silent = {
            server: _reason(reply)
            for server, reply in zip(probes, replies, strict=True)
            if isinstance(reply, Exception)
        }

    def _update(self) -> None:
        self.trouble = "; ".join(
            f"{server}: {reason}" if server else reason for server, reason in sorted(self._silent.items())
        )
        self._changed()


class _Cluster(RedisCluster):
    """The client of a cluster. `initialize` reads the map of its slots when a server was lost."""

    def __init__(self, address: Address, timeouts: ValkeyTimeouts) -> None:
        nodes = [ClusterNode(host.name, host.port) for host in address.hosts]
        options = _options(address, timeouts)
        super().__init__(startup_nodes=nodes, require_full_coverage=False, reinitialize_steps=0, **options)
        if address.stays_here:
            self.nodes_manager.connection_kwargs["connection_class"] = _Local

    def owner(self, key: bytes) -> str:
        """The server that holds this key. Raises Unavailable."""
        try:
            return self.nodes_manager.get_node_from_slot(self.keyslot(key)).name
        except (LookupError, exceptions.SlotNotCoveredError):
            raise Unavailable("no server of the cluster holds this slot") from None

    def probes(self) -> dict[str, bytes]:
        """Keys that probe the servers: for each one that it holds."""
        servers = {node.name for node in self.get_primaries()}
        keys: dict[str, bytes] = {}
        for number in count():
            key = script.name(f"probe{number}")
            keys.setdefault(self.owner(key), key)
            if len(keys) == len(servers) or number > 10_000:  # a server may hold no slot
                return keys
        raise AssertionError


class _Primary:
    """The client of a primary that Sentinel monitors. `initialize` asks the Sentinels who it is, and drops idle
    connections when that changed."""

    def __init__(self, address: Address, timeouts: ValkeyTimeouts) -> None:
        options = _options(address, timeouts)
        unnamed = {name: value for name, value in options.items() if name not in ("username", "password")}
        sentinel = Sentinel(
            [tuple(host) for host in address.hosts], sentinel_kwargs=unnamed, **options, db=address.database
        )
        self._sentinels = sentinel.sentinels
        local = {"connection_class": _LocalPrimary} if address.stays_here else {}
        self._pool = SentinelConnectionPool(address.primary, sentinel, **sentinel.connection_kwargs, **local)
        self._redis = Redis.from_pool(self._pool)

    async def initialize(self) -> None:
        await self._pool.get_master_address()

    async def execute_command(self, *words: Any) -> Any:
        return await self._redis.execute_command(*words)

    async def aclose(self) -> None:
        for client in (self._redis, *self._sentinels):
            await client.aclose()

    def owner(self, key: bytes) -> str:
        return ""

    def probes(self) -> dict[str, bytes]:
        return {"": script.name("probe")}


class _Local(Connection):
    """A connection without TLS, to a server of a cluster all of whose servers are on this machine: none of them, nor a
    Sentinel, can lead it elsewhere."""

    async def _connect(self) -> None:
        if not is_loopback(self.host):
            raise exceptions.ConnectionError(f"{self.host} is another machine: {NO_TLS}")
        await super()._connect()


class _LocalPrimary(_Local, SentinelManagedConnection):
    """A connection without TLS, on this machine, to a primary that Sentinels name."""


def _options(address: Address, timeouts: ValkeyTimeouts) -> dict[str, Any]:
    """Options that every connection is opened with. Without retries: a command is never sent twice, since the first may
    have counted."""
    options: dict[str, Any] = {
        "username": address.user or None,
        "password": address.password or None,
        "protocol": 2,
        "socket_timeout": timeouts.reply,
        "socket_connect_timeout": timeouts.connect,
        "max_connections": 2 * MAX_COMMANDS,
        "retry": Retry(NoBackoff(), 0),
    }
    if address.tls is not None:
        options |= {"ssl": True, "ssl_min_version": address.tls.minimum_version, "ssl_ca_certs": address.root or None}
        options["ssl_exclude_verify_flags"] = [UNUSUAL_FLAGS]
    return options


def _reason(problem: BaseException) -> str:
    match problem.__cause__ if isinstance(problem, exceptions.RedisClusterException) else problem:
        case exceptions.NoPermissionError():
            code = "NOPERM"
        case exceptions.ReadOnlyError():
            code = "READONLY"
        case exceptions.OutOfMemoryError():
            code = "OOM"
        case exceptions.AuthenticationError():
            code = "NOAUTH" if "required" in str(problem) else "WRONGPASS"
        case TimeoutError() | exceptions.TimeoutError():
            return "no answer in time"
        case _:
            return str(problem) or type(problem).__name__
    return refusal(ReplyError(f"{code} {problem}"))
