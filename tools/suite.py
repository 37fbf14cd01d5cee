"""Runs all tests and records what they cost, in benchmarks/suite.json and SUITE.md: `make test ARGS="--record"`. Standard library only.

The seconds of each file decide which files start first in later runs, see tests/conftest.py.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
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
        report = Path(folder) / "report.xml"
        began = time.monotonic()
        code = subprocess.run([*command, f"--junit-xml={report}"], check=False).returncode
        wall = time.monotonic() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        if code == 0:
            found = summary(report, wall, used.ru_utime + used.ru_stime)
            RECORD.write_text(json.dumps(found, indent=1) + "\n")
            TABLES.write_text(tables(found))
            print(f"{found['cases']:,} cases, {wall / 60:.1f} minutes, {found['core_seconds'] / 60:.1f} core-minutes: {TABLES}")
    return code


def summary(report: Path, wall: float, core_seconds: float) -> dict[str, Any]:
    """What a run came to. Seconds of files and tests are by the clock: processes that run beside each other make each other slower."""
    files: defaultdict[str, float] = defaultdict(float)
    tests: dict[str, float] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        file, name = _place(case.attrib["classname"], case.attrib["name"])
        files[file] += float(case.attrib["time"])
        tests[f"{file}::{name}"] = float(case.attrib["time"])
    return {
        "recorded": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": os.cpu_count(),
        "cases": len(tests),
        "wall_seconds": round(wall),
        "core_seconds": round(core_seconds),
        "files": {file: round(seconds, 1) for file, seconds in _longest_first(files)},
        "slowest": {name: round(seconds, 1) for name, seconds in _longest_first(tests)[:SLOWEST]},
    }


def _place(module: str, name: str) -> tuple[str, str]:
    """The file of a test, and its name there: `tests.http.test_wire.TestHead` is a class of a file."""
    path, _, rest = module.partition(".test_")
    file, *classes = rest.split(".")
    return f"{path.replace('.', '/')}/test_{file}.py", "::".join([*classes, name])


def _longest_first(seconds: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(seconds.items(), key=lambda item: -item[1])


def tables(found: dict[str, Any]) -> str:
    """The same to be read."""
    folders: defaultdict[str, float] = defaultdict(float)
    for file, seconds in found["files"].items():
        folders[str(Path(file).parent)] += seconds
    return "\n".join(
        [
            "# The test suite",
            "",
            'Written by `make test ARGS="--record"`. Seconds of folders, files and tests are wall time while other tests ran in parallel.',
            "",
            f"{found['recorded']}, {found['cores']} cores: {found['cases']:,} cases, {found['wall_seconds'] / 60:.1f} minutes, "
            f"{found['core_seconds'] / 60:.1f} core-minutes.",
            *_table("folder", _longest_first(folders)),
            *_table("file", [*found["files"].items()][:SLOWEST]),
            *_table("test", [*found["slowest"].items()]),
            "",
        ]
    )


def _table(title: str, rows: list[tuple[str, float]]) -> list[str]:
    return ["", f"| {title} | seconds |", "| --- | ---: |", *(f"| {_cell(name)} | {seconds:.1f} |" for name, seconds in rows)]


def _cell(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
