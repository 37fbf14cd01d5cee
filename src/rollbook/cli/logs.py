"""Commands about requests: `rollbook logs` reads and follows the request log, `rollbook usage` counts them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from rollbook.actions.arguments import usage as usage_arguments
from rollbook.actions.usage import ALL
from rollbook.cli import options
from rollbook.cli.backends import NAMED_AT_ONCE, Backend, Shown, at
from rollbook.cli.completion import emails
from rollbook.cli.fields import Fields
from rollbook.cli.output import Misuse, as_json, counted, hint, json_line, line, shown, tell_limit
from rollbook.cli.tables import table

app = options.group(help="Read and follow the request log: calls made with API keys.")

REQUESTS = "/v1/requests"
COLUMNS = ("created_at", "status", "method", "path", "duration_ms", "error", "user", "key_id", "address", "id")
SPARE = ("address", "key_id", "id", "user")
LIKE = {
    "created_at": "2026-11-25T00:00:00Z",
    "status": 200,
    "method": "DELETE",
    "path": "/v1/users/user_06h2dlak3tqo5d9k7k24javrh0",
    "duration_ms": 1000.25,
    "error": "insufficient_scope",
    "user": "Charlie Chaplin",
    "key_id": "key_06h2dlak3tqo5d9k7k24javrh0",
    "address": "192.168.100.100",
    "id": "req_06h2dlak3tqo5d9k7k24javrh0",
}
"""The widths of the columns of requests that have not been made yet."""
SINCE = {"after": "since", "before": "until"}


@options.on_server(
    app,
    "list",
    options.limit("requests"),
    options.JSON_LINES,
    fields=usage_arguments.ListRequests,
    call=("GET", REQUESTS),
    elsewhere={"order": "newest first", "wait": "`logs tail`", "limit": "--limit"},
    flags=SINCE,
)
def list_requests(server: options.Server, fields: Fields, limit: int, json: bool) -> None:
    """List requests, newest first."""
    with server() as backend:
        log = backend.linked(REQUESTS, fields.sent(backend), limit)
        if json:
            for request in log:
                json_line(request)
        elif number := table(COLUMNS, _rows(backend, log, NAMED_AT_ONCE), SPARE):
            tell_limit(number, limit)
        else:
            hint("No such requests. They are logged for some days, and appear seconds after their answer.")


@options.on_server(
    app, "get", options.argument("request_id", "REQUEST_ID"), options.JSON, call=("GET", f"{REQUESTS}/{{requestId}}")
)
def get_request(server: options.Server, request_id: str, json: bool) -> None:
    """Show a request, by the `X-Request-Id` of its response."""
    with server() as backend:
        request = backend.one("GET", at("requests", request_id))
        shown(request if json else backend.with_names(request, "user_id"), json)


@options.on_server(
    app,
    "tail",
    options.JSON_LINES,
    fields=usage_arguments.ListRequests,
    call=("GET", REQUESTS),
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
        log = backend.followed(REQUESTS, fields.sent(backend), since)
        if not json:
            table(COLUMNS, _rows(backend, log, 1), SPARE, like=LIKE)
        for request in log:
            json_line(request)
            sys.stdout.flush()


def _rows(backend: Backend, log: Iterator[Shown], at_once: int) -> Iterator[Shown]:
    """Requests as people read them: with the names of their users."""
    while part := list(islice(log, at_once)):
        names = backend.names(request["user_id"] for request in part)
        for request in part:
            yield {**request, "error": _error(request), "user": names.get(request["user_id"], request["user_id"])}


def _error(request: Shown) -> str | None:
    code = request["error"]["code"] if request["error"] else None
    more = f"and {request['more']} more" if request["more"] else None
    return ", ".join(filter(None, (code, request["limited_by"], more))) or None


COUNTS = ("requests", "client_errors", "rate_limited", "server_errors")
USAGE = "/v1/usage"


@options.on_server(
    None,
    "usage",
    options.argument("user", "USER", required=False, shell_complete=emails),
    options.option("--all", "Usage of the whole server, by user and API key."),
    options.JSON,
    fields=usage_arguments.ReadUsage,
    call=("GET", USAGE),
    elsewhere={"user": "USER"},
)
def usage(server: options.Server, fields: Fields, user: str | None, all: bool, json: bool) -> None:
    """Show how many requests were made, by endpoint and API key, and how long they took. Your own, those of USER, or
    with --all those of the whole server, by user too."""
    if user is not None and all:
        raise Misuse("Pass USER or --all, not both.")
    with server() as backend:
        all = all or (user is None and backend.is_operator)
        whose = {"user": ALL} if all else {"user": backend.user(user)["id"]} if user else {}
        report = backend.one("GET", USAGE, {**whose, **fields.sent(backend)})
        if json:
            as_json(report)
            return
        total = report["total"]
        line(
            f"{counted(total['requests'], 'request')}, {counted(total['client_errors'], 'client error')}, "
            f"{total['rate_limited']:,} rate limited, {counted(total['server_errors'], 'server error')}"
        )
        table(("route", *COUNTS, "p50_ms", "p95_ms"), report["routes"], ("rate_limited", "server_errors"))
        if all:
            table(("name", *COUNTS, "user_id"), _with_others(total, report["users"]))
        table(("name", *COUNTS, "key_id"), _with_others(total, report["keys"]))


def _with_others(total: dict[str, int], some: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """And a line for those that are not among them."""
    yield from ({**entry, "name": entry["name"] or "-"} for entry in some)
    rest = {name: total[name] - sum(entry[name] for entry in some) for name in COUNTS}
    if rest["requests"]:
        yield {"name": "(others)", "user_id": "-", "key_id": "-", **rest}
