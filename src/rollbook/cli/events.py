"""`rollbook events`: read and follow the event log, and put back what events changed."""

from __future__ import annotations

import sys

from rollbook.actions import arguments
from rollbook.cli import options
from rollbook.cli.backends import Shown, at
from rollbook.cli.fields import Fields, as_query
from rollbook.cli.output import as_json, details, hint, json_line, line

app = options.group(help="Read and follow the event log, and put back what events changed.")

EVENTS, ONE = "/v1/events", "/v1/events/{eventId}"
EVENT_ID = options.argument("event_id", "ID")
SINCE = {"created_after": "since", "created_before": "until"}
NEWEST_FIRST = {"order": "newest first", "wait": "`events tail`", "limit": "--limit"}


@options.on_server(
    app,
    "list",
    options.limit("events"),
    options.JSON_LINES,
    fields=arguments.ListEvents,
    call=("GET", EVENTS),
    elsewhere=NEWEST_FIRST,
    flags=SINCE,
)
def list_events(server: options.Server, fields: Fields, limit: int, json: bool) -> None:
    """List events, newest first."""
    with server() as backend:
        for event in backend.linked(EVENTS, {**as_query(fields.sent(backend)), "order": "desc"}, limit):
            json_line(event) if json else line(_sentence(event))


@options.on_server(
    app,
    "tail",
    options.JSON_LINES,
    fields=arguments.FollowEvents,
    elsewhere={"names": "the command reads the stream itself"},
    call=("GET", f"{EVENTS}/stream"),
)
def tail(server: options.Server, fields: Fields, json: bool) -> None:
    """Print events as they happen, until you press Ctrl+C. Lost connections are restored; no event is missed.

    --after begins after an event or a position that you had, instead of with the next event.
    """
    with server() as backend:
        asked = as_query(fields.sent(backend))
        if sys.stderr.isatty():
            hint(f"Following the event log of {backend.address}. Press Ctrl+C to stop.")
        for event in backend.events(asked):
            json_line(event) if json else line(_sentence(event))
            sys.stdout.flush()


@options.on_server(app, "get", EVENT_ID, call=("GET", ONE))
def get_event(server: options.Server, event_id: str) -> None:
    """Show an event, as JSON."""
    with server() as backend:
        as_json(backend.one("GET", at("events", event_id)))


@options.on_server(app, "revert", EVENT_ID, options.JSON, fields=arguments.EventRevert, call=("POST", f"{ONE}/revert"))
def revert_event(server: options.Server, fields: Fields, event_id: str, json: bool) -> None:
    """Put back what an event changed. What has changed since stays as it is."""
    with server() as backend:
        asked = fields.sent(backend)
        done = backend.one("POST", at("events", event_id, "revert"), body=asked)
    if json:
        return as_json(done)
    details(done["reverted"])
    for kept in done["not_reverted"]:
        hint(f"Not put back: {kept['message']}")
    if asked.get("dry_run"):
        hint("Nothing was changed.")
    return None


def _sentence(event: Shown) -> str:
    """An event in a line: its time, type, user and actor, and the ID to go on from."""
    about, actor = event["object"], event["actor"]
    who = about.get("email") or about.get("name") or event["user_id"] or "-"
    by = actor.get("user_id") or actor.get("address") or "-"
    return f"{event['created_at']}  {event['type']:<22}  {who}  by {by}  {event['id']}"
