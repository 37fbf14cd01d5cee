"""Every ROLLBOOK_ variable in deploy/ is one that the server reads: a misspelt one would be passed over in silence."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from rollbook.cli.doctor import NOT_SETTINGS
from rollbook.config import PREFIX, Settings
from tests.deploy.programs import DEPLOY
from tests.grids import grid

FILES = sorted(
    path
    for path in DEPLOY.rglob("*")
    if path.is_file() and path.parent.name not in ("secrets", "__pycache__") and path.name != ".env"
)
KNOWN = {PREFIX + name for name in (*NOT_SETTINGS, "COMMIT")} | {
    PREFIX + field.name.upper() for field in msgspec.structs.fields(Settings)
}


@grid("file", FILES, ids=lambda file: str(file.relative_to(DEPLOY)))
def test_every_variable_is_known(file: Path) -> None:
    assert set(re.findall(rf"\b{PREFIX}[A-Z_]+", file.read_text())) - KNOWN - {PREFIX} == set()


def test_the_files_name_variables() -> None:
    assert any(PREFIX in file.read_text() for file in FILES)
