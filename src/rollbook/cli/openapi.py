"""`rollbook openapi`: print the API description that the server serves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rollbook.api import openapi as description
from rollbook.cli import options
from rollbook.cli.failures import Failure
from rollbook.cli.output import hint, program
from rollbook.config import Settings

app = options.single()


@app.command()
def openapi(
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="Only compare with this file. Exit code 1 if it differs.")
    ] = None,
) -> None:
    """Print the OpenAPI description of the API."""
    document = description.document(Settings().url)
    if check is None:
        sys.stdout.buffer.write(document)
        sys.stdout.buffer.flush()
        return
    if check.read_bytes() != document:
        raise Failure(f"{check} is outdated. To update it: {program()} openapi > {check}")
    hint(f"{check} is up to date.")
