"""One connection to one Valkey server: it comes up by itself, again and again, and sends what one turn of the event loop asks in one write.

A command is sent once. What became of it when the connection broke, or no answer came in time, is not known, so it is never sent again.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from rollbook.limits import valkey_script as script
from rollbook.limits.valkey_address import Address
from rollbook.limits.valkey_wire import Reader, Reply, ReplyError, encode

# Seconds that an answer may take, and a connection until it can be used.
TIMEOUT, CONNECT_TIMEOUT = 0.5, 1.0
# When the time is over, a loop that was held up itself reads once more what has arrived.
GRACE = 0.02
# Seconds between two tries to connect: the pause doubles and is drawn from its upper half, so that nodes do not come all at once.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
# An idle connection is asked so often whether it still counts.
BEAT = 1.0


STRANGER = "what answers there is no Valkey"


class Gone(Exception):
    """Valkey gave no answer that counts. The message says why."""


class Link:
    """`up` says whether `call` may be used, `trouble` why not."""

    def __init__(self, address: Address, probe: Callable[[], bytes], changed: Callable[[], None]) -> None:
        """`probe` makes a command that must succeed before the connection is up, and every second after; `changed` is called when
        `up` or `trouble` has changed."""
        self.address = address
        self.up = False
        self.trouble = "not connected yet"
        self.mode = "standalone"
        self._probe = probe
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._stream: _Stream | None = None
        self._waiting: deque[asyncio.Future[Reply]] = deque()
        self._buffer: list[bytes] = []
        self._sent = self._answered = 0
        # For each write: when, and how many commands had been sent with it.
        self._writes: deque[tuple[float, int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._overdue = False
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._task: asyncio.Task[None] | None = None
        self._settled: list[asyncio.Future[None]] = []

    def start(self) -> None:
        self._task = self._loop.create_task(self._keep())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.lose("stopped")

    async def settled(self, seconds: float) -> None:
        """Returns when the connection is up, when a try has failed, or when the time is over. Needs no task."""
        if self.up:
            return
        future = self._loop.create_future()
        self._settled.append(future)
        timer = self._loop.call_later(seconds, _wake, future)
        await future
        timer.cancel()

    def call(self, command: bytes) -> asyncio.Future[Reply]:
        """Send it with all others of this turn. The future has the reply, which may be a ReplyError; or it raises Gone."""
        future = self._loop.create_future()
        self._waiting.append(future)
        if not self._buffer:
            self._loop.call_soon(self._flush)
        self._buffer.append(command)
        return future

    def lose(self, trouble: str) -> None:
        """Give the connection up: nobody gets an answer from it any more."""
        self.up, self.trouble = False, trouble
        if self._stream is not None:
            self._stream.drop()
            self._stream = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, deque()
        self._buffer = []
        self._writes.clear()
        for future in waiting:
            if not future.done():
                future.set_exception(Gone(trouble))
        if not self._lost.done():
            self._lost.set_result(None)
        self._changed()

    def receive(self, replies: list[Reply]) -> None:
        """Each reply to the one who waits for it: they come in the order of the commands."""
        waiting = self._waiting
        if len(replies) > len(waiting):
            return self.lose(STRANGER)
        self._answered += len(replies)
        for reply in replies:
            future = waiting.popleft()
            if not future.done():
                future.set_result(reply)

    # ---- sending, and how long an answer may take

    def _flush(self) -> None:
        buffer, self._buffer = self._buffer, []
        if not buffer or self._stream is None:
            return
        self._sent += len(buffer)
        writes = self._writes
        while writes and writes[0][1] <= self._answered:
            writes.popleft()
        writes.append((self._loop.time(), self._sent))
        if self._timer is None:
            self._timer = self._loop.call_later(TIMEOUT, self._look)
        self._stream.transport.write(buffer[0] if len(buffer) == 1 else b"".join(buffer))

    def _look(self) -> None:
        """One timer for all: it sees to the oldest write that has no answer."""
        self._timer = None
        writes = self._writes
        while writes and writes[0][1] <= self._answered:
            writes.popleft()
            self._overdue = False
        if not writes:
            return
        left = writes[0][0] + TIMEOUT - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        elif not self._overdue:
            self._overdue = True
            self._timer = self._loop.call_later(GRACE, self._look)
        else:
            self.lose(f"no answer within {TIMEOUT * 1000:.0f} ms")

    # ---- coming up and staying so

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    await self._connect()
            except TimeoutError:
                self.lose(f"no connection within {CONNECT_TIMEOUT:.0f} s")
            except ssl.SSLError as problem:
                self.lose(f"TLS: {problem.reason or problem}")
            except OSError as problem:
                self.lose(problem.strerror or str(problem))
            except Gone as problem:
                self.lose(str(problem))
            else:
                pause = FIRST_PAUSE
                self.up, self.trouble = True, ""
                self._changed()
            self._settle()
            if self.up:
                await self._beat()
            await asyncio.sleep(random.uniform(pause / 2, pause))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _connect(self) -> None:
        self._sent = self._answered = 0
        self._overdue = False
        self._lost = self._loop.create_future()
        address = self.address
        _, self._stream = await self._loop.create_connection(lambda: _Stream(self), address.host, address.port, ssl=address.tls)
        hello: list[str | bytes] = ["HELLO", "2"]
        if address.password:
            hello += ["AUTH", address.user or "default", address.password]
        said = await self._ask(encode(*hello, "SETNAME", "rollbook"))
        facts = dict(zip(said[::2], said[1::2], strict=False)) if isinstance(said, list) else {}
        self.mode = facts.get(b"mode", b"").decode()
        if self.mode == "sentinel":
            raise Gone("this is a Sentinel, which keeps no counts: name the server it watches over")
        if address.database:
            await self._ask(encode("SELECT", address.database))
        await self._ask(encode("SCRIPT", "LOAD", script.SCRIPT))
        await self._ask(self._probe())

    async def _ask(self, command: bytes) -> Reply:
        reply = await self.call(command)
        if isinstance(reply, ReplyError):
            raise Gone(refusal(reply))
        return reply

    async def _beat(self) -> None:
        """Returns when the connection is lost, and finds out when nobody else does."""
        while self.up:
            await asyncio.wait([self._lost], timeout=BEAT)
            if self.up:
                try:
                    await self._ask(self._probe())
                except Gone as problem:
                    self.lose(str(problem))

    def _settle(self) -> None:
        settled, self._settled = self._settled, []
        for future in settled:
            _wake(future)


class _Stream(asyncio.Protocol):
    """One connection's life. What comes after it was given up reaches nobody."""

    def __init__(self, link: Link) -> None:
        self._link: Link | None = link
        self._reader = Reader()
        self.transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self._link is not None:
            try:
                replies = self._reader.feed(data)
            except (ValueError, IndexError):
                self._link.lose(STRANGER)
            else:
                self._link.receive(replies)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._link is not None:
            self._link.lose("the connection was closed")

    def drop(self) -> None:
        self._link = None
        self.transport.abort()


def refusal(error: ReplyError) -> str:
    """What Valkey's refusal means, with how to mend it. Shows no password."""
    match error.kind:
        case "WRONGPASS":
            return "the user or the password is wrong"
        case "NOAUTH":
            return "it asks for a password: write it into the address, valkey://user:password@host or valkey://:password@host"
        case "NOPERM":
            return f"the user may not do all that counting needs (docs/operations.md lists it): {error.text}"
        case "READONLY":
            return "this is a replica, where nothing can be counted: name the primary"
        case "OOM":
            return "its memory is full (maxmemory): give it more, or set maxmemory-policy to volatile-ttl"
        case _ if "unknown command" in error.text.lower() and "hello" in error.text.lower():
            return "it is older than Redis 6: use Valkey, or Redis from 6.0 on"
    return error.text


def _wake(future: asyncio.Future[None]) -> None:
    with suppress(asyncio.InvalidStateError):
        future.set_result(None)
