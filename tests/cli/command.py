"""Runs the real command line, in a process of its own and an environment without our variables."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests import processes
from tests.harness import CHEAP

NO_PROFILES = "/nonexistent"
"""A config folder, so that commands don't see the profiles of whoever runs the tests."""
PASSWORD = "correct horse battery staple"


def rollbook(
    *arguments: str, input: str | None = None, cwd: Path | None = None, config: Path | str = NO_PROFILES, **variables: Any
) -> subprocess.CompletedProcess[str]:
    """What it printed and its exit code. Variables are given as their names without ROLLBOOK_, in lower case."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")}
    environment |= (
        CHEAP | {"XDG_CONFIG_HOME": str(config)} | {f"ROLLBOOK_{name.upper()}": str(value) for name, value in variables.items()}
    )
    return processes.run([sys.executable, "-m", "rollbook.cli.main", *arguments], env=environment, cwd=cwd, input=input)


def good(*arguments: str, **options: Any) -> str:
    """The standard output of a command that must succeed."""
    done = rollbook(*arguments, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(*arguments: str, code: int = 1, **options: Any) -> str:
    """The standard error of a command that must fail, in plain words and with nothing on standard output."""
    done = rollbook(*arguments, **options)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def at_terminal(
    *arguments: str, answers: Sequence[tuple[str, str]], cwd: Path, config: Path | str = NO_PROFILES
) -> tuple[int, str]:
    """The exit code, and all that the terminal showed. `answers` are typed one after another, each once the words before it are shown."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ROLLBOOK_", "DISPLAY", "WAYLAND"))}
    environment |= CHEAP | {"XDG_CONFIG_HOME": str(config), "COLUMNS": "1000"}
    process = subprocess.Popen(
        [sys.executable, "-m", "rollbook.cli.main", *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown, seen, left = b"", 0, list(answers)
    with contextlib.suppress(OSError):  # Linux's way to say that the other end is closed
        while part := os.read(ours, 65_536):
            shown += part
            while left and (at := shown.find(left[0][0].encode(), seen)) >= 0:
                asked, answer = left.pop(0)
                seen = at + len(asked)
                os.write(ours, answer.encode() + b"\n")
    os.close(ours)
    return process.wait(60), shown.decode()
