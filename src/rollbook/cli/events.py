"""`rollbook events`: read and follow the event log."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from rollbook.cli import options
from rollbook.cli.backends import Backend, Shown
from rollbook.cli.output import hint, json_line, line

app = options.group(help="Read and follow the event log.")

FILTERS: dict[str, Any] = {
    "type": options.EventTypes,
    "user": options.AboutUser,
    "actor": options.text("--actor", "EMAIL|ID", "Only what this user did, or the API key with this ID."),
    "address": options.text("--address", "IP", "Only what was done from this IP address; cli: the command line, system: the server itself."),
}  # fmt: skip


@app.command("list")
@options.on_server
@options.taking(FILTERS)
def list_events(
    server: options.Server,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="Only events after this RFC 3339 time.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only events before this RFC 3339 time.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="Maximum number of events.")] = 50,
    json: options.JsonLines = False,
    **filters: Any,
) -> None:
    """List events, newest first."""
    with server() as place:
        asked = _asked(place, {**filters, "created_after": since, "created_before": until, "order": "desc"})
        for event in place.linked("/v1/events", asked, limit):
            json_line(event) if json else line(_sentence(event))


@app.command("tail")
@options.on_server
@options.taking(FILTERS)
def tail(server: options.Server, after: options.After = None, json: options.JsonLines = False, **filters: Any) -> None:
    """Print events as they happen, until you press Ctrl+C. Lost connections are restored; no event is missed."""
    with server() as place:
        asked = _asked(place, {**filters, "after": after})
        if sys.stderr.isatty():
            hint(f"Following the event log of {place.address}. Press Ctrl+C to stop.")
        for event in place.events(asked):
            json_line(event) if json else line(_sentence(event))
            sys.stdout.flush()


def _asked(place: Backend, filters: Shown) -> dict[str, str]:
    """The options of FILTERS as parameters of the API."""
    types, user, actor = (filters[name] for name in ("type", "user", "actor"))
    asked = filters | {
        "type": types and ",".join(types),
        "user": user and place.user(user)["id"],
        "actor": place.user(actor)["id"] if actor and "@" in actor else actor,
    }
    return {name: value for name, value in asked.items() if value}


def _sentence(event: Shown) -> str:
    """When, what, about whom, by whom, and the ID to go on from."""
    about, actor = event["object"], event["actor"]
    who = about.get("email") or about.get("name") or event["user_id"] or "-"
    by = actor.get("user_id") or actor.get("address") or "-"
    return f"{event['created_at']}  {event['type']:<22}  {who}  by {by}  {event['id']}"
