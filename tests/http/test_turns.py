"""Sockets in turns: what clients see is what they would see over asyncio's transports, and over TLS."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from echo import Echo

from rollbook.config import Settings
from rollbook.http.connection import Connection
from rollbook.http.server import Acceptor, bind
from rollbook.http.worker import Worker
from tests.certificates import certified

MESSAGES = (
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /?again HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /slow?s=0.01 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /big?bytes=100 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /big?bytes=400000 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /stream?bytes=70000&count=5 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n" + b"x" * 30_000,
    b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000,
    b"POST /upload?parts=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
)
ENDS = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /big?bytes=900000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 100_000,
    b"GET / HTTP/1.1\r\n\r\n",
)
OWN = re.compile(
    rb'req_[0-9a-v]{24}|Date: [^\r]*|"secure":\w+|Content-Length: \d+|Strict-Transport-Security: [^\r]*\r\n'
)


class OverAsyncio:
    """A connection for a transport of asyncio."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def connection_made(self, transport: Any) -> None:
        transport.is_secure, transport.is_open = False, True
        self._connection.connection_made(transport)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class AsyncioAcceptor(Acceptor):
    def _open(self, connection: socket.socket, receiver: Connection) -> None:
        loop = asyncio.get_running_loop()
        self.task = loop.create_task(loop.connect_accepted_socket(lambda: OverAsyncio(receiver), connection))  # type: ignore[arg-type,return-value]


@asynccontextmanager
async def serving(
    kind: Callable[[Worker, socket.socket], Acceptor] = Acceptor, **settings: Any
) -> AsyncIterator[tuple[Worker, int]]:
    made = Settings(**settings)
    worker = Worker(made, Echo(made, 0), asyncio.get_running_loop())
    listener = bind("127.0.0.1", 0)[0]
    port = listener.getsockname()[1]
    acceptor = kind(worker, listener)
    try:
        yield worker, port
        for _ in range(500):
            if not worker.connections and not worker.running:
                break
            await asyncio.sleep(0.01)
        assert not worker.connections and not worker.running and not worker.budget.held
    finally:
        acceptor.stop()
        worker.close()


async def talk(port: int, seed: int, tls: ssl.SSLContext | None) -> bytes:
    """A conversation in random pieces, with many requests at once: all that the server says."""
    chance = random.Random(seed)
    text = b"".join(chance.choices(MESSAGES, k=chance.randrange(6))) + chance.choice(ENDS)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=tls, server_hostname="localhost" if tls else None
    )
    said = asyncio.ensure_future(reader.read())
    try:
        at = 0
        while at < len(text):
            size = chance.choice((1, 7, 100, 5_000, 70_000))
            writer.write(text[at : at + size])
            at += size
            if chance.random() < 0.2:
                await asyncio.sleep(chance.random() / 200)
        if chance.random() < 0.5 and tls is None:
            writer.write_eof()
        return OWN.sub(b"", await said)
    finally:
        writer.close()


def test_answers_are_those_over_asyncios_transports_and_over_tls(tmp_path: Path) -> None:
    asyncio.run(_talk_over_each(tmp_path))


async def _talk_over_each(tmp_path: Path) -> None:
    files = certified(tmp_path / "tls", "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(files.authority)
    seen = []
    for kind, tls, settings in (
        (AsyncioAcceptor, None, {}),
        (Acceptor, None, {}),
        (Acceptor, context, {"tls_cert": str(files.certificate), "tls_key": str(files.key)}),
    ):
        async with serving(kind, **settings) as (_, port):
            seen.append(await asyncio.gather(*(talk(port, seed, tls) for seed in range(60))))
    assert all(b"HTTP/1.1 " in text for text in seen[0])
    assert seen[1] == seen[0]
    assert seen[2] == seen[0]


def test_clients_that_reset_leave_nothing_behind() -> None:
    asyncio.run(_reset())


async def _reset() -> None:
    async with serving() as (worker, port):
        chance = random.Random(5)
        for _ in range(40):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"".join(chance.choices(MESSAGES, k=3))[: chance.randrange(1, 9_000)])
            await asyncio.sleep(chance.random() / 100)
            client = writer.get_extra_info("socket")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        assert len(worker.connections) <= 40


def test_one_connection_that_fails_ends_no_other_of_its_turn() -> None:
    asyncio.run(_fail_one())


async def _fail_one() -> None:
    async with serving() as (worker, port):
        clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for _, writer in clients:  # answered, so that the server knows them
            writer.write(MESSAGES[0])
        for reader, _ in clients:
            await reader.read(65_536)

        def fail(data: bytes) -> None:
            raise RuntimeError("broken")

        next(iter(worker.connections)).data_received = fail  # type: ignore[method-assign]
        for _, writer in clients:
            writer.write(MESSAGES[0])
        heads = [await reader.read(12) for reader, _ in clients]
        assert sorted(heads) == [b"", b"HTTP/1.1 200", b"HTTP/1.1 200"]
        for _, writer in clients:
            writer.close()
