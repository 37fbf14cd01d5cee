"""What it costs to count a request, on each of the three stores: microseconds of CPU a take, alone and with 32 callers
at once.

    .venv/bin/python benchmarks/limiter.py [--takes 100000]

Takes of two windows, for 1,000 users in turn; then of a key with a limit of its own, which counts in two buckets.
Callers are driven as the server drives handlers, without a task. For Valkey a server of its own is started on a free
port of this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rollbook import clock
from rollbook.http.driver import Driver
from rollbook.limits import valkey_address
from rollbook.limits.table import Table
from rollbook.limits.valkey import Valkey
from rollbook.limits.windows import Limiter
from rollbook.quota import Limit
from tests.valkey import ValkeyServer, running_valkey

LIMIT, OWN = Limit.parse("1000000/minute,5000000/hour"), Limit.parse("1000000/minute")
USERS = [f"user_{number:026d}" for number in range(1_000)]
ROUNDS = 3


class Cost(NamedTuple):
    """Microseconds of a take."""

    client: float
    server: float
    wall: float


async def measure(limiter: Limiter, callers: int, takes: int, own: bool, server_cpu: Callable[[], float]) -> Cost:
    loop = asyncio.get_running_loop()
    each = takes // callers

    async def caller(first: int) -> None:
        for number in range(first, first + each):
            user = USERS[number % 1_000]
            if own:
                await limiter.take(user, LIMIT, clock.now(), f"{user}:key", OWN)
            else:
                await limiter.take(user, LIMIT, clock.now())

    ended = loop.create_future()
    running = callers

    def done(_: object, error: BaseException | None) -> None:
        nonlocal running
        running -= 1
        if error is not None:
            ended.set_exception(error)
        elif running == 0 and not ended.done():
            ended.set_result(None)

    cpu, theirs, wall = time.process_time(), server_cpu(), time.perf_counter()
    for number in range(callers):
        coroutine = caller(number * each)
        try:
            future = coroutine.send(None)
        except StopIteration:
            done(None, None)
        else:
            Driver(coroutine, future, done, loop)
    await ended
    spent = time.process_time() - cpu, server_cpu() - theirs, time.perf_counter() - wall
    return Cost(*(seconds / (each * callers) * 1e6 for seconds in spent))


def cpu_of(server: ValkeyServer) -> float:
    """Seconds of CPU, in the 10 ms steps of proc(5)."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main(takes: int) -> None:
    print(f"{'store':<18}{'windows':<22}{'callers':>8}{'client µs':>12}{'server µs':>12}{'takes/s':>10}")
    with tempfile.TemporaryDirectory() as folder, running_valkey(Path(folder)) as server:
        valkey = Valkey(valkey_address.parse(server.url), Table.create(workers=1))
        await valkey.start()
        stores: list[tuple[str, Limiter, Callable[[], float]]] = [
            ("table, one worker", Table.create(workers=1), lambda: 0.0),
            ("table, several", Table.create(workers=4), lambda: 0.0),
            ("valkey", valkey, lambda: cpu_of(server)),
        ]
        for name, limiter, server_cpu in stores:
            for own in (False, True):
                for callers in (1, 32):
                    costs = [await measure(limiter, callers, takes, own, server_cpu) for _ in range(ROUNDS)]
                    best = min(costs, key=lambda cost: cost.client)
                    windows = "two and the key's own" if own else "two"
                    print(
                        f"{name:<18}{windows:<22}{callers:>8}{best.client:>12.2f}{best.server:>12.2f}{1e6 / best.wall:>10,.0f}"
                    )
        await valkey.stop()
        if valkey.locally:
            sys.exit(
                "Valkey did not answer in time and some takes were counted here: this machine is too busy to "
                "measure on."
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--takes", type=int, default=100_000)
    asyncio.run(main(parser.parse_args().takes))
