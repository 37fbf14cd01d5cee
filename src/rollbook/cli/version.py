"""`rollbook version`."""

from __future__ import annotations

import platform
import sqlite3

from rollbook import __version__
from rollbook.cli import options
from rollbook.cli.output import as_json


@options.command(None, "version", options.JSON)
def app(json: bool) -> None:
    """Print the versions of Rollbook, Python and SQLite."""
    versions = {"rollbook": __version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    if json:
        as_json(versions)
    else:
        for name, number in versions.items():
            print(name, number)
