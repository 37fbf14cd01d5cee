"""What is kept of an import's errors: nothing that a file holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollbook.actions import import_files
from rollbook.config import Settings
from rollbook.jobs import import_process

SECRET = "Tr0ub4dor-unique"


def test_a_bug_in_reading_a_file_is_logged_without_the_cell_it_failed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(data: Path, id: str) -> None:
        raise KeyError(SECRET)

    monkeypatch.setattr(import_files, "opened", fail)
    with pytest.raises(SystemExit):
        import_process.run(Settings(data=tmp_path, log="json"), "imp_1")
    said = json.loads(capsys.readouterr().err)
    assert said["problem"] == "KeyError" and "test_import_errors.py" in said["where"]
    assert SECRET not in f"{said}"
