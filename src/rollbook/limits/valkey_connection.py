"""A self-reconnecting connection to one Valkey server that sends all commands of an event-loop turn in a single write,
in RESP2, the protocol that every Valkey and Redis speaks (https://valkey.io/topics/protocol/), and the command that
counts a request inside Valkey: the arithmetic of `windows` as one Lua script, `bucket.lua`.

A command is sent once. When the connection breaks or no reply comes in time, its fate is unknown, so it is never sent
again.

A bucket is one string: for each of its cells SECONDS and USED as 32-bit numbers, ENDS as a double (exact to the
microsecond until the year 2255). It vanishes by itself once its last window is over. A script runs alone
(https://valkey.io/topics/eval-intro/): what it looks at and what it counts is one step, over both buckets of a call.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import deque
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path
from typing import Any, NamedTuple

from rollbook.client_tls import how_to_fix
from rollbook.limits.valkey_address import Address
from rollbook.limits.windows import Verdict
from rollbook.quota import NO_LIMIT, Limit, Window

SCRIPT = Path(__file__).with_name("bucket.lua").read_bytes()

# Buckets of wrong passwords: of an account, and of the address that somebody tries from.
PASSWORDS = ("attempts:", "sign-in:")

DIGEST = sha1(SCRIPT).hexdigest().encode()

_BY_DIGEST = b"$7\r\nEVALSHA\r\n$40\r\n%b\r\n" % DIGEST
_WHOLE = b"$4\r\nEVAL\r\n$%d\r\n%b\r\n" % (len(SCRIPT), SCRIPT)
_tails: dict[tuple[str, Limit, Limit], tuple[bytes, bytes]] = {}


def name(bucket: str) -> bytes:
    """The key of a bucket. In a cluster the text in braces decides where it is kept, so that one script reaches both
    buckets of a call: those of a user's API keys (`user_…:key_…`) with the user's own, and everything about wrong
    passwords in one place."""
    if bucket.startswith("user_"):
        user, colon, rest = bucket.partition(":")
        return f"rollbook:{{{user}}}{colon}{rest}".encode()
    if bucket.startswith(PASSWORDS):
        return f"rollbook:{{passwords}}{bucket}".encode()
    return f"rollbook:{{{bucket}}}".encode()


def script_command(
    verb: str, now: int, key: bytes, limit: Limit, own: bytes | None = None, own_limit: Limit = NO_LIMIT
) -> bytes:
    """Call the script, by its digest. `verb` is take, peek, back, or how many requests to take at once; `now` in
    microseconds, or 0 for Valkey's own clock."""
    tails = _tails.get((verb, limit, own_limit)) or _tail(verb, limit, own_limit)
    moment = b"%d" % now
    if own is None:
        return tails[0] % (len(key), key, len(moment), moment)
    return tails[1] % (len(key), key, len(own), own, len(moment), moment)


def whole(command: bytes) -> bytes:
    """The call with the script itself instead of its digest, for a Valkey that does not know it."""
    return command.replace(_BY_DIGEST, _WHOLE, 1)


def _tail(verb: str, limit: Limit, own_limit: Limit) -> tuple[bytes, bytes]:
    """The command with one key or two, but for what differs from call to call. Kept: a server has few limits."""

    def template(keys: int, *limits: Limit) -> bytes:
        arguments = words(verb, 0, *limits)[1:]  # without the moment
        head = b"*%d\r\n%b$1\r\n%d\r\n" % (len(arguments) + keys + 4, _BY_DIGEST, keys)
        tail = "".join(f"${len(word)}\r\n{word}\r\n" for word in arguments).encode()
        return head + b"$%d\r\n%b\r\n" * (keys + 1) + tail

    if len(_tails) >= 10_000:
        _tails.clear()
    tails = _tails[verb, limit, own_limit] = (template(1, limit), template(2, limit, own_limit))
    return tails


