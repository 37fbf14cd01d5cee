"""Prepares what a benchmark needs besides the packages of this environment."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from environment import BENCH, prepare, provide
from programs import WRK, SetupFailed


def install() -> None:
    """The peers' packages, into `.venv-bench`. Exits with what is missing and how to get it."""
    try:
        provide(WRK)
        prepare(BENCH)
    except SetupFailed as problem:
        sys.exit(str(problem))
