"""`rollbook openapi`: print the API description that the server serves."""

from __future__ import annotations

import sys
from pathlib import Path

from rollbook.api import openapi as description
from rollbook.cli import options
from rollbook.cli.output import Failure, hint, program
from rollbook.config import Settings


@options.command(
    None, "openapi", options.file("--check", "FILE", "Only compare with this file. Exit code 1 if it differs.")
)
def app(check: Path | None) -> None:
    """Print the OpenAPI description of the API."""
    document = description.document(Settings().url, indent=2)
    if check is None:
        sys.stdout.buffer.write(document)
        sys.stdout.buffer.flush()
        return
    if check.read_bytes() != document:
        raise Failure(f"{check} is outdated. To update it: {program()} openapi > {check}")
    hint(f"{check} is up to date.")
