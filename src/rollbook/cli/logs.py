"""`rollbook logs`: read and follow the request log."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from rollbook.cli import options
from rollbook.cli.backends import Backend, Shown, at
from rollbook.cli.completion import emails
from rollbook.cli.output import hint, json_line, line, shown

app = options.group(help="Read and follow the request log: calls made with API keys.")

FILTERS: dict[str, Any] = {
    "status": options.text("--status", "STATUS", "Only this status, such as 404, or this class, such as 4xx."),
    "method": options.text("--method", "METHOD", "Only this method, such as POST."),
    "path": options.text("--path", "PATH", "Only paths that begin with this one, such as /v1/users."),
    "path_match": options.text("--path-match", "prefix|exact", "prefix: paths that begin with --path. exact: --path itself only.", show_default="prefix"),
    "user": options.text("--user", "EMAIL|ID", "Only calls with the API keys of this user.", autocompletion=emails),
    "key_id": options.text("--key-id", "KEY_ID", "Only calls with this API key."),
}  # fmt: skip


@app.command("list")
@options.on_server
@options.taking(FILTERS)
def list_requests(
    server: options.Server,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="Only calls after this RFC 3339 time.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only calls before this RFC 3339 time.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="Maximum number of requests.")] = 50,
    json: options.JsonLines = False,
    **filters: str | None,
) -> None:
    """List requests, newest first."""
    with server() as place:
        for request in place.linked("/v1/requests", _asked(place, {**filters, "after": since, "before": until}), limit):
            json_line(request) if json else line(_sentence(request))


@app.command("get")
@options.on_server
def get_request(
    server: options.Server,
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="The `X-Request-Id` of a response, req_….")],
    json: options.Json = False,
) -> None:
    """Show a request."""
    with server() as place:
        shown(place.one("GET", at("requests", request_id)), json)


@app.command("tail")
@options.on_server
@options.taking(FILTERS)
def tail(
    server: options.Server,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Begin with the calls after this RFC 3339 time.")
    ] = None,
    json: options.JsonLines = False,
    **filters: str | None,
) -> None:
    """Print requests as they are answered, until you press Ctrl+C. Each appears 4 seconds later, so that they are in order."""
    with server() as place:
        if sys.stderr.isatty():
            hint(f"Following the request log of {place.address}. Press Ctrl+C to stop.")
        for request in place.followed("/v1/requests", _asked(place, filters), since):
            json_line(request) if json else line(_sentence(request))
            sys.stdout.flush()


def _asked(place: Backend, filters: dict[str, str | None]) -> Shown:
    """The options of FILTERS as parameters of the API."""
    user, method, key = (filters.pop(name) for name in ("user", "method", "key_id"))
    asked = {**filters, "user": user and place.user(user)["id"], "method": method and method.upper(), "key": key}
    return {name: value for name, value in asked.items() if value}


def _sentence(request: Shown) -> str:
    """When, what, how it was answered, for whom, and the ID to ask for."""
    limited = f"  {request['limited_by']}" if request["limited_by"] else ""
    more = f"  and {request['more']} more" if request["more"] else ""
    code = f"  {request['error']['code']}" if request["error"] else ""
    what = f"{request['status']}  {request['method']:<6} {request['path']}  {request['duration_ms']} ms{code}"
    who = f"{request['key_id']}  {request['address']}  {request['id']}"
    return f"{request['created_at']}  {what}  {who}{limited}{more}"
