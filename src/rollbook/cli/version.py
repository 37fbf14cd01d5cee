"""Line that `rollbook --version` prints, with the commit."""

from __future__ import annotations

import platform
import sqlite3
import subprocess
from pathlib import Path

import rollbook


def line() -> str:
    """Versions of Rollbook, Python and SQLite."""
    python, sqlite = platform.python_version(), sqlite3.sqlite_version
    return f"rollbook {rollbook.__version__} ({commit()}), Python {python}, SQLite {sqlite}"


def commit() -> str:
    """Return what `tools/build_hook.py` wrote into the package, in a checkout what git says, else `unknown commit`."""
    package = Path(rollbook.__file__).parent
    try:
        return (package / "commit.txt").read_text().strip()
    except FileNotFoundError:
        pass
    if (package.parents[1] / ".git").exists():
        command = ["git", "-C", str(package), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            pass
    return "unknown commit"
