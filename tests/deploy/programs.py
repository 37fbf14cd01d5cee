"""Where the programs that the tests of deploy/ run are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.programs import SYSTEM_FOLDERS

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def program(name: str) -> str:
    """Its path: in .venv-deploy, else in .venv or on PATH. The test fails where it is missing; `make test` brings
    it."""
    folders = (
        str(ROOT / ".venv-deploy" / "bin"),
        str(Path(sys.executable).parent),
        os.environ.get("PATH", os.defpath),
        SYSTEM_FOLDERS,
    )
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        pytest.fail(f"{name} is missing. `make test` installs it, or says how.")
    return found


def run(
    *command: str | Path, environment: dict[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run to an end, with what it said on both outputs in the failure."""
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, check=False
    )
    if check:
        assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done
