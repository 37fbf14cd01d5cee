"""Results of `make cluster ARGS=chaos`: benchmarks/cluster.json, and CLUSTER.md beside it, written from all runs in there."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.cluster.cluster import ROOT
from tests.cluster.load import LIMIT

RESULTS = ROOT / "benchmarks/cluster.json"
PRODUCT = ("src", "deploy/cluster", "deploy/haproxy.cfg")
"""What is on trial: its last commit is that of a run."""
SECONDS = {
    "without_writes": "without writes",
    "without_reads": "without reads",
    "without_standby_reads": "without reads of a standby",
    "slowest": "slowest answer",
    "until_whole": "whole again",
    "until_delivered": "webhooks",
}


@dataclass
class Round:
    """One fault, and what became of it."""

    fault: str
    where: str
    acknowledged: int
    without_writes: float
    without_reads: float
    without_standby_reads: float
    slowest: float
    """Seconds until a client had an answer, or gave up."""
    until_whole: float
    until_delivered: float
    """Seconds from then until webhooks had all events."""
    admitted: int
    """Requests of the user with a limit in one window, at most."""
    was_without_valkey: bool
    """A node counted by itself meanwhile."""
    versions: int
    """Versions of Rollbook on the nodes during the fault."""
    problems: list[str] = field(default_factory=list)
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 1))
    """Processes that wanted one of the machine's cores, in the last minute."""


class Run:
    """The rounds of one call of the program, in the file after each."""

    def __init__(self, target: Path | None, seed: int, previous: str | None, valkey: str) -> None:
        self.rounds: list[Round] = []
        self._target = target
        self._about = {
            "commit": commit_of(*PRODUCT),
            "seed": seed,
            "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
            "previous": previous,
            "valkey": valkey,
            "machine": _machine(),
        }

    def add(self, done: Round) -> None:
        self.rounds.append(done)
        self._write()

    def _write(self) -> None:
        if self._target is None:
            return
        self._target.touch()
        with self._target.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # another run, of a cluster with another number
            text = file.read()
            others = [run for run in json.loads(text or "[]") if {**run, **self._about} != run]
            runs = [*others, self._about | {"rounds": [asdict(done) for done in self.rounds]}]
            file.seek(0)
            file.truncate()
            file.write(json.dumps(runs, indent=1) + "\n")
            self._target.with_suffix(".md").with_stem(self._target.stem.upper()).write_text(table(runs))


def commit_of(*paths: str, changes: str = "") -> str:
    """The last commit that changed them; `changes`: A, that added a file."""
    asked = ["git", "log", "-1", "--format=%h", "--abbrev=12", f"--diff-filter={changes}", "--", *paths]
    return subprocess.run(asked, check=False, capture_output=True, text=True, cwd=ROOT).stdout.strip()


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}"


def table(runs: Sequence[dict[str, Any]]) -> str:
    by_fault: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        for done in run["rounds"]:
            by_fault[done["fault"]].append(done)
    total = [done for rounds in by_fault.values() for done in rounds]
    problems = [f"{done['fault']}: {problem[:200]}" for done in total for problem in done["problems"]]
    heads = [
        *("fault", "runs", "acknowledged", "lost", "doubled", "other problems"),
        *SECONDS.values(),
        *("limit", "limit without Valkey"),
    ]
    return "\n".join(
        [
            "# A cluster that loses machines",
            "",
            'Written by `make cluster ARGS="chaos --record"` from `cluster.json`. The cluster is that of',
            "[Scaling](../docs/scaling.md#5-a-cluster-that-loses-machines). Its nine machines shared the cores of one with",
            "their clients and with other programs, so all times are upper bounds.",
            "",
            "- **acknowledged**: writes that clients had an answer to. **lost**: those of them that were not there afterwards;",
            "  **doubled**: changes made twice, with an `Idempotency-Key` that was sent again.",
            "- **other problems**: broken promises of any other kind, listed below.",
            "- **without writes**, **without reads**: longest time in which no client had one, in any run, while it lasted and",
            "  until the cluster was whole. **webhooks**: from then until they had every event.",
            f"- **limit**: requests admitted in one minute by a limit of {LIMIT}, at most.",
            "",
            _row(heads),
            _row(["---"] * len(heads)),
            *(_row(_cells(fault, by_fault[fault])) for fault in sorted(by_fault)),
            _row(_cells("all", total)),
            "",
            *_listed("Problems", problems),
            *_listed("Runs", [_about(run) for run in runs]),
        ]
    )


def _row(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _cells(fault: str, rounds: Sequence[dict[str, Any]]) -> list[Any]:
    problems = [problem for done in rounds for problem in done["problems"]]
    lost, doubled = (sum(problem.startswith(word) for problem in problems) for word in ("lost", "doubled"))
    return [
        fault,
        len(rounds),
        sum(done["acknowledged"] for done in rounds),
        lost,
        doubled,
        len(problems) - lost - doubled,
        *(f"{max(done[name] for done in rounds):.0f} s" for name in SECONDS),
        *(_limit([done for done in rounds if done["was_without_valkey"] is away]) for away in (False, True)),
    ]


def _limit(rounds: Sequence[dict[str, Any]]) -> str:
    return str(max(done["admitted"] for done in rounds)) if rounds else ""


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *(f"- {line}" for line in lines or ["none"]), ""]


def _about(run: dict[str, Any]) -> str:
    rounds = run["rounds"]
    side_by_side = sum(done["versions"] > 1 and done["fault"] != "upgrade" for done in rounds)
    previous = f", upgraded from {run['previous']}: {side_by_side} faults with both" if run["previous"] else ""
    load = max((done.get("load", 0) for done in rounds), default=0)
    busy = f", load average up to {load:.0f}" if load else ""
    return f"{run['at']}, seed {run['seed']}, {len(rounds)} faults, {run['commit']}{previous}; Valkey: {run['valkey']}. {run['machine']}{busy}"
