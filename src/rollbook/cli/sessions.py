"""`rollbook sessions`: list the browsers a user is signed in with, and sign them out."""

from __future__ import annotations

from typing import Annotated

import typer

from rollbook.cli import options
from rollbook.cli.backends import at
from rollbook.cli.output import hint, line, listed

app = options.group(help="List the browsers a user is signed in with, and sign them out.")

COLUMNS = ("id", "created_at", "last_seen_at", "address", "user_agent")


@app.command("list")
@options.on_server
def list_sessions(server: options.Server, user: options.Named, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List the browsers a user is signed in with, newest first."""
    with server() as place:
        listed(place.all("/v1/sessions", {"user": place.user(user)["id"]}), COLUMNS, json, quiet)


@app.command("delete")
@options.on_server
def delete_session(
    server: options.Server,
    session_id: Annotated[str, typer.Argument(metavar="SESSION_ID", help="The ID, as shown by `sessions list`.")],
    quiet: options.Quiet = False,
) -> None:
    """Sign a browser out."""
    with server() as place:
        place.ask("DELETE", at("sessions", session_id))
        line(session_id) if quiet else hint(f"Signed out {session_id}.")
