"""`rollbook events`: follow the event log."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rollbook.cli import options
from rollbook.cli.backends import Shown
from rollbook.cli.output import hint, json_line, line

app = options.group(help="Follow the event log.")


@app.callback()
def events() -> None:
    """One command is a group too: others come to stand beside it."""


@app.command("tail")
@options.on_server
def tail(
    server: options.Server,
    type: options.EventTypes = None,
    user: options.AboutUser = None,
    after: options.After = None,
    json: Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")] = False,
) -> None:
    """Print events as they happen, until you press Ctrl+C. Lost connections are restored; no event is missed."""
    with server() as place:
        filters = {"type": ",".join(type or ()), "user": place.user(user)["id"] if user else "", "after": after or ""}
        if sys.stderr.isatty():
            hint(f"Following the event log of {place.address}. Press Ctrl+C to stop.")
        for event in place.events({name: value for name, value in filters.items() if value}):
            json_line(event) if json else line(_sentence(event))
            sys.stdout.flush()


def _sentence(event: Shown) -> str:
    """When, what, about whom, by whom, and the ID to go on from."""
    about, actor = event["object"], event["actor"]
    who = about.get("email") or about.get("name") or event["user_id"] or "-"
    by = actor.get("user_id") or actor.get("address") or "-"
    return f"{event['created_at']}  {event['type']:<22}  {who}  by {by}  {event['id']}"
