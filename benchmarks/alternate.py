"""The working tree beside another commit: CPU per request of both, in alternation on one machine, with the same users.

    .venv/bin/python benchmarks/alternate.py d55413e
    .venv/bin/python benchmarks/alternate.py d55413e --only W2 --rounds 5 --seconds 2

Both run on this Python, each from its own source and on the packages that its lock file names. What a busy machine does to one round, it does to both, so the
ratio is what counts: that of the medians, and beside it that of the lowest figures.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import machine
from load import WORK, load
from measure import WARM_UP
from peers.rollbook import Rollbook
from report import grid
from tooling import runtime_of

ROOT = Path(__file__).parents[1]
WORKLOADS = ("W1", "W1d", "W2", "W3")


class Side(Rollbook):
    """Rollbook from the source in a folder."""

    def __init__(self, name: str, source: Path, python: str | Path = sys.executable) -> None:
        super().__init__(f"alternate-{name}")
        self.program = (python, "-c", "from rollbook.cli.main import main; main()")
        self.name = name
        self.source = source
        self.costs: dict[str, list[float]] = {workload: [] for workload in WORKLOADS}
        self.slowest: dict[str, list[float]] = {workload: [] for workload in WORKLOADS}

    def fill(self, users: int) -> None:
        os.environ["PYTHONPATH"] = str(self.source / "src")
        super().fill(users)

    def serve(
        self, *, workers: int = 1, cpus: str = machine.SERVER_CPU, settings: Mapping[str, str] | None = None
    ) -> float:
        return super().serve(
            workers=workers, cpus=cpus, settings={"PYTHONPATH": str(self.source / "src"), **(settings or {})}
        )

    def measure(self, workload: str, seconds: int) -> None:
        """For W3 with what the server still does afterwards."""
        load(self.port, self.calls[workload], seconds=WARM_UP)
        self.process.settle()
        before = self.process.exact_cpu_seconds()
        seen = load(self.port, self.calls[workload], seconds=seconds)
        if workload == "W3":
            self.process.settle()
        spent = self.process.exact_cpu_seconds() - before
        if seen.refused or seen.broken:
            sys.exit(f"{workload}, {self.name}: {seen.refused} requests refused, {seen.broken} broken")
        self.costs[workload].append(spent / seen.requests * 1e6)
        self.slowest[workload].append(seen.p99_ms)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks/alternate.py", description="CPU per request beside another commit."
    )
    parser.add_argument("commit", help="what to compare with, as git names it")
    parser.add_argument("--only", default=",".join(WORKLOADS), help=f"of {','.join(WORKLOADS)}")
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement (default 2)")
    parser.add_argument("--rounds", type=int, default=5, help="of everything (default 5)")
    parser.add_argument("--users", type=int, default=100_000, help="on both sides (default 100000)")
    asked = parser.parse_args()
    machine.require_two_cores()
    (WORK / "logs").mkdir(parents=True, exist_ok=True)
    with machine.nothing_left_behind(), checked_out(asked.commit) as source:
        python = runtime_of(source, WORK / "alternate-venv")
        sides = [Side("before", source, python), Side("now", ROOT)]
        for side in sides:
            side.start(asked.users)
        for number in range(asked.rounds):
            for workload in asked.only.split(","):
                for side in sides if number % 2 else reversed(sides):
                    side.measure(workload, asked.seconds)
    print(table(asked.commit, *sides))


@contextlib.contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """The source of a commit in a folder of its own."""
    folder = WORK / "alternate-source"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", commit, "src", "docs", "requirements"], check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def table(commit: str, before: Side, now: Side) -> str:
    rows = []
    for workload in WORKLOADS:
        old, new = before.costs[workload], now.costs[workload]
        if old:
            tails = (
                f"{statistics.median(before.slowest[workload]):.1f} → {statistics.median(now.slowest[workload]):.1f}"
            )
            ratio = statistics.median(new) / statistics.median(old)
            rows.append([workload, spread(old), spread(new), f"{ratio:.2f}", f"{min(new) / min(old):.2f}", tails])
    return grid(["", f"{commit}, µs", "now, µs", "ratio", "of the lowest", "p99, ms"], rows)


def spread(figures: list[float]) -> str:
    return f"{statistics.median(figures):.1f} ({min(figures):.1f} to {max(figures):.1f})"


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped; no server is left running.")
