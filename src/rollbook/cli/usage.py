"""`rollbook usage`: the requests that a user, or the whole server, made with API keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rollbook.actions.arguments import usage as usage_arguments
from rollbook.actions.usage import ALL
from rollbook.cli import options
from rollbook.cli.completion import emails
from rollbook.cli.fields import Fields
from rollbook.cli.output import Misuse, as_json, counted, line
from rollbook.cli.tables import table

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
def app(server: options.Server, fields: Fields, user: str | None, all: bool, json: bool) -> None:
    """Show how many requests were made, by endpoint and API key, and how long they took. Your own, those of USER, or
    with --all those of the whole server, by user too."""
    if user is not None and all:
        raise Misuse("Pass USER or --all, not both.")
    with server() as backend:
        all = all or (user is None and backend.is_operator)
        whose = {"user": ALL} if all else {"user": backend.user(user)["id"]} if user else {}
        found = backend.one("GET", USAGE, {**whose, **fields.sent(backend)})
        if json:
            as_json(found)
            return
        total = found["total"]
        line(
            f"{counted(total['requests'], 'request')}, {counted(total['client_errors'], 'client error')}, "
            f"{total['rate_limited']:,} rate limited, {counted(total['server_errors'], 'server error')}"
        )
        table(("route", *COUNTS, "p50_ms", "p95_ms"), found["routes"], ("rate_limited", "server_errors"))
        if all:
            table(("name", *COUNTS, "user_id"), _with_others(total, found["users"]))
        table(("name", *COUNTS, "key_id"), _with_others(total, found["keys"]))


def _with_others(total: dict[str, int], some: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """And a line for those that are not among them."""
    yield from ({**each, "name": each["name"] or "-"} for each in some)
    rest = {name: total[name] - sum(each[name] for each in some) for name in COUNTS}
    if rest["requests"]:
        yield {"name": "(others)", "user_id": "-", "key_id": "-", **rest}
