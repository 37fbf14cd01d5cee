"""The description that the server gives of itself holds: thousands of made-up requests, good and bad, and no answer
that it does not promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import fuzz
from tests.harness import running


@pytest.mark.timeout(900)
def test_every_answer_is_as_described(engine: str, tmp_path: Path) -> None:
    """The same requests each time, so that a change is to blame for a failure; `make fuzz` makes new ones, and many.

    Each limit of each parameter is tried on one engine, since most are checked before the database is asked; and on the
    other one requests that follow from each other's answers, whose sequences `tests/model` walks on both. `make fuzz`
    does all of it.
    """
    with running(tmp_path / "data", *fuzz.WIDE, environment=fuzz.ENVIRONMENT) as server:
        phases = "examples,coverage" if engine == "sqlite" else "fuzzing,stateful"
        outcome = fuzz.run(server, tmp_path, examples=4, seed=1, phases=phases)
        bugs = [line for line in server.logged() if line.get("level") == "error"]
    assert not outcome.failed, outcome.report
    assert outcome.cases > (4000 if engine == "sqlite" else 250)
    assert bugs == []
