"""`install`: what a run needs beside the packages of this environment, by the checkout's own tools (`tools/environment.py`)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from environment import BENCH, SetupFailed, need, prepare


def install() -> None:
    """wrk from Debian, the peers' packages into `.venv-bench`. Exits with what is missing and how to get it."""
    try:
        need("wrk", "wrk", "the benchmarks")
        prepare(BENCH)
    except SetupFailed as problem:
        sys.exit(str(problem))
