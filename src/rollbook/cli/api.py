"""`rollbook api`: any API call, with the key of a profile or on a data folder."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import parse_qsl

import click
import msgspec

from rollbook.cli import options
from rollbook.cli.backends import Backend
from rollbook.cli.output import Misuse, as_it_is, as_json, hint


@options.on_server(
    None,
    "api",
    options.argument("method", "METHOD"),
    options.argument("path", "PATH"),
    options.option("--body", "The body; `-` reads it from standard input.", metavar="JSON"),
)
def app(server: options.Server, method: str, path: str, body: str | None) -> None:
    """Send any API call and print the response. JSON is indented, anything else printed as it is.

    Shows how many requests are left of the rate limit.
    """
    if not path.startswith("/"):
        raise click.BadParameter("PATH must begin with a slash, such as /v1/users.")
    path, _, query = path.partition("?")
    with (
        server() as backend,
        backend.body(method.upper(), path, dict(parse_qsl(query, keep_blank_values=True)), _parsed(body)) as answer,
    ):
        if answer.is_json:
            as_json(_value(backend, b"".join(answer.parts)))
        else:
            as_it_is(answer.parts)
        if answer.limit:
            hint(answer.limit)


def _value(backend: Backend, body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise backend.stranger(200) from None


def _parsed(body: str | None) -> Any:
    if body is None:
        return None
    try:
        return msgspec.json.decode(sys.stdin.buffer.read() if body == "-" else body)
    except msgspec.DecodeError as problem:
        raise Misuse(f"--body is not valid JSON: {problem}.") from None