def words(verb: str, now: int, limit: Limit, own_limit: Limit = NO_LIMIT) -> list[str]:
    """The arguments of the script, for one bucket or two."""
    texts = [str(now), verb]
    for windows in (limit, own_limit) if own_limit else (limit,):
        texts += [str(len(windows)), *(str(number) for window in windows for number in window)]
    return texts


# A take that must succeed before a connection is ready, and while it is idle.
PROBE_LIMIT = Limit([Window(1_000_000_000, 1)])
PROBE = script_command("take", 0, name("probe"), PROBE_LIMIT)


def verdict(reply: bytes) -> Verdict:
    """Verdict in the script's answer to a take."""
    numbers = [*map(int, reply.split())]
    if len(numbers) == 6:
        admitted, at, left, reset, more_left, more_reset = numbers
        return Verdict(admitted == 1, ((left, reset), (more_left, more_reset)), at)
    return Verdict(numbers[0] == 1, pairs(reply), numbers[1])


def pairs(reply: bytes) -> tuple[tuple[int, int], ...]:
    """Windows of a reply: for each, how many requests are left, and the seconds to its reset."""
    numbers = [*map(int, reply.split())]
    return tuple(zip(numbers[2::2], numbers[3::2], strict=True))


class ReplyError(NamedTuple):
    """Valkey's refusal. Its first word says what kind, such as NOSCRIPT."""

    text: str

    @property
    def kind(self) -> str:
        return self.text.partition(" ")[0]


Reply = bytes | int | None | ReplyError | list[Any]

_STATUS, _ERROR, _NUMBER, _BULK = b"+-:$"


def encode(*words: str | bytes | int) -> bytes:
    """A command as bytes."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        text = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(text), text))
    return b"".join(parts)


class Reader:
    """Parses replies out of the bytes that arrive, in whatever pieces."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are complete now."""
        if self._rest:
            data = self._rest + data
        replies: list[Reply] = []
        at = 0
        while True:
            end = data.find(b"\r\n", at)
            if end < 0:
                break
            if data[at] == _STATUS:  # nearly all of them
                replies.append(data[at + 1 : end])
                at = end + 2
                continue
            parsed = _value(data, at)
            if parsed is None:
                break
            reply, at = parsed
            replies.append(reply)
        self._rest = data[at:]
        return replies


def _value(data: bytes, at: int) -> tuple[Reply, int] | None:
    """The value at this place and where the next one starts; None while it is incomplete. Raises ValueError when it is
    not RESP."""
    end = data.find(b"\r\n", at)
    if end < 0:
        return None
    kind, line, at = data[at], data[at + 1 : end], end + 2
    if kind == _STATUS:
        return line, at
    if kind == _ERROR:
        return ReplyError(line.decode(errors="replace")), at
    number = int(line)
    if kind == _NUMBER:
        return number, at
    if number < 0:
        return None, at
    if kind == _BULK:
        after = at + number + 2
        return None if len(data) < after else (data[at : after - 2], after)
    values = []
    for _ in range(number):
        parsed = _value(data, at)
        if parsed is None:
            return None
        values.append(parsed[0])
        at = parsed[1]
    return values, at


# When the time for a reply is over, an event loop that was held up itself reads once more what has arrived.
GRACE = 0.02
# Seconds between two attempts to connect: the pause doubles and is drawn from its upper half, so that servers do not
# come all at once.
MIN_PAUSE, MAX_PAUSE = 0.1, 1.0
# Seconds between two checks of an idle connection.
HEARTBEAT = 1.0

STRANGER = "what answers there is no Valkey"
OWN_AUTHORITY = (
    "If it has a certificate authority of its own, the address must name the file with that authority's certificate: "
    "?sslrootcert=FILE"
)


class ValkeyTimeouts(NamedTuple):
    """Seconds that a reply may take, and a connection until it is ready."""

    reply: float = 0.5
    connect: float = 1.0


