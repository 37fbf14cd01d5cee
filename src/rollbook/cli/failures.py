"""Failures of commands: one line that says why, and an exit code."""

from __future__ import annotations

from collections.abc import Sequence

from rollbook.errors import Fault, InvalidParameter

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""


class Failure(Exception):
    """The command failed. The message is one line that says why and what to do."""


class Misuse(Failure):
    """The command can't be right as it was called, whatever the server or the folder contains."""


class Refused(Failure):
    """The server answered with an error. `faults` are what it found wrong with the values of the call."""

    def __init__(self, sentence: str, code: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(sentence)
        self.code = code
        self.faults = faults


class Unreachable(Failure):
    """The server doesn't answer now, but may do so later."""


def wrong_values(problem: Exception) -> Sequence[Fault]:
    """Faults that the rules of the API found in the values of a call. Empty for a failure of another kind."""
    if isinstance(problem, InvalidParameter):
        return problem.faults or [Fault(problem.param or "", problem.message)]
    if isinstance(problem, Refused) and problem.code == InvalidParameter.code:
        return problem.faults or [Fault("", str(problem))]
    return []
