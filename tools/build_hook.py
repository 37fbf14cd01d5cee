"""Writes into the wheel and the source archive which commit they are built from, for `rollbook --version`."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAMES = {"sdist": "src/rollbook/commit.txt", "wheel": "rollbook/commit.txt"}


class CommitHook(BuildHookInterface):
    """Takes what a source archive says, else ROLLBOOK_COMMIT, else the commit of the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        written = Path(self.root, NAMES["sdist"])
        commit = (
            written.read_text().strip()
            if written.exists()
            else os.environ.get("ROLLBOOK_COMMIT") or self._of_checkout()
        )
        if version == "editable" or not commit:
            return
        self._folder = tempfile.TemporaryDirectory()
        file = Path(self._folder.name, "commit.txt")
        file.write_text(f"{commit}\n")
        build_data["force_include"][str(file)] = NAMES[self.target_name]

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "_folder"):
            self._folder.cleanup()

    def _of_checkout(self) -> str:
        if not Path(self.root, ".git").exists():  # not that of a folder above
            return ""
        command = ["git", "-C", self.root, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        except OSError:
            return ""
