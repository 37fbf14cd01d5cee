"""`rollbook profiles`: lists the servers that `rollbook login` saved."""

from __future__ import annotations

from rollbook.cli import options, profile_store
from rollbook.cli.output import listed, program

COLUMNS = ("name", "url", "user", "expires_at", "scopes", "key_id")


@options.command(None, "profiles", options.JSON, options.option("--quiet -q", "Print only the names."))
def app(json: bool, quiet: bool) -> None:
    """List the profiles that `rollbook login` saved, without the keys."""
    found = [{"name": name, **profile_store.get(name).public()} for name in profile_store.names()]
    listed(found, COLUMNS, json, quiet, id="name", empty=f"No profiles yet. To create one: {program()} login")
