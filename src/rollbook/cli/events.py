"""`rollbook events`: read and follow the event log, and put back what events changed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice

from rollbook.actions.arguments import events as event_arguments
from rollbook.cli import options
from rollbook.cli.backends import NAMED_AT_ONCE, Backend, Shown, at
from rollbook.cli.fields import Fields, as_query
from rollbook.cli.output import Failure, Misuse, Refused, as_json, details, hint, json_line, line, tell_limit
from rollbook.cli.tables import table, when
from rollbook.errors import ApiError, NotReversible
from rollbook.records import event_types

app = options.group(help="Read and follow the event log, and put back what events changed.")

EVENTS, ONE = "/v1/events", "/v1/events/{eventId}"
SINCE = {"created_after": "since", "created_before": "until"}
COLUMNS = ("created_at", "type", "about", "by", "id")
LIKE = {
    "created_at": "2026-11-25T00:00:00Z",
    "type": max(event_types.TYPES, key=len),
    "about": "ada.lovelace@example.com",
    "by": "Charlie Chaplin",
    "id": "evt_06h2dlk4bhq1576ovmie9t4dbs",
}
"""The widths of the columns of events that have not happened yet."""
TRIES = 20
"""Earlier changes that are tried, to name one that can be put back."""
DRY_RUN = {"dry_run": "true"}
NEWEST_FIRST = {"order": "newest first", "wait": "`events tail`", "limit": "--limit"}


@options.on_server(
    app,
    "list",
    options.limit("events"),
    options.JSON_LINES,
    options.QUIET,
    fields=event_arguments.ListEvents,
    call=("GET", EVENTS),
    elsewhere=NEWEST_FIRST,
    flags=SINCE,
)
def list_events(server: options.Server, fields: Fields, limit: int, json: bool, quiet: bool) -> None:
    """List events, newest first."""
    with server() as backend:
        log = backend.linked(EVENTS, {**as_query(fields.sent(backend)), "order": "desc"}, limit)
        if json:
            for event in log:
                json_line(event)
        elif quiet:
            for event in log:
                line(event["id"])
        elif number := table(COLUMNS, _rows(backend, log, NAMED_AT_ONCE)):
            tell_limit(number, limit)
        else:
            hint("No such events.")


@options.on_server(
    app,
    "tail",
    options.JSON_LINES,
    fields=event_arguments.FollowEvents,
    elsewhere={"names": "the command reads the stream itself"},
    call=("GET", f"{EVENTS}/stream"),
)
def tail(server: options.Server, fields: Fields, json: bool) -> None:
    """Print events as they happen, until you press Ctrl+C. Lost connections are restored; no event is missed.

    --after begins after an event or a position that you had, instead of with the next event.
    """
    with server() as backend:
        query = as_query(fields.sent(backend))
        if sys.stderr.isatty():
            hint(f"Following the event log of {backend.address}. Press Ctrl+C to stop.")
        log = backend.events(query)
        if not json:
            table(COLUMNS, _rows(backend, log, 1), like=LIKE)
        for event in log:
            json_line(event)
            sys.stdout.flush()


@options.on_server(app, "get", options.argument("event_id", "ID"), call=("GET", ONE))
def get_event(server: options.Server, event_id: str) -> None:
    """Show an event, as JSON."""
    with server() as backend:
        event = backend.one("GET", at("events", event_id))
        as_json(event)
        if sys.stdout.isatty():
            hint(f"\n{_named(backend, event)}")
            if event["before"]:
                hint(f"To put back what it changed: {backend.command('events', 'revert', event_id)}")


@options.on_server(
    app,
    "revert",
    options.argument("event_id", "ID", required=False),
    options.option("--last", "The newest change, whoever made it. If it can't be put back, nothing is."),
    options.JSON,
    options.DRY_RUN,
    call=("POST", f"{ONE}/revert"),
    previews=False,
)
def revert_event(server: options.Server, event_id: str | None, last: bool, json: bool, dry_run: bool) -> None:
    """Put back what an event changed. What has changed since stays as it is."""
    if last == bool(event_id):
        raise Misuse("Name an event by its ID, or use --last.")
    with server() as backend:
        event = _newest_change(backend) if last else backend.one("GET", at("events", str(event_id)))
        try:
            done = backend.one("POST", at("events", event["id"], "revert"), DRY_RUN if dry_run else None)
        except (Refused, ApiError) as problem:
            if not last or problem.code != NotReversible.code:
                raise
            raise Failure(_instead(backend, event, str(problem))) from None
        if json:
            return as_json(done)
        hint(f"{'Would put' if dry_run else 'Put'} back {_named(backend, event)}.")
    details(done["reverted"])
    for refusal in done["not_reverted"]:
        hint(f"Not put back: {refusal['message']}")
    return None


def _newest_change(backend: Backend) -> Shown:
    # Imported here: no other command needs the rules of what changes.
    from rollbook.actions.reverting import CHANGES, is_change

    for event in backend.linked(EVENTS, {"type": ",".join(CHANGES), "order": "desc"}, None):
        if is_change(event["type"], event["actor"]["address"]):
            return event
    raise Failure("The event log has no changes.")


def _instead(backend: Backend, newest: Shown, reason: str) -> str:
    """The sentences for a newest change that can't be put back, with the newest that can."""
    from rollbook.actions.reverting import REVERTIBLE

    said = f"The newest change, {_named(backend, newest)}, can't be put back. {reason}"
    for event in backend.linked(EVENTS, {"type": ",".join(REVERTIBLE), "before": newest["id"], "order": "desc"}, TRIES):
        with suppress(Refused, ApiError):
            backend.one("POST", at("events", event["id"], "revert"), DRY_RUN)
            command = backend.command("events", "revert", event["id"])
            return f"{said} The newest that can is {_named(backend, event)}: {command}"
    return said


def _named(backend: Backend, event: Shown) -> str:
    """An event in a sentence, such as `user.deleted of jo@example.com (2026-12-01 21:47:03 CET by Owner)`."""
    (row,) = _rows(backend, iter((event,)), 1)
    of = "" if row["about"] == "-" else f" of {row['about']}"
    return f"{event['type']}{of} ({when(event['created_at'])} by {row['by']})"


def _rows(backend: Backend, log: Iterator[Shown], at_once: int) -> Iterator[Shown]:
    """Events as people read them: with the names of those whom they are about and who made them."""
    while part := list(islice(log, at_once)):
        names = backend.names(id for event in part for id in (_whose(event), event["actor"].get("user_id")))
        for event in part:
            yield {**event, "about": _about(event, names), "by": _actor(event["actor"], names)}


def _whose(event: Shown) -> str | None:
    """The user whom it is about, if the object does not say it."""
    return None if event["object"].get("email") else event["user_id"]


def _about(event: Shown, names: Mapping[str, str]) -> str:
    about, id = event["object"], _whose(event)
    if about.get("email"):
        return str(about["name"] if about.get("kind") == "application" else about["email"])
    thing = next((about[name] for name in ("group_name", "name", "url") if about.get(name)), None)
    user = id and names.get(id, id)
    return f"{thing} ({user})" if thing and user else str(thing or user or about.get("id") or "-")


def _actor(actor: Shown, names: Mapping[str, str]) -> str:
    id = actor.get("user_id")
    return names.get(id, id) if id else actor.get("address") or "-"
