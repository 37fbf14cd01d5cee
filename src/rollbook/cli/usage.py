"""`rollbook usage`: the requests that a user made with API keys."""

from __future__ import annotations

from typing import Annotated

import typer

from rollbook.cli import options
from rollbook.cli.completion import emails
from rollbook.cli.failures import Misuse
from rollbook.cli.output import as_json, counted, line, table

app = options.single()

COUNTS = ("requests", "client_errors", "rate_limited", "server_errors")


@app.command("usage")
@options.on_server
def show_usage(
    server: options.Server,
    user: Annotated[
        str | None,
        typer.Argument(metavar="[USER]", help="ID or email. Default: the user of your API key.", autocompletion=emails),
    ] = None,
    key_id: Annotated[str | None, typer.Option("--key-id", metavar="KEY_ID", help="Only requests with this API key.")] = None,
    period: Annotated[str, typer.Option(metavar="PERIOD", help="How far to look back: 24h, 7d, 30d or 90d.")] = "7d",
    json: options.Json = False,
) -> None:
    """Show a user's requests by endpoint and by API key, and how long they took."""
    with server() as place:
        if user is None and place.is_operator:
            raise Misuse("Name a user: rollbook usage EMAIL")
        asked = {"user": place.user(user)["id"] if user else None, "key": key_id, "period": period}
        found = place.one("GET", "/v1/usage", {name: value for name, value in asked.items() if value})
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
