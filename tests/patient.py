"""The command `rollbook`, but with more time for Valkey to answer: `Server(..., program=PATIENT)` runs it.

For tests of what is counted there, on a machine that may be held up for longer than the half second there is where it
ships. What becomes of requests that get no answer, `tests/concurrency/test_limits_nodes.py` tries with the command
itself.
"""

from __future__ import annotations

from rollbook.cli import main as command
from rollbook.limits import valkey
from rollbook.limits.valkey_connection import ValkeyTimeouts
from tests import fixed

PATIENT = "tests.patient"
SECONDS = 30.0


def wait_longer() -> None:
    """Change it in this process, before it has a connection."""
    valkey.TIMEOUTS = ValkeyTimeouts(SECONDS, SECONDS)


def main() -> None:
    wait_longer()
    fixed.take()
    command.main()


if __name__ == "__main__":
    main()
