"""Prepares what a benchmark needs besides the packages of this environment."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from environment import BENCH, DEPLOY, Stage, prepare, provide
from programs import WRK, SetupFailed


def install() -> None:
    """The peers' packages, into `.venv-bench`. Exits with what is missing and how to get it."""
    try:
        provide(WRK)
        prepare(BENCH)
    except SetupFailed as problem:
        sys.exit(str(problem))


def install_litestream() -> None:
    """Where tests of deploy/ have it."""
    try:
        prepare(DEPLOY)
    except SetupFailed as problem:
        sys.exit(str(problem))


def runtime_of(source: Path, folder: Path) -> Path:
    """Python of an environment in `folder` with the packages that another commit's server runs on."""
    try:
        return prepare(Stage(f"other-{folder.name}", folder, (str(source / "requirements" / "runtime.txt"),), False))
    except SetupFailed as problem:
        sys.exit(str(problem))
