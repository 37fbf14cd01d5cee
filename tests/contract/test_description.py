"""The description that the server gives of itself holds: thousands of made-up requests, good and bad, and no answer that it does not promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import fuzz
from tests.harness import running


@pytest.mark.timeout(300)
def test_every_answer_is_as_described(engine: str, tmp_path: Path) -> None:
    """The same requests each time, so that a change is to blame for a failure; `make fuzz` makes new ones, and many.

    Each limit of each parameter is tried on one engine: most are checked before the database is asked.
    """
    with running(tmp_path / "data", *fuzz.WIDE, environment=fuzz.ENVIRONMENT) as server:
        phases = fuzz.ALL_PHASES if engine == "sqlite" else "examples,fuzzing,stateful"
        outcome = fuzz.run(server, tmp_path, examples=4, seed=1, phases=phases)
        bugs = [line for line in server.logged() if line.get("level") == "error"]
    assert not outcome.failed, outcome.report
    assert outcome.cases > (4000 if engine == "sqlite" else 500)
    assert bugs == []
