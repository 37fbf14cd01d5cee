"""`rollbook logs`: read and follow the request log."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rollbook.cli import options
from rollbook.cli.backends import Backend, Shown
from rollbook.cli.completion import emails
from rollbook.cli.output import as_json, details, hint, json_line, line

app = options.group(help="Read and follow the request log: calls made with API keys.")

Status = Annotated[
    str | None,
    typer.Option("--status", metavar="STATUS", help="Only this status, such as 404, or this class, such as 4xx.", show_default=False),
]  # fmt: skip
Method = Annotated[
    str | None, typer.Option("--method", metavar="METHOD", help="Only this method, such as POST.", show_default=False)
]
PathStart = Annotated[
    str | None,
    typer.Option("--path", metavar="PATH", help="Only paths that begin with this one, such as /v1/users.", show_default=False),
]
PathMatch = Annotated[
    str | None,
    typer.Option(
        "--path-match",
        metavar="prefix|exact",
        help="prefix: paths that begin with --path. exact: --path itself only.",
        show_default="prefix",
    ),
]
OfUser = Annotated[
    str | None,
    typer.Option(
        "--user", metavar="EMAIL|ID", help="Only calls with the API keys of this user.", show_default=False, autocompletion=emails
    ),
]
OfKey = Annotated[
    str | None, typer.Option("--key-id", metavar="KEY_ID", help="Only calls with this API key.", show_default=False)
]
Lines = Annotated[bool, typer.Option("--json", help="Print each request as a line of JSON.")]


@app.command("list")
@options.on_server
def list_requests(
    server: options.Server,
    status: Status = None,
    method: Method = None,
    path: PathStart = None,
    path_match: PathMatch = None,
    user: OfUser = None,
    key_id: OfKey = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Only calls after this RFC 3339 time.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Only calls before this RFC 3339 time.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="Maximum number of requests.")] = 50,
    json: Lines = False,
) -> None:
    """List requests, newest first."""
    with server() as place:
        filters = _filters(place, status, method, path, path_match, user, key_id) | {"after": since, "before": until}
        for request in place.linked("/v1/requests", {name: value for name, value in filters.items() if value}, limit):
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
        request = place.request(request_id)
        as_json(request) if json else details(request)


@app.command("tail")
@options.on_server
def tail(
    server: options.Server,
    status: Status = None,
    method: Method = None,
    path: PathStart = None,
    path_match: PathMatch = None,
    user: OfUser = None,
    key_id: OfKey = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Begin with the calls after this RFC 3339 time.", show_default=False),
    ] = None,
    json: Lines = False,
) -> None:
    """Print requests as they are answered, until you press Ctrl+C. Each appears 4 seconds later, so that they are in order."""
    with server() as place:
        filters = _filters(place, status, method, path, path_match, user, key_id)
        if sys.stderr.isatty():
            hint(f"Following the request log of {place.address}. Press Ctrl+C to stop.")
        for request in place.requests(filters, since):
            json_line(request) if json else line(_sentence(request))
            sys.stdout.flush()


def _filters(
    place: Backend,
    status: str | None,
    method: str | None,
    path: str | None,
    path_match: str | None,
    user: str | None,
    key_id: str | None,
) -> Shown:
    about = place.user(user)["id"] if user else None
    given = {
        "status": status,
        "method": method and method.upper(),
        "path": path,
        "path_match": path_match,
        "user": about,
        "key": key_id,
    }
    return {name: value for name, value in given.items() if value}


def _sentence(request: Shown) -> str:
    """When, what, how it was answered, for whom, and the ID to ask for."""
    limited = f"  {request['limited_by']}" if request["limited_by"] else ""
    more = f"  and {request['more']} more" if request["more"] else ""
    code = f"  {request['error']['code']}" if request["error"] else ""
    what = f"{request['status']}  {request['method']:<6} {request['path']}  {request['duration_ms']} ms{code}"
    who = f"{request['key_id']}  {request['address']}  {request['id']}"
    return f"{request['created_at']}  {what}  {who}{limited}{more}"
