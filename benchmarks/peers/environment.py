"""The packages of the peers, locked in `requirements/bench.txt`, in a virtual environment of their own: they cannot
change what we ship."""

from __future__ import annotations

import subprocess
from pathlib import Path

ENVIRONMENT = Path(__file__).parents[2] / ".venv-bench"


def program(name: str) -> Path:
    """A program of that environment."""
    return ENVIRONMENT / "bin" / name


def versions(*packages: str) -> str:
    """Such as `fastapi 0.165.0, uvicorn 0.54.0`."""
    script = "import importlib.metadata as m, sys; print(', '.join(f'{p} {m.version(p)}' for p in sys.argv[1:]))"
    return subprocess.run(
        [program("python"), "-c", script, *packages], check=True, capture_output=True, text=True
    ).stdout.strip()
