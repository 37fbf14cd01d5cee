"""How long a rule that is for everyone takes, and reads beside it; writes RULES.md and rules.json.

    .venv/bin/python benchmarks/rules.py                                        a million users, on both engines
    .venv/bin/python benchmarks/rules.py --users 300000 --engine postgresql     instead
    .venv/bin/python benchmarks/rules.py --users 0                              only the page, from what is kept

The rule has one step, which merges a key into the metadata of everyone, with an event for each. One caller reads users by
ID at a fixed rate, whether or not answers come: a read's time counts from when it was due, so that none is left out that
had to wait for another. First alone, then for as long as the rule runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import machine
import record
from cluster import Database
from growth import ENGINES, OnPostgresql, compact, filled
from load import WORK
from peers.rollbook import Rollbook
from plot import duration
from report import grid, keep

HERE = Path(__file__).parent
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
RATE, ALONE = 200, 20.0
"""Reads a second, and seconds without the rule."""
CONNECTIONS = 64
SAMPLE = 20_000
RULE = {
    "name": "Seen",
    "when": {"after": "created_at", "days": 0},
    "who": {},
    "steps": [{"do": "metadata", "metadata": {"seen": True}}],
    "max_users": 5_000_000,
}


class Reads:
    """GET /v1/users/{id} at RATE, until told to end."""

    def __init__(self, peer: Rollbook, ids: Sequence[str]) -> None:
        fields = "".join(f"{name}: {value}\r\n" for name, value in peer.headers.items() if name != "Content-Type")
        self._port, self._ids = peer.port, ids
        self._head = f" HTTP/1.1\r\nHost: 127.0.0.1:{peer.port}\r\n{fields}\r\n"
        self._idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self.taken: list[float] = []

    async def run(self, ended: asyncio.Event) -> None:
        for _ in range(CONNECTIONS):
            self._idle.put_nowait(await asyncio.open_connection("127.0.0.1", self._port))
        began, number = time.perf_counter(), 0
        async with asyncio.TaskGroup() as tasks:
            while not ended.is_set():
                due = began + number / RATE
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                tasks.create_task(self._read(self._ids[number % len(self._ids)], due))
                number += 1
        while not self._idle.empty():
            self._idle.get_nowait()[1].close()

    async def _read(self, id: str, due: float) -> None:
        reader, writer = connection = await self._idle.get()
        writer.write(f"GET /v1/users/{id}{self._head}".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"GET {id} answered {head!r}")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
        self.taken.append((time.perf_counter() - due) * 1000)
        self._idle.put_nowait(connection)

    def figures(self) -> dict[str, float]:
        taken = sorted(self.taken)
        return {
            "reads": len(taken),
            "median_ms": statistics.median(taken),
            "p99_ms": taken[len(taken) * 99 // 100],
            "longest_ms": taken[-1],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(";")[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=ENGINES, action="append", help="instead of both")
    arguments = parser.parse_args()
    kept = HERE / "rules.json"
    if arguments.users:
        machine.require_two_cores()
        (WORK / "logs").mkdir(parents=True, exist_ok=True)
        with machine.nothing_left_behind():
            for engine in arguments.engine or ENGINES:
                print(f"{engine}, {arguments.users:,} users: filling", flush=True)
                keep(kept, engine, compact(on(engine, arguments.users)))
    (HERE / "RULES.md").write_text(page(json.loads(kept.read_text())))
    print("Written: benchmarks/RULES.md, rules.json. `make docs` puts them on the pages.")


def on(engine: str, users: int) -> dict[str, Any]:
    figures = record.origin() | {"users": users}
    with ExitStack() as stack:
        database, peer = None, Rollbook("rules")
        if engine == "postgresql":
            database = Database(WORK / "postgresql")
            database.start()
            stack.callback(database.remove)
            figures["machine"]["postgresql"] = database.ask("SHOW server_version").split()[0]
            peer = OnPostgresql("rules", database.create("rules"))
        stack.callback(shutil.rmtree, peer.folder, ignore_errors=True)
        figures |= filled(peer, users)
        if database is not None:
            database.ask("VACUUM ANALYZE", "rules")
        peer.serve()
        stack.callback(peer.process.stop)
        stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
        os.sched_setaffinity(0, {int(machine.CLIENT_CPU)})
        print("measuring", flush=True)
        return figures | measured(peer, users)


def measured(peer: Rollbook, users: int) -> dict[str, Any]:
    began = time.perf_counter()
    count = called(peer, "POST", "/v1/rules/preview", RULE)["count"]
    figures: dict[str, Any] = {"preview_s": time.perf_counter() - began}
    if count != users:
        raise RuntimeError(f"The rule is for {count:,} of {users:,} users.")
    total = peer.total()
    ids = [id for number in range(SAMPLE // 1000) for id in peer.page(number * total * 1000 // SAMPLE)]
    random.Random(4).shuffle(ids)
    figures["alone"] = asyncio.run(alone(Reads(peer, ids)))
    reads = Reads(peer, ids)
    cpu = peer.process.cpu_seconds()
    began = time.perf_counter()
    rule = called(peer, "POST", "/v1/rules", {**RULE, "enabled": True})["id"]
    figures["taken_in_s"], run = asyncio.run(beside(reads, peer, rule, began))
    figures["run_s"] = time.perf_counter() - began
    figures["beside"] = reads.figures()
    figures["cpu_s"] = peer.process.cpu_seconds() - cpu
    if (run["changed"], run["status"]) != (users, "finished"):
        raise RuntimeError(f"The rule has not changed everyone: {run}")
    return figures | {"people_per_s": users / figures["run_s"]}


async def alone(reads: Reads) -> dict[str, float]:
    ended = asyncio.Event()
    asyncio.get_running_loop().call_later(ALONE, ended.set)
    await reads.run(ended)
    return reads.figures()


async def beside(reads: Reads, peer: Rollbook, rule: str, began: float) -> tuple[float, dict[str, Any]]:
    """Seconds until all had been taken in, and the run once it has ended."""
    ended = asyncio.Event()
    reading = asyncio.create_task(reads.run(ended))
    taken_in = 0.0
    try:
        while True:
            runs = await asyncio.to_thread(called, peer, "GET", f"/v1/rules/{rule}/runs", None)
            taken_in = taken_in or (time.perf_counter() - began if runs else 0.0)
            if runs and runs[0]["finished_at"]:
                return taken_in, runs[0]
            await asyncio.sleep(0.5)
    finally:
        ended.set()
        await reading


def called(peer: Rollbook, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
    connection = HTTPConnection("127.0.0.1", peer.port, timeout=600)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers=peer.headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{path} answered {answer.status}: {text!r}")
        return json.loads(text)
    finally:
        connection.close()


def page(kept: Mapping[str, Mapping[str, Any]]) -> str:
    parts = [
        "# Rules",
        "Written by `benchmarks/rules.py`; not edited by hand. The figures as data: [rules.json](rules.json).",
        "A rule with one step, which merges a key into the metadata of everyone, each with an event of their own. Meanwhile, "
        f"{RATE} reads of a user a second, whether or not answers come; a read's time counts from when it was due. Server and "
        "reader have a core each.",
    ]
    engines = [engine for engine in ENGINES if engine in kept]
    lines = [[name, *(str(shown(kept[engine])) for engine in engines)] for name, shown in LINES]
    parts.append(grid(["", *(NAMES[engine] for engine in engines)], lines))
    parts += [f"{NAMES[engine]}: {record.caption(dict(kept[engine]))}" for engine in engines]
    return "\n\n".join(parts) + "\n"


def read_times(figures: Mapping[str, float]) -> str:
    return ", ".join(duration(figures[name] * 1000) for name in ("median_ms", "p99_ms", "longest_ms"))


LINES = (
    ("users", lambda run: f"{run['users']:,}"),
    ("preview", lambda run: duration(run["preview_s"] * 1e6)),
    ("from switching it on until all are taken in", lambda run: duration(run["taken_in_s"] * 1e6)),
    ("until the run has ended", lambda run: duration(run["run_s"] * 1e6)),
    ("people a second", lambda run: f"{run['people_per_s']:,.0f}"),
    ("server's CPU for each, with the reads", lambda run: duration(run["cpu_s"] / run["users"] * 1e6)),
    ("reads alone: median, 99 %, longest", lambda run: read_times(run["alone"])),
    ("reads beside it: median, 99 %, longest", lambda run: read_times(run["beside"])),
)


if __name__ == "__main__":
    main()
