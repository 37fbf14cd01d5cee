"""The examples of the Python client's page run, from the first to the last."""

from __future__ import annotations

import re

import pytest

from tests.harness import OWNER_EMAIL, Server
from tests.processes import ROOT

BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "sdk-python.md").read_text(), re.DOTALL | re.MULTILINE)


def test_the_examples_run(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ROLLBOOK_URL", server.url)
    monkeypatch.setenv("ROLLBOOK_KEY", server.key)
    scope: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, "docs/sdk-python.md", "exec"), scope)
    printed = capsys.readouterr().out
    assert "Charlie has an account already." in printed and printed.count(OWNER_EMAIL) >= 5