class Unavailable(Exception):
    """Valkey gave no reply that counts. The message says why."""


class ValkeyConnection:
    """`trouble` says why `run` would raise Unavailable; it is empty when it works."""

    def __init__(self, address: Address, changed: Callable[[], None], timeouts: ValkeyTimeouts) -> None:
        """`changed` is called when `trouble` has changed."""
        self.trouble = "not connected yet"
        self._address = address
        self._changed = changed
        self._timeouts = timeouts
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
        self._ready = asyncio.Event()

    def start(self) -> None:
        self._task = self._loop.create_task(self._keep())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._disconnect("stopped")

    async def wait_ready(self) -> None:
        """Returns when the first attempt to connect has succeeded or failed."""
        await self._ready.wait()

    async def run(
        self, verb: str, now: int, key: bytes, limit: Limit, own: bytes | None = None, own_limit: Limit = NO_LIMIT
    ) -> bytes:
        """Run the script and return its reply. Raises Unavailable."""
        if self.trouble:
            raise Unavailable(self.trouble)
        command = script_command(verb, now, key, limit, own, own_limit)
        reply = await self._call(command)
        if type(reply) is ReplyError and reply.kind == "NOSCRIPT":  # nothing was counted
            reply = await self._call(whole(command))
        if type(reply) is bytes:
            return reply
        self._disconnect(refusal(reply) if isinstance(reply, ReplyError) else STRANGER)
        raise Unavailable(self.trouble)

    async def info(self) -> dict[str, str]:
        """Facts that the server tells about itself; empty where the user may not ask. Raises Unavailable."""
        if self.trouble:
            raise Unavailable(self.trouble)
        said: dict[str, str] = {}
        for section in ("server", "memory"):
            reply = await self._call(encode("INFO", section))
            if isinstance(reply, bytes):
                said |= dict(line.split(":", 1) for line in reply.decode(errors="replace").splitlines() if ":" in line)
        return said

    # ---- sending and receiving

    def _call(self, command: bytes) -> asyncio.Future[Reply]:
        """Send it with all others of this turn. The future has the reply, which may be a ReplyError; or it raises
        Unavailable."""
        future = self._loop.create_future()
        self._waiting.append(future)
        if not self._buffer:
            self._loop.call_soon(self._flush)
        self._buffer.append(command)
        return future

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
            self._timer = self._loop.call_later(self._timeouts.reply, self._check_overdue)
        self._stream.transport.write(buffer[0] if len(buffer) == 1 else b"".join(buffer))

    def _check_overdue(self) -> None:
        """One timer for all commands: it looks at the oldest write without a reply."""
        self._timer = None
        writes = self._writes
        while writes and writes[0][1] <= self._answered:
            writes.popleft()
            self._overdue = False
        if not writes:
            return
        left = writes[0][0] + self._timeouts.reply - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_overdue)
        elif not self._overdue:
            self._overdue = True
            self._timer = self._loop.call_later(GRACE, self._check_overdue)
        else:
            self._disconnect(f"no answer within {self._timeouts.reply * 1000:.0f} ms")

    def _receive(self, replies: list[Reply]) -> None:
        """Hand each reply to its caller: replies come in the order of the commands."""
        waiting = self._waiting
        if len(replies) > len(waiting):
            return self._disconnect(STRANGER)
        self._answered += len(replies)
        for reply in replies:
            future = waiting.popleft()
            if not future.done():
                future.set_result(reply)

    # ---- connecting and staying connected

    async def _keep(self) -> None:
        pause = MIN_PAUSE
        while True:
            try:
                async with asyncio.timeout(self._timeouts.connect):
                    await self._connect()
            except TimeoutError:
                self._disconnect(f"no connection within {self._timeouts.connect:.0f} s")
            except ssl.SSLCertVerificationError as problem:
                said = f"TLS: its certificate is not to be trusted ({problem.verify_message})"
                self._disconnect(f"{said}. {how_to_fix(problem, OWN_AUTHORITY)}".rstrip("."))
            except ssl.SSLError as problem:
                self._disconnect(f"TLS: {problem.reason or problem}")
            except OSError as problem:
                self._disconnect(problem.strerror or str(problem))
            except Unavailable as problem:
                self._disconnect(str(problem))
            else:
                pause = MIN_PAUSE
                self.trouble = ""
                self._changed()
            self._ready.set()
            if not self.trouble:
                await self._heartbeat()
            await asyncio.sleep(random.uniform(pause / 2, pause))
            pause = min(pause * 2, MAX_PAUSE)

    async def _connect(self) -> None:
        self._sent = self._answered = 0
        self._overdue = False
        self._lost = self._loop.create_future()
        address = self._address
        host, port = address.hosts[0]
        _, self._stream = await self._loop.create_connection(lambda: _Stream(self), host, port, ssl=address.tls)
        hello: list[str | bytes] = ["HELLO", "2"]
        if address.password:
            hello += ["AUTH", address.user or "default", address.password]
        said = await self._ask(encode(*hello, "SETNAME", "rollbook"))
        facts = dict(zip(said[::2], said[1::2], strict=False)) if isinstance(said, list) else {}
        if facts.get(b"mode") == b"sentinel":
            raise Unavailable(
                "this is a Sentinel, which keeps no counts: write valkey+sentinel://host:26379/name-of-the-primary"
            )
        if facts.get(b"mode") == b"cluster":
            raise Unavailable("this is one server of a cluster: write valkey+cluster://host:6379,host:6379")
        if address.database:
            await self._ask(encode("SELECT", address.database))
        await self._ask(encode("SCRIPT", "LOAD", SCRIPT))
        await self._ask(PROBE)

    async def _ask(self, command: bytes) -> Reply:
        reply = await self._call(command)
        if isinstance(reply, ReplyError):
            raise Unavailable(refusal(reply))
        return reply

    async def _heartbeat(self) -> None:
        """Check the connection while it is idle. Returns when it is lost."""
        while not self.trouble:
            await asyncio.wait([self._lost], timeout=HEARTBEAT)
            if not self.trouble:
                try:
                    await self._ask(PROBE)
                except Unavailable as problem:
                    self._disconnect(str(problem))

    def _disconnect(self, trouble: str) -> None:
        self.trouble = trouble
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
                future.set_exception(Unavailable(trouble))
        if not self._lost.done():
            self._lost.set_result(None)
        self._changed()


