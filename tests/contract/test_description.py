"""The description that the server gives of itself holds: thousands of made-up requests, good and bad, and no answer that it does not promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import fuzz
from tests.harness import running


@pytest.mark.timeout(300)
def test_every_answer_is_as_described(engine: str, tmp_path: Path) -> None:
    """The same requests each time, so that a change is to blame for a failure; `make fuzz` makes new ones.

    Each limit of each parameter is tried on one engine, and more requests of each call: most are checked before the database is asked.
    """
    with running(tmp_path / "data", *fuzz.WIDE, environment=fuzz.ENVIRONMENT) as server:
        examples, phases = (25, fuzz.ALL_PHASES) if engine == "sqlite" else (8, "examples,fuzzing,stateful")
        outcome = fuzz.run(server, tmp_path, examples=examples, seed=1, phases=phases)
        bugs = [line for line in server.logged() if line.get("level") == "error"]
    assert not outcome.failed, outcome.report
    assert outcome.cases > (4000 if engine == "sqlite" else 500)
    assert bugs == []
