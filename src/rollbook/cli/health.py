"""`rollbook health`: an exit status for containers, units and scripts."""

from __future__ import annotations

import http.client
import json
import os
import ssl
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import click

from rollbook import client_tls, config
from rollbook.cli import options, server_address
from rollbook.cli.output import Failure, base_url
from rollbook.config import PREFIX, Settings

TIMEOUT = 2.0
"""Seconds for each step of a connection: containers and load balancers wait as long."""


@options.command(None, "health", options.URL, options.file("--config", "FILE", "Settings file."), options.DATA)
def app(url: str | None, config: Path | None, data: Path | None) -> None:
    """Ask a server whether it can handle requests. Exit code 1 if it can't."""
    if url and data is not None:
        raise click.BadParameter("--data and --url can't be combined: name the folder of a server, or its URL.")
    url = url or (os.environ.get(f"{PREFIX}URL") if data is None else None)
    address = base_url(url) if url else own_address(data, config)
    try:
        status, text = ask(address, "/health/ready", is_own=not url)
        body = json.loads(text)
        sentence = (
            ", ".join(f"{name} {state}" for name, state in body["checks"].items()) if status == 200 else body["error"]
        )
    except (OSError, http.client.HTTPException) as problem:
        raise Failure(f"{address} does not answer: {problem}") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise Failure(f"{address} does not answer as Rollbook does.") from None
    if status != 200:
        raise Failure(f"{address}: {sentence}")
    print(f"{address}: {sentence}")


def own_address(data: Path | None, file: Path | None) -> str:
    """The address of the server with these settings; the port of one that runs on the folder may be another one."""
    settings, _ = config.load({"data": data}, file=file)
    return (None if settings.public_url else server_address.find(settings.data)) or address_of(settings)


def address_of(settings: Settings) -> str:
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http{'s' if settings.tls_cert else ''}://{f'[{host}]' if ':' in host else host}:{settings.port}"


def ask(address: str, path: str, is_own: bool) -> tuple[int, bytes]:
    """The status and body of a GET. The certificate of one's own server needn't be for this address. Raises OSError,
    HTTPException."""
    parts = urlsplit(address)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = client_tls.client_context()
        if is_own:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
    with closing(connection):
        connection.request("GET", f"{parts.path}{path}", headers={"Accept": "application/json"})
        response = connection.getresponse()
        return response.status, response.read(65_536)
