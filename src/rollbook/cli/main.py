"""The command `rollbook`: which commands there are, and what happens when one fails.

Each command has a file of its own here, read when it is called, so that `serve` does not wait for what the others need.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from rollbook import clock

# In the order in which `--help` lists them. The module of the same name holds `app`.
COMMANDS = ("serve", "users", "keys", "migrate", "openapi", "version")

FAILURE = 1
USAGE = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(import_module(f"rollbook.cli.{cmd_name}").app)
        command.name = cmd_name
        return command


app = typer.Typer(
    name="rollbook",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def rollbook() -> None:
    """A self-hosted users API. Start with `rollbook serve`."""


def main() -> None:
    """Run the command line, and end the process with its exit code: 0, 1 when it failed, 2 when it was called wrongly."""
    if path := os.environ.get("ROLLBOOK_CLOCK_FILE"):
        clock.follow(path)
    try:
        app()
    except Exception as problem:
        sentence = _sentence(problem)
        if sentence is None:
            raise
        print(f"rollbook: {sentence}", file=sys.stderr)
        sys.exit(FAILURE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _sentence(problem: Exception) -> str | None:
    """One line for the person who called, None for what is a mistake of ours."""
    from rollbook.cli.output import Failure
    from rollbook.config import ConfigurationError
    from rollbook.errors import ApiError
    from rollbook.storage.database import DatabaseUnusable

    if isinstance(problem, ApiError):
        return problem.message if not problem.faults else " ".join(fault.message for fault in problem.faults)
    if isinstance(problem, (Failure, ConfigurationError, DatabaseUnusable)):
        return str(problem)
    if isinstance(problem, OSError):
        return f"{problem.filename}: {problem.strerror}" if problem.filename else str(problem)
    return None


if __name__ == "__main__":
    main()
