"""What it costs to send an event, without the queue before it: microseconds of CPU of a delivery, by HTTP and by TLS.

    .venv/bin/python benchmarks/deliveries.py [--deliveries 20000]

A receiver in a process of its own answers at once. The columns are the deliveries at a time; each figure is the best of
three rounds. `new connections` is what a receiver costs that closes each connection. Signing and writing the event are
included.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import ssl
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rollbook.delivery import payload, signing
from rollbook.delivery.sender import Sender
from rollbook.records import events
from tests.delivery.receiver import Authority, loopback

ROUNDS = 3
AT_A_TIME = (1, 32)
KEPT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CLOSED = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Kind(NamedTuple):
    """A way of sending: how many of the deliveries are made this way, and how the receiver answers."""

    name: str
    share: float
    secure: bool
    answer: bytes


KINDS = (
    Kind("HTTP", 1, False, KEPT),
    Kind("TLS", 1, True, KEPT),
    Kind("HTTP, new connections", 0.2, False, CLOSED),
    Kind("TLS, new connections", 0.02, True, CLOSED),
)


class Receiving(asyncio.Protocol):
    """Answers as soon as a request has come."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._closes = b"close" in answer
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if found and len(body) == int(head.rpartition(b"Content-Length: ")[2]):
            self._buffer = b""
            self._transport.write(self._answer)
            if self._closes:
                self._transport.close()


def receive(answer: bytes, certificate: Path | None, ready: Connection) -> None:
    """A receiver, until it is terminated. Sends the port."""

    async def main() -> None:
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        server = await asyncio.get_running_loop().create_server(
            lambda: Receiving(answer), "127.0.0.1", 0, ssl=context, backlog=1024
        )
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


async def deliver(sender: Sender, number: int, at_a_time: int) -> None:
    event = events.example("user.updated", "evt_065n1ijrg1t7ne57u1m417e15k", 1_700_000_000_000_000)
    keys = [signing.key(signing.new_secret())]
    left = iter(range(number))

    async def some() -> None:
        for _ in left:
            content_type, body = payload.body(event, "standard", "full", "https://users.example.com")
            head = [("Content-Type", content_type), *signing.headers(event.id, int(time.time()), body, keys)]
            sent = await sender.post(head, body)
            if sent.outcome != "delivered":
                raise SystemExit(sent)

    await asyncio.gather(*[some() for _ in range(at_a_time)])


async def measure(sender: Callable[[], Sender], number: int, at_a_time: int) -> tuple[float, float]:
    """Microseconds of CPU and of time for a delivery."""
    costs = []
    for _ in range(ROUNDS):
        sending = sender()
        await deliver(sending, at_a_time, at_a_time)
        cpu, wall = time.process_time(), time.perf_counter()
        await deliver(sending, number, at_a_time)
        costs.append(((time.process_time() - cpu) / number * 1e6, (time.perf_counter() - wall) / number * 1e6))
        await sending.close()
    return min(costs)


def main(deliveries: int) -> None:
    print(f"{'':<24}{'at a time':>10}{'µs of CPU':>11}{'deliveries/s of a core':>24}")
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        authority.server("127.0.0.1")
        for kind in KINDS:
            near, far = multiprocessing.Pipe()
            certificate = Path(folder) / "server.pem" if kind.secure else None
            receiver = multiprocessing.Process(target=receive, args=(kind.answer, certificate, far), daemon=True)
            receiver.start()
            url = f"{'https' if kind.secure else 'http'}://127.0.0.1:{near.recv()}/hook"
            trusted = authority.trusted()
            for at_a_time in AT_A_TIME:
                number = int(deliveries * kind.share)
                cpu, _ = asyncio.run(measure(lambda: Sender(url, loopback(), tls=trusted), number, at_a_time))  # noqa: B023
                print(f"{kind.name:<24}{at_a_time:>10}{cpu:>11.1f}{1e6 / cpu:>24,.0f}", flush=True)
            receiver.terminate()
            receiver.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=20_000)
    main(parser.parse_args().deliveries)