class _Stream(asyncio.Protocol):
    """One TCP connection. Data that arrives after it was given up is discarded."""

    def __init__(self, connection: ValkeyConnection) -> None:
        self._connection: ValkeyConnection | None = connection
        self._reader = Reader()
        self.transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self._connection is not None:
            try:
                replies = self._reader.feed(data)
            except (ValueError, IndexError):
                self._connection._disconnect(STRANGER)
            else:
                self._connection._receive(replies)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._connection._disconnect("the connection was closed")

    def drop(self) -> None:
        self._connection = None
        self.transport.abort()


def refusal(error: ReplyError) -> str:
    """Meaning of Valkey's refusal, and how to fix it. Never shows a password."""
    match error.kind:
        case "WRONGPASS":
            return "the user or the password is wrong"
        case "NOAUTH":
            return (
                "it asks for a password: write it into the address, valkey://user:password@host or "
                "valkey://:password@host"
            )
        case "NOPERM":
            return f"the user may not do all that counting needs (docs/operations.md lists it): {error.text}"
        case "READONLY":
            return "this is a replica, where nothing can be counted: name the primary"
        case "OOM":
            return "its memory is full (maxmemory): give it more, or set maxmemory-policy to volatile-ttl"
        case _ if "unknown command" in error.text.lower() and "hello" in error.text.lower():
            return "it is older than Redis 6: use Valkey, or Redis from 6.0 on"
    return error.text
