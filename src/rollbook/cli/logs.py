"""`rollbook logs`: read and follow the request log."""

from __future__ import annotations

import sys

from rollbook.actions import arguments
from rollbook.cli import options
from rollbook.cli.backends import Shown, at
from rollbook.cli.fields import Fields
from rollbook.cli.output import hint, json_line, line, shown

app = options.group(help="Read and follow the request log: calls made with API keys.")

REQUESTS = "/v1/requests"
SINCE = {"after": "since", "before": "until"}


@options.on_server(
    app,
    "list",
    options.limit("requests"),
    options.JSON_LINES,
    fields=arguments.ListRequests,
    call=("GET", REQUESTS),
    elsewhere={"order": "newest first", "wait": "`logs tail`", "limit": "--limit"},
    flags=SINCE,
)
def list_requests(server: options.Server, fields: Fields, limit: int, json: bool) -> None:
    """List requests, newest first."""
    with server() as backend:
        for request in backend.linked(REQUESTS, fields.sent(backend), limit):
            json_line(request) if json else line(_sentence(request))


@options.on_server(
    app, "get", options.argument("request_id", "REQUEST_ID"), options.JSON, call=("GET", f"{REQUESTS}/{{requestId}}")
)
def get_request(server: options.Server, request_id: str, json: bool) -> None:
    """Show a request, by the `X-Request-Id` of its response."""
    with server() as backend:
        shown(backend.one("GET", at("requests", request_id)), json)


@options.on_server(
    app,
    "tail",
    options.JSON_LINES,
    fields=arguments.ListRequests,
    elsewhere={"order": "oldest first", "wait": "waits", "limit": "no end", "before": "no end"},
    flags=SINCE,
)
def tail(server: options.Server, fields: Fields, json: bool) -> None:
    """Print requests as they are answered, until you press Ctrl+C. Each appears 4 seconds later, so that they are in
    order."""
    since = fields.take("after")
    with server() as backend:
        if sys.stderr.isatty():
            hint(f"Following the request log of {backend.address}. Press Ctrl+C to stop.")
        for request in backend.followed(REQUESTS, fields.sent(backend), since):
            json_line(request) if json else line(_sentence(request))
            sys.stdout.flush()


def _sentence(request: Shown) -> str:
    """A request in a line: its time, call, status and user, and the ID to ask for."""
    limited = f"  {request['limited_by']}" if request["limited_by"] else ""
    more = f"  and {request['more']} more" if request["more"] else ""
    code = f"  {request['error']['code']}" if request["error"] else ""
    what = f"{request['status']}  {request['method']:<6} {request['path']}  {request['duration_ms']} ms{code}"
    who = f"{request['key_id']}  {request['address']}  {request['id']}"
    return f"{request['created_at']}  {what}  {who}{limited}{more}"
