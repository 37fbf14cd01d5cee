"""Prepares what a benchmark needs besides the packages of this environment."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from environment import BENCH, WRK, SetupFailed, need, prepare


def install() -> None:
    """The peers' packages, into `.venv-bench`. Exits with what is missing and how to get it."""
    try:
        need(WRK)
        prepare(BENCH)
    except SetupFailed as problem:
        sys.exit(str(problem))
