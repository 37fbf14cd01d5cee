"""The examples of the Python client's page run, from the first to the last; what follows events runs as a program."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import httpx2
import pytest

from tests.docs.test_follow_programs import events_of, started
from tests.harness import OWNER_EMAIL, Server, new_user
from tests.nodes.pair import wait_until
from tests.processes import ROOT

BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "sdk-python.md").read_text(), re.DOTALL | re.MULTILINE)


def test_the_examples_run(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ROLLBOOK_URL", server.url)
    monkeypatch.setenv("ROLLBOOK_KEY", server.key)
    scope: dict[str, object] = {}
    for block in BLOCKS:
        if "events.follow" not in block:
            exec(compile(block, "docs/sdk-python.md", "exec"), scope)
    printed = capsys.readouterr().out
    assert "Charlie has an account already." in printed and printed.count(OWNER_EMAIL) >= 5


def test_the_program_that_follows_goes_on_where_it_was(
    server: Server, http: httpx2.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLBOOK_URL", server.url)
    (text,) = (block for block in BLOCKS if "events.follow" in block)
    (tmp_path / "program.py").write_text(text)
    command = [sys.executable, "program.py"]
    printed = tmp_path / "printed"
    ids = []
    for _ in range(2):
        ids.append(new_user(http)["id"])
        with started(command, server, tmp_path):
            wait_until((tmp_path / "last-event-id").exists)
            ids.append(new_user(http)["id"])
            wait_until(lambda: f"user.created {ids[-1]}" in printed.read_text())
            # It prints first: killed in between, it would print this again.
            wait_until(lambda: (tmp_path / "last-event-id").read_text() in events_of(http, ids[-1]))
    lines = printed.read_text().splitlines()
    assert lines.count(OWNER_EMAIL) == 1 and [lines.count(f"user.created {id}") for id in ids[1:]] == [1, 1, 1]
