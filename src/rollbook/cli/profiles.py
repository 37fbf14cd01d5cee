"""`rollbook profiles`: lists the servers that `rollbook login` saved."""

from __future__ import annotations

from typing import Annotated

import typer

from rollbook.cli import options, profile_store
from rollbook.cli.output import listed, program

app = options.single()

COLUMNS = ("name", "url", "user", "expires_at", "scopes", "key_id")


@app.command()
def profiles(
    json: options.Json = False, quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the names.")] = False
) -> None:
    """List the profiles that `rollbook login` saved, without the keys."""
    found = [{"name": name, **profile_store.get(name).public()} for name in profile_store.names()]
    listed(found, COLUMNS, json, quiet, id="name", empty=f"No profiles yet. To create one: {program()} login")
