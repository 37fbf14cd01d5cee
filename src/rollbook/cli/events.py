"""`rollbook events`: read and follow the event log."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rollbook.cli import options
from rollbook.cli.backends import Backend, Shown
from rollbook.cli.output import hint, json_line, line

app = options.group(help="Read and follow the event log.")


@app.command("list")
@options.on_server
def list_events(
    server: options.Server,
    type: options.EventTypes = None,
    user: options.AboutUser = None,
    actor: options.Actor = None,
    address: options.Address = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="Only events after this RFC 3339 time.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only events before this RFC 3339 time.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="Maximum number of events.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")] = False,
) -> None:
    """List events, newest first."""
    with server() as place:
        filters = _filters(place, type, user, actor, address, created_after=since, created_before=until, order="desc")
        for event in place.linked("/v1/events", filters, limit):
            json_line(event) if json else line(_sentence(event))


@app.command("tail")
@options.on_server
def tail(
    server: options.Server,
    type: options.EventTypes = None,
    user: options.AboutUser = None,
    actor: options.Actor = None,
    address: options.Address = None,
    after: options.After = None,
    json: Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")] = False,
) -> None:
    """Print events as they happen, until you press Ctrl+C. Lost connections are restored; no event is missed."""
    with server() as place:
        filters = _filters(place, type, user, actor, address, after=after)
        if sys.stderr.isatty():
            hint(f"Following the event log of {place.address}. Press Ctrl+C to stop.")
        for event in place.events(filters):
            json_line(event) if json else line(_sentence(event))
            sys.stdout.flush()


def _filters(
    place: Backend, type: list[str] | None, user: str | None, actor: str | None, address: str | None, **more: str | None
) -> dict[str, str]:
    given = {
        "type": ",".join(type or ()),
        "user": place.user(user)["id"] if user else None,
        "actor": place.user(actor)["id"] if actor and "@" in actor else actor,
        "address": address,
        **more,
    }
    return {name: value for name, value in given.items() if value}


def _sentence(event: Shown) -> str:
    """When, what, about whom, by whom, and the ID to go on from."""
    about, actor = event["object"], event["actor"]
    who = about.get("email") or about.get("name") or event["user_id"] or "-"
    by = actor.get("user_id") or actor.get("address") or "-"
    return f"{event['created_at']}  {event['type']:<22}  {who}  by {by}  {event['id']}"
