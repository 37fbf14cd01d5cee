"""The command `rollbook`: runs a command, and prints a one-line message if it fails."""

from __future__ import annotations

import sys

from rollbook import clock
from rollbook.cli.output import INTERRUPTED, Failure, Misuse, hint, wrong_values
from rollbook.config import ConfigurationError
from rollbook.errors import ApiError
from rollbook.storage import sqlite_library
from rollbook.storage.database import DatabaseUnusable

FAILURE = 1
MISUSE = 2


def main() -> None:
    """Run the command line and exit: 0 for success, 1 for failure, 2 for incorrect usage."""
    clock.follow_in_checkout()
    sqlite_library.configure()
    try:
        _run(sys.argv[1:])
    except Exception as problem:
        sentence = _sentence(problem)
        if sentence is None:
            raise
        hint(f"rollbook: {sentence}")
        sys.exit(MISUSE if isinstance(problem, Misuse) or wrong_values(problem) else FAILURE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _run(arguments: list[str]) -> None:
    # Import only what is needed: the server must answer within half a second of its start.
    if arguments[:1] == ["serve"]:
        from rollbook.cli import server

        if (flags := server.plain_flags(arguments[1:])) is not None:
            sys.exit(server.run(flags))
    import click

    from rollbook.cli.commands import PROGRAM, app, wrong_call

    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    try:
        sys.exit(app.main(arguments, prog_name=PROGRAM, standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as problem:
        problem.show()
        sys.exit(problem.exit_code)
    except click.ClickException as problem:
        hint(f"rollbook: {wrong_call(problem)}")
        sys.exit(problem.exit_code)
    except click.Abort:
        raise KeyboardInterrupt from None


def _sentence(problem: Exception) -> str | None:
    """One line for the user, None for a bug."""
    if isinstance(problem, ApiError):
        return problem.full_message
    if isinstance(problem, (Failure, ConfigurationError, DatabaseUnusable)):
        return str(problem)
    if isinstance(problem, OSError):
        return f"{problem.filename}: {problem.strerror}" if problem.filename else str(problem)
    return None


if __name__ == "__main__":
    main()
