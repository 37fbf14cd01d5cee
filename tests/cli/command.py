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

from tests import fixed, processes
from tests.harness import CHEAP, cheap_hashes

NO_PROFILES = "/nonexistent"
"""A config folder, so that commands don't see the profiles of whoever runs the tests."""
PASSWORD = "correct horse battery staple"


def rollbook(
    *arguments: str,
    input: str | None = None,
    cwd: Path | None = None,
    config: Path | str = NO_PROFILES,
    program: str = "rollbook.cli.main",
    **variables: Any,
) -> subprocess.CompletedProcess[str]:
    """What it printed and its exit code. Variables are given as their names without ROLLBOOK_, in lower case."""
    command = [sys.executable, "-m", fixed.program_of(program, arguments), *arguments]
    return processes.run(command, env=_environment(variables, config), cwd=cwd, input=input)


def peak_of(*arguments: str, first: str, **variables: Any) -> int:
    """KiB of memory that a command has at most, in a process that executes these lines of Python first."""
    code = f"""{first}
import sys
from rollbook.cli.main import main
try:
    main()
finally:
    print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=110,
        env=_environment(variables),
    )
    return int(done.stderr.splitlines()[-1])


def _environment(variables: dict[str, Any], config: Path | str = NO_PROFILES) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")}
    given = {f"ROLLBOOK_{name.upper()}": str(value) for name, value in variables.items()}
    return own | cheap_hashes((), given) | {"XDG_CONFIG_HOME": str(config)} | given


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
    *arguments: str,
    answers: Sequence[tuple[str, str]],
    cwd: Path,
    config: Path | str = NO_PROFILES,
    columns: int = 1000,
    **more: str,
) -> tuple[int, str]:
    """The exit code, and all that the terminal of so many columns showed. `more` are variables. `answers` are typed one after another, each
    once the words before it are shown."""
    ours, theirs = pty.openpty()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("ROLLBOOK_", "DISPLAY", "WAYLAND"))
    }
    environment |= CHEAP | {"XDG_CONFIG_HOME": str(config), "COLUMNS": str(columns)} | more
    process = processes.start(
        [sys.executable, "-m", "rollbook.cli.main", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env=environment,
        start_new_session=True,
    )
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
