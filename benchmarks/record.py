"""What stands with every figure that a command writes down: the commit, the machine, and how fast it computes at the
moment."""

from __future__ import annotations

import os
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import machine

ROOT = Path(__file__).parents[1]
ROUNDS = 5
STEPS = 3_000_000


def origin() -> dict[str, Any]:
    """Take it before what is measured."""
    return {
        "commit": commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine.description(),
        "load_average": round(os.getloadavg()[0], 1),
        "loop_s": round(loop(), 3),
    }


def commit() -> str:
    """The last one that changed the program which is measured, `+` behind it if there are changes since."""
    last = _git("log", "-1", "--format=%h", "--abbrev=8")
    return f"{last}+" if _git("status", "--porcelain") else last


def _git(*words: str) -> str:
    asked = ["git", "-C", str(ROOT), *words, "--", "src"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def loop() -> float:
    """CPU seconds of a loop that only adds numbers, the lowest of a few: to compare machines, and one with itself."""
    taken = []
    for _ in range(ROUNDS):
        began, total = time.process_time(), 0
        for number in range(STEPS):
            total += number & 7
        taken.append(time.process_time() - began)
    return min(taken)


def caption(figures: dict[str, Any]) -> str:
    """One line below a heading. Older runs say neither their commit nor how fast the machine was."""
    of = figures["machine"]
    commit = f"Commit {figures['commit']}, " if "commit" in figures else ""
    programs = "".join(f", {name} {of[key]}" for key, name in PROGRAMS.items() if key in of)
    speed = f"; {STEPS:,} steps of a loop take {figures['loop_s']:.2f} s of CPU" if "loop_s" in figures else ""
    return (
        f"{commit}{figures['date']}, {of['processor']}, {of['memory']}, {of['system']}; Python "
        f"{of['python']}, SQLite {of['sqlite']}{programs}. Load average at the start {figures['load_average']:.1f}{speed}."
    )


PROGRAMS = {"postgresql": "PostgreSQL", "litestream": "Litestream", "valkey": "Valkey", "wrk": "wrk"}


def rounded(value: float) -> float:
    """Three digits that count."""
    return float(f"{value:.3g}")
