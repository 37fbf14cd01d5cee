"""`rollbook sessions`: list where a user is signed in, and sign them out there."""

from __future__ import annotations

from rollbook.actions.arguments import sessions as session_arguments
from rollbook.cli import options
from rollbook.cli.backends import PAGED, at
from rollbook.cli.fields import Fields
from rollbook.cli.output import hint, line, listed

app = options.group(help="List where a user is signed in, and sign them out there.")

COLUMNS = ("id", "audience", "created_at", "last_seen_at", "address", "user_agent")
SESSIONS = "/v1/sessions"


@options.on_server(
    app,
    "list",
    options.NAMED_OR_OWN,
    options.limit("sessions", default=None),
    options.JSON,
    options.QUIET,
    fields=session_arguments.ListSessions,
    call=("GET", SESSIONS),
    elsewhere={"user": "EMAIL|ID", **PAGED},
)
def list_sessions(
    server: options.Server, fields: Fields, user: str | None, limit: int | None, json: bool, quiet: bool
) -> None:
    """List where a user is signed in, by default yourself, newest first: the dashboard, without an audience, and
    applications."""
    with server() as backend:
        sessions = backend.all(SESSIONS, {"user": backend.user_or_self(user)["id"], **fields.sent(backend)}, limit)
        listed(sessions, COLUMNS, json, quiet, spare=("user_agent",), empty="Signed in nowhere.")


@options.on_server(
    app,
    "delete",
    options.argument("session_id", "SESSION_ID"),
    options.QUIET,
    call=("DELETE", f"{SESSIONS}/{{sessionId}}"),
)
def delete_session(server: options.Server, session_id: str, quiet: bool) -> None:
    """Sign a user out of the dashboard in one browser, or of an application."""
    with server() as backend:
        backend.ask("DELETE", at("sessions", session_id))
        line(session_id) if quiet else hint(f"Signed out {session_id}.")
