"""Counts that several servers share: kept in Valkey (or Redis), and what happens while it is away.

Valkey's own clock decides, since those of the servers differ. Where a server's clock is moved by a file, as in tests, its own counts.

When Valkey cannot be reached, answers too late or refuses, one of two things happens, for each worker from that moment on until its
connection is back: `local` counts in this server's own table, with the same limits; `closed` lets nobody in. A call that got no
answer is decided so too, and is not sent again: Valkey may have counted it before the connection broke.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import tempfile

from rollbook import clock
from rollbook.errors import LimitsUnavailable
from rollbook.limits import valkey_script as script
from rollbook.limits.valkey_address import Address
from rollbook.limits.valkey_cluster import PROBE, Cluster, slot
from rollbook.limits.valkey_link import CONNECT_TIMEOUT, Gone, Link, refusal
from rollbook.limits.valkey_wire import ReplyError, encode
from rollbook.limits.windows import UNLIMITED, Limiter, Verdict
from rollbook.quota import NO_LIMIT, Limit

logger = logging.getLogger("rollbook")

# A call may be sent on so often: to the server that a redirection names, or again when a slot is just being moved.
MOST_STEPS = 5
STEP_PAUSE = 0.01


class Told:
    """Which of a server's workers has said that Valkey is away: one says it for all. The kernel forgets it when that worker dies."""

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self._descriptor = os.memfd_create("rollbook-told", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile() as file:
                self._descriptor = os.dup(file.fileno())
        self.mine = False

    def take(self) -> bool:
        """Whether it is ours to say."""
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        self.mine = True
        return True

    def give(self) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
        self.mine = False


class Valkey:
    """Made before the workers are forked; each starts its own connection."""

    def __init__(self, address: Address, local: Limiter, closed: bool = False, own_clock: bool = False) -> None:
        """`local` counts while Valkey is away, unless `closed`. `own_clock`: the caller's `now` decides, not Valkey's clock."""
        self.address = address
        self.closed = closed
        self.locally = 0
        """Requests that this worker has counted on its own server (a metric)."""
        self.away = "not connected yet"
        """Why Valkey does not count now; empty when it does."""
        self._local = local
        self._own_clock = own_clock
        self._told = Told()
        self._started = False
        self._seed: Link | None = None
        self._only: Link | None = None  # the one link, when it is up and there is no cluster
        self._cluster: Cluster | None = None
        self._joining: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect. Returns when that has succeeded or failed once, within about a second; it is tried again until `stop`."""
        self._seed = Link(self.address, self._probe, self._changed)
        self._seed.start()
        await self._seed.settled(CONNECT_TIMEOUT)
        if self._joining is not None:
            await self._joining
        self._started = True
        self._changed()

    async def stop(self) -> None:
        if self._joining is not None:
            self._joining.cancel()
            await asyncio.gather(self._joining, return_exceptions=True)
        seed, self._seed = self._seed, None  # from here on nothing is told
        if self._cluster is not None:
            await self._cluster.stop()
        if seed is not None:
            await seed.stop()
        if self._told.mine:
            self._told.give()

    @property
    def evicted(self) -> int:
        return self._local.evicted

    async def take(self, bucket: str, limit: Limit, now: int, own: str | None = None, own_limit: Limit = NO_LIMIT) -> Verdict:
        moment = now if self._own_clock else 0
        if own is not None and own_limit:
            if limit:
                key, own_key = script.name(bucket), script.name(own)
                if self._cluster is not None and slot(key) != slot(own_key):
                    verdict = await self._take_apart(key, limit, moment, own_key, own_limit)
                    if verdict is not None:
                        return verdict
                    return await self._without().take(bucket, limit, now, own, own_limit)
                command = script.command("take", moment, key, limit, own_key, own_limit)
            else:
                key = script.name(own)
                command = script.command("take", moment, key, own_limit)
        elif limit:
            key = script.name(bucket)
            command = script.command("take", moment, key, limit)
        else:
            return UNLIMITED
        reply = await self._ask(key, command)
        if reply is not None:
            return script.verdict(reply)
        return await self._without().take(bucket, limit, now, own, own_limit)

    async def give_back(self, bucket: str, limit: Limit, now: int, at: int = 0) -> None:
        if not at:
            await self._local.give_back(bucket, limit, now)
        elif limit:
            key = script.name(bucket)
            # Without an answer the request stays counted: one too few is admitted, never one too many.
            await self._ask(key, script.command("back", at, key, limit))

    async def peek(self, bucket: str, limit: Limit, now: int) -> tuple[tuple[int, int], ...]:
        if not limit:
            return ()
        key = script.name(bucket)
        reply = await self._ask(key, script.command("peek", now if self._own_clock else 0, key, limit))
        if reply is not None:
            return script.pairs(reply)
        return await self._local.peek(bucket, limit, now)

    # ---- asking

    async def _ask(self, key: bytes, command: bytes) -> bytes | None:
        """The script's answer; None when there is none that counts."""
        link = self._only
        if link is None:
            link = None if self._cluster is None else self._cluster.owner(key)
            if link is None:
                return None
        try:
            reply = await link.call(command)
            if type(reply) is bytes:
                return reply
            return await self._ask_again(link, command, reply)
        except Gone:
            return None

    async def _ask_again(self, link: Link, command: bytes, reply: object) -> bytes | None:
        """What to do about a refusal. None of those that are sent again had counted anything."""
        for _ in range(MOST_STEPS):
            if isinstance(reply, bytes):
                return reply
            if not isinstance(reply, ReplyError):
                link.lose("it gives answers that cannot be understood")
                return None
            cluster, kind = self._cluster, reply.kind
            if kind == "NOSCRIPT":
                reply = await link.call(script.whole(command))
            elif cluster is not None and kind in ("MOVED", "ASK"):
                if kind == "MOVED":
                    cluster.refresh()
                named = await cluster.named(reply.text.rpartition(" ")[2])
                if named is None:
                    return None
                link = named
                if kind == "ASK":  # both in one write: it holds for the next command only
                    asking, answer = link.call(encode("ASKING")), link.call(command)
                    await asking
                    reply = await answer
                else:
                    reply = await link.call(command)
            elif cluster is not None and kind == "TRYAGAIN":
                await asyncio.sleep(STEP_PAUSE)
                reply = await link.call(command)
            else:
                link.lose(refusal(reply))
                return None
        return None

    async def _take_apart(self, key: bytes, limit: Limit, moment: int, own: bytes, own_limit: Limit) -> Verdict | None:
        """Two buckets that lie on different servers of a cluster: one after the other, and the first given back when the second has
        no room. In between another caller may be refused for it; nobody is let in who should not be."""
        reply = await self._ask(key, script.command("take", moment, key, limit))
        if reply is None:
            return None
        first = script.verdict(reply)
        if not first.admitted:
            reply = await self._ask(own, script.command("peek", moment, own, own_limit))
            return None if reply is None else Verdict(False, first.left + script.pairs(reply), first.at)
        reply = await self._ask(own, script.command("take", first.at, own, own_limit))
        second = None if reply is None else script.verdict(reply)
        if second is None or not second.admitted:
            await self._ask(key, script.command("back", first.at, key, limit))
        if second is None or second.admitted:
            return second and Verdict(True, first.left + second.left, first.at)
        return Verdict(False, tuple((left + 1, reset) for left, reset in first.left) + second.left, first.at)

    def _without(self) -> Limiter:
        """Who counts instead. Raises LimitsUnavailable."""
        if self.closed:
            raise LimitsUnavailable()
        self.locally += 1
        return self._local

    # ---- whether Valkey is there

    def _probe(self) -> bytes:
        """What the link that the setting names must be able to do. Of a cluster it only tells the map."""
        if self._seed is not None and self._seed.mode == "cluster":
            return encode("PING")
        return script.command("take", 0, script.name("probe"), PROBE)

    def _changed(self) -> None:
        """A link has come or gone."""
        seed = self._seed
        if seed is None:
            return
        if seed.up and seed.mode == "cluster":
            self._only = None
            if self._cluster is None:
                self._cluster = Cluster(seed, self._changed)
                self._joining = asyncio.get_running_loop().create_task(self._cluster.start())
        elif seed.up:
            self._only = seed
        elif self._only is not None:
            self._only = None
        if self._cluster is not None and not self._only:
            self.away = self._cluster.trouble
        else:
            self.away = "" if seed.up else seed.trouble
        if self._started:
            self._tell()

    def _tell(self) -> None:
        """Once when Valkey goes, and once when it is back; by one worker for all."""
        if self.away and not self._told.mine:
            if self._told.take():
                instead = "requests are refused with 503" if self.closed else "requests are counted on this server only"
                logger.warning("limits: Valkey at %s is away (%s): %s", self.address, self.away, instead)
        elif not self.away and self._told.mine:
            self._told.give()
            logger.info("limits: Valkey at %s is back, requests are counted there again", self.address)


def build(address: Address, local: Limiter, closed: bool) -> Valkey:
    """The limiter of a server. A clock that a file moves decides over Valkey's, which knows nothing of it."""
    return Valkey(address, local, closed, own_clock=clock.is_moved())
