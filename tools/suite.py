"""Runs all tests and records what they cost, in benchmarks/suite.json and SUITE.md: `make test ARGS="--record"`, and of
`make soak ARGS="--record"` the seconds of each file. Standard library only.

The seconds of each file by the clock decide which files start first in later runs, see tests/conftest.py.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "benchmarks" / "suite.json"
TABLES = ROOT / "benchmarks" / "SUITE.md"
SLOWEST = 50


def main(command: list[str]) -> int:
    """Run pytest by this command; its exit code. Nothing is recorded when a test fails."""
    with tempfile.TemporaryDirectory() as folder:
        began, busy = time.monotonic(), _busy()
        code = subprocess.run(command, check=False, env={**os.environ, "PYTEST_COST_FOLDER": folder}).returncode
        wall = time.monotonic() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        if code == 0:
            found = summary(Path(folder), wall, used.ru_utime + used.ru_stime, _busy() - busy)
            before = json.loads(RECORD.read_text())
            if os.environ.get("ROLLBOOK_SOAK"):
                found = before | {"soak": found["waits"]}
            elif "soak" in before:
                found["soak"] = before["soak"]
            RECORD.write_text(json.dumps(found, indent=1) + "\n")
            TABLES.write_text(tables(found))
            minutes = found["core_seconds"] / 60
            print(f"{found['cases']:,} cases, {wall / 60:.1f} minutes, {minutes:.1f} core-minutes: {TABLES}")
    return code


def _busy() -> float:
    """CPU seconds of the whole machine so far."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def summary(folder: Path, wall: float, core_seconds: float, busy: float) -> dict[str, Any]:
    """What a run came to. `files` and `slowest` are CPU seconds, `waits` those by the clock of each file. `busy` is what
    the machine computed meanwhile."""
    files: defaultdict[str, float] = defaultdict(float)
    waits: defaultdict[str, float] = defaultdict(float)
    tests: dict[str, float] = {}
    for notes in folder.iterdir():
        for test, cpu, clock in map(json.loads, notes.read_text().splitlines()):
            file = test.partition("::")[0]
            files[file] += cpu
            waits[file] += clock
            tests[test] = cpu
    return {
        "recorded": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": os.cpu_count(),
        "cases": len(tests),
        "wall_seconds": round(wall),
        "core_seconds": round(core_seconds),
        "other_seconds": max(0, round(busy - core_seconds)),
        "files": {file: round(seconds, 1) for file, seconds in _longest_first(files)},
        "waits": {file: round(seconds, 1) for file, seconds in _longest_first(waits)},
        "slowest": {name: round(seconds, 1) for name, seconds in _longest_first(tests)[:SLOWEST]},
    }


def _longest_first(seconds: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(seconds.items(), key=lambda item: -item[1])


def tables(found: dict[str, Any]) -> str:
    """The numbers as tables to be read."""
    return "\n".join(
        [
            "# The test suite",
            "",
            'Written by `make test ARGS="--record"`. CPU is what the tests and everything they started computed. '
            "By the clock, seconds",
            "are those of a file while others ran beside it: what is much longer than its CPU waits.",
            "",
            f"{found['recorded']}, {found['cores']} cores: {found['cases']:,} cases, "
            f"{found['wall_seconds'] / 60:.1f} minutes, "
            f"{found['core_seconds'] / 60:.1f} core-minutes.",
            _others(found.get("other_seconds")),
            *_table("folder", _longest_first(_folders(found["files"])), _folders(found["waits"])),
            *_table("file", [*found["files"].items()][:SLOWEST], found["waits"]),
            *_dearest(found["slowest"]),
            "",
        ]
    )


def _others(seconds: float | None) -> str:
    """What others had of the machine: with no one else there, the suite takes less of both."""
    how_much = "some" if seconds is None else f"{seconds / 60:.1f}"
    return f"Other programs took {how_much} core-minutes meanwhile. On an idle machine it takes less of both."


def _folders(files: Mapping[str, float]) -> dict[str, float]:
    seconds: defaultdict[str, float] = defaultdict(float)
    for file, each in files.items():
        seconds[str(Path(file).parent)] += each
    return seconds


def _table(title: str, rows: list[tuple[str, float]], waits: Mapping[str, float]) -> list[str]:
    lines = [
        f"| {_cell(name)} | {seconds:.1f} |" + (f" {waits[name]:.1f} |" if waits else "") for name, seconds in rows
    ]
    more = (" by the clock |", " ---: |") if waits else ("", "")
    return ["", f"| {title} | CPU seconds |{more[0]}", f"| --- | ---: |{more[1]}", *lines]


def _dearest(tests: Mapping[str, float]) -> list[str]:
    """The dearest tests, by what their names promise."""
    lines = []
    for test, seconds in tests.items():
        file, _, name = test.rpartition("::")
        promise, bracket, case = name.removeprefix("test_").partition("[")
        told = promise.replace("_", " ") + (f" {_cell(bracket + case)}" if case else "")
        lines.append(f"| {told} | {_cell(file)} | {seconds:.1f} |")
    return ["", "| promise | file | CPU seconds |", "| --- | --- | ---: |", *lines]


def _cell(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
