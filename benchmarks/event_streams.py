"""What open streams of `GET /v1/events/stream` cost: memory and CPU of one worker, idle and with events, and how long
an event takes to all.

    .venv/bin/python benchmarks/event_streams.py [--streams 1000] [--seconds 15] [--rates 1,10,50] [--database
    postgresql]

An event is a change of a user, made by a client that changes one after the other. The delay is that from the answer of
the change to the arrival at a stream; the client that reads all streams has the other core.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx2

from tests import harness
from tests.harness import Server, new_key, new_user, running

TICK = os.sysconf("SC_CLK_TCK")
OF_USER = 100


def cpu(pid: int) -> float:
    """Seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory(pid: int) -> float:
    """Private and shared pages, in MB."""
    line = next(line for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1024


class Reader(asyncio.Protocol):
    """One stream: counts messages by the number that stands in the name of the user."""

    def __init__(self, key: str, arrived: dict[int, list[float]]) -> None:
        self._key = key
        self._arrived = arrived
        self._rest = b""
        self.began = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        request = f"GET /v1/events/stream HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self._key}\r\n\r\n"
        transport.write(request.encode())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if not self.began.done():
            self.began.set_result(data)
        *messages, self._rest = (self._rest + data).split(b"\n\n")
        now = time.perf_counter()
        for message in messages:
            at = message.find(b'"name":"Number ')
            if at > 0:
                self._arrived.setdefault(int(message[at + 15 : message.index(b'"', at + 15)]), []).append(now)


async def change(server: Server, user: str, rate: float, seconds: float, answered: dict[int, float]) -> None:
    """So many changes a second."""
    async with httpx2.AsyncClient(
        base_url=server.url, headers={"Authorization": f"Bearer {server.key}"}, verify=False
    ) as http:
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0, began + number / rate - time.perf_counter()))
            at = len(answered)
            answer = await http.put(f"/v1/users/{user}", json={"name": f"Number {at}"})
            answered[at] = time.perf_counter()
            answer.raise_for_status()


async def measure(server: Server, pid: int, keys: list[str], user: str, arguments: argparse.Namespace) -> None:
    arrived: dict[int, list[float]] = {}
    before = memory(pid)
    began, spent = time.perf_counter(), cpu(pid)
    loop = asyncio.get_running_loop()
    readers: list[Reader] = []
    for number in range(arguments.streams):
        _, reader = await loop.create_connection(
            lambda key=keys[number // OF_USER]: Reader(key, arrived), "127.0.0.1", server.port
        )
        readers.append(reader)
    heads = await asyncio.gather(*(reader.began for reader in readers))
    assert all(head.startswith(b"HTTP/1.1 200") for head in heads), heads[0]
    print(
        f"opened {len(readers)} in {time.perf_counter() - began:.1f} s, "
        f"{(cpu(pid) - spent) / len(readers) * 1e6:.0f} µs of CPU each"
    )
    await asyncio.sleep(2)
    print(
        f"memory: {before:.1f} MB before, {memory(pid):.1f} MB with them: "
        f"{(memory(pid) - before) / len(readers) * 1024:.1f} KB each"
    )
    began, spent = time.perf_counter(), cpu(pid)
    await asyncio.sleep(arguments.seconds)
    print(f"idle: {(cpu(pid) - spent) / (time.perf_counter() - began) * 100:.1f} % of a core")
    for rate in map(float, arguments.rates.split(",")):
        answered: dict[int, float] = {}
        arrived.clear()
        began, spent = time.perf_counter(), cpu(pid)
        await change(server, user, rate, arguments.seconds, answered)
        until = time.perf_counter() + 30
        while sum(map(len, arrived.values())) < len(answered) * len(readers) and time.perf_counter() < until:  # noqa: ASYNC110 - each arrival would set it
            await asyncio.sleep(0.01)
        took, spent = time.perf_counter() - began, cpu(pid) - spent
        delays = sorted(at - answered[number] for number, times in arrived.items() for at in times)
        p99 = delays[int(len(delays) * 0.99)] * 1000
        print(
            f"{rate:g} events/s: {len(delays)} of {len(answered) * len(readers)} arrived, "
            f"{spent / took * 100:.0f} % of a core, "
            f"{spent / len(delays) * 1e6:.1f} µs each, delay p50 {statistics.median(delays) * 1000:.1f} ms, p99 "
            f"{p99:.1f} ms, {memory(pid):.1f} MB"
        )
    for reader in readers:
        reader.transport.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rates", default="1,10,50")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    arguments = parser.parse_args()
    harness.engine = arguments.database
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "data", "--rate-limit", "none", "--no-access-log") as server,
        server.http() as http,
    ):
        people = [new_user(http, role="viewer") for _ in range(-(-arguments.streams // OF_USER))]
        keys = [new_key(http, user_id=person["id"]) for person in people]
        assert server.process is not None
        asyncio.run(measure(server, server.process.pid, keys, new_user(http)["id"], arguments))


if __name__ == "__main__":
    main()
