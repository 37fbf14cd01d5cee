"""One measurement: a workload on one server, its CPU time for each request, and what the client saw."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from load import Running, load
from peers import Server

WORKLOADS = {
    "W1": "list of 20 users, one of the first five pages",
    "W1 without total": "W1 without the number of all users, which PocketBase can leave out",
    "W1d": "list of 20 users, one of five pages 100 to 180 from the end",
    "W1d without total": "W1d without the number of all users",
    "W2": "one user by id, ids in a scrambled order",
    "W3": "change of one user's name, durable",
    "W4": "creation of a user with a password, on 4 connections",
    "W5": "W2 on 8 connections, alone and beside creations on 2",
}
ON_POSTGRESQL = {
    "W1": WORKLOADS["W1"],
    "W1d": WORKLOADS["W1d"],
    "W2": WORKLOADS["W2"],
    "W3": WORKLOADS["W3"],
    "W3 alone": "W3 without the event that records it, one statement; only Go does so",
    "W4": WORKLOADS["W4"],
    "W5": WORKLOADS["W5"],
    "W6": "search for part of an email, one match",
}
COST = {
    workload: "settled_us" if workload in ("W3", "W4", "W3 alone") else "cpu_us"
    for workload in (*WORKLOADS, *ON_POSTGRESQL)
}
"""Which figure of a Row tells what a request costs: writes leave work for later, and are few enough for those under way
to matter."""

WARM_UP = 1
LEAST_OF_CREATIONS = 5  # seconds: some servers make five users in one


@dataclass(frozen=True)
class Row:
    """Figures of a workload on a server; over several rounds their medians, and the sums of what went wrong.

    `cpu_us`: user and system time of the server's processes over the run, by the number of answers, in microseconds.
    `settled_us`: the same with the work that the server still did afterwards, by the answers and the requests that were
    under way at the end. `creates`: creations a second beside it (W5 only). `database_us`: as `settled_us`, of a
    database server's processes.
    """

    server: str
    workload: str
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    settled_us: float
    memory_mib: float
    refused: int
    broken: int
    creates: float = 0.0
    database_us: float = 0.0

    @property
    def sound(self) -> bool:
        return not self.refused and not self.broken


def measure(peer: Server, workload: str, seconds: int, database: Callable[[], float] = float) -> list[Row]:
    """A short load to warm up, then one of `seconds`. `database` gives the CPU seconds of a database server so far."""
    if workload == "W5":
        return _beside(peer, seconds, database)
    connections, seconds = (4, max(seconds, LEAST_OF_CREATIONS)) if workload == "W4" else (32, seconds)
    load(peer.port, peer.calls[workload], connections=connections, seconds=WARM_UP)
    return [_run(peer, workload, workload, connections, seconds, database)]


def measurable(peer: Server, workload: str) -> bool:
    return {"W2", "W4"} <= peer.calls.keys() if workload == "W5" else workload in peer.calls


def medians(rows: Iterable[Row]) -> list[Row]:
    """One row for each server and workload."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.server, row.workload), []).append(row)
    middle = ("rate", "p50_ms", "p99_ms", "cpu_us", "settled_us", "memory_mib", "creates", "database_us")
    total = ("refused", "broken")
    rows = []
    for group in groups.values():
        values: dict[str, Any] = {name: statistics.median(getattr(row, name) for row in group) for name in middle}
        values |= {name: sum(getattr(row, name) for row in group) for name in total}
        rows.append(replace(group[0], **values))
    return rows


def as_json(rows: Iterable[Row]) -> list[dict[str, object]]:
    return [
        {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(row).items()}
        for row in rows
    ]


def _run(peer: Server, workload: str, label: str, connections: int, seconds: int, database: Callable[[], float]) -> Row:
    peer.process.settle()
    before, database_before = peer.process.cpu_seconds(), database()
    seen = load(peer.port, peer.calls[workload], connections=connections, seconds=seconds)
    cpu = peer.process.cpu_seconds() - before
    memory = peer.process.memory_mib()
    rest = peer.process.settle()
    of_database = database() - database_before
    answers = max(seen.requests, 1)
    broken = seen.broken or int(not seen.requests)
    return Row(
        peer.name,
        label,
        seen.rate,
        seen.p50_ms,
        seen.p99_ms,
        cpu / answers * 1e6,
        (cpu + rest) / (answers + connections) * 1e6,
        memory,
        seen.refused,
        broken,
        database_us=of_database / (answers + connections) * 1e6,
    )


def _beside(peer: Server, seconds: int, database: Callable[[], float]) -> list[Row]:
    load(peer.port, peer.calls["W2"], connections=8, seconds=WARM_UP)
    alone = _run(peer, "W2", "W5 alone", 8, seconds, database)
    creations = Running(peer.port, peer.calls["W4"], connections=2, seconds=seconds + 2)
    time.sleep(1)  # until both connections wait for a hash
    reads = load(peer.port, peer.calls["W2"], connections=8, seconds=seconds)
    made = creations.result()
    beside = replace(
        alone,
        workload="W5 beside",
        rate=reads.rate,
        p50_ms=reads.p50_ms,
        p99_ms=reads.p99_ms,
        cpu_us=0.0,
        settled_us=0.0,
        database_us=0.0,
        refused=reads.refused + made.refused,
        broken=reads.broken + made.broken,
        creates=made.rate,
    )
    return [alone, beside]
