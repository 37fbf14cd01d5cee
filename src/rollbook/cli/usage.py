"""`rollbook usage`: the requests that a user made with API keys."""

from __future__ import annotations

from rollbook.actions import arguments
from rollbook.cli import options
from rollbook.cli.completion import emails
from rollbook.cli.failures import Misuse
from rollbook.cli.fields import Fields
from rollbook.cli.output import as_json, counted, line, table

COUNTS = ("requests", "client_errors", "rate_limited", "server_errors")
USAGE = "/v1/usage"


@options.on_server(
    None,
    "usage",
    options.argument("user", "USER", required=False, shell_complete=emails),
    options.JSON,
    fields=arguments.ReadUsage,
    call=("GET", USAGE),
    elsewhere={"user": "USER"},
)
def app(server: options.Server, fields: Fields, user: str | None, json: bool) -> None:
    """Show a user's requests by endpoint and by API key, and how long they took. Without USER, your own."""
    with server() as backend:
        if user is None and backend.is_operator:
            raise Misuse("Name a user: rollbook usage EMAIL")
        whose = {"user": backend.user(user)["id"]} if user else {}
        found = backend.one("GET", USAGE, {**whose, **fields.sent(backend)})
        if json:
            as_json(found)
            return
        total = found["total"]
        line(
            f"{counted(total['requests'], 'request')}, {counted(total['client_errors'], 'client error')}, "
            f"{total['rate_limited']:,} rate limited, {counted(total['server_errors'], 'server error')}"
        )
        table(("route", *COUNTS, "p50_ms", "p95_ms"), found["routes"])
        table(("key_id", *COUNTS), found["keys"])
