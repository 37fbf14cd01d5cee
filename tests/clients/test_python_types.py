"""What users of the Python client write has the right types for mypy and pyright, both as strict as they can be."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.clients import generated

CHECKERS: dict[str, list[str | Path]] = {
    "mypy": [
        generated.PYTHON.with_name("mypy"),
        "--strict",
        "--warn-unused-ignores",
        "--cache-dir",
        "cache",
        "--python-executable",
        sys.executable,
    ],
    "pyright": [generated.NODE / ".bin" / "pyright", "--pythonpath", sys.executable, "--warnings", "--project", "."],
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_program_has_the_types_it_relies_on_and_no_others(checker: str, tmp_path: Path) -> None:
    shutil.copy(generated.PROGRAMS / "sdk_python.py", tmp_path / "program.py")
    (tmp_path / "pyrightconfig.json").write_text(
        '{"typeCheckingMode": "strict", "reportUnnecessaryTypeIgnoreComment": true, "enableTypeIgnoreComments": '
        'false, "include": ["program.py"]}'
    )
    files = ["program.py"] if checker == "mypy" else []
    generated.run([*CHECKERS[checker], *files], tmp_path)
