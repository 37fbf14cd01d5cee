"""Runs the server: settings, first start, workers, and the welcome message."""

from __future__ import annotations

import logging
import os
import re
import shlex
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rollbook import config, first_start
from rollbook.app import App, common
from rollbook.auth import server_secret
from rollbook.auth.tokens import link_url
from rollbook.cli import server_address
from rollbook.cli.output import program
from rollbook.config import ConfigurationError, Settings
from rollbook.first_start import FirstStart
from rollbook.http.server import serve
from rollbook.observe import log
from rollbook.records.connect import address, is_sqlite

logger = logging.getLogger("rollbook")

FIRST_START = "first-start.txt"
"""The file in the data folder with the owner's credentials."""
_NEEDED = ("ROLLBOOK_CONFIG", "ROLLBOOK_DATABASE", server_secret.SECRET, server_secret.SECRET_FILE)


def run(flags: Mapping[str, Any], config_file: Path | None = None) -> int:
    """Serve with these settings (None: not given) until stopped. Returns the exit code. Raises ConfigurationError,
    DatabaseUnusable."""
    settings, sources = config.load(flags, file=config_file)
    log.configure(settings)
    _check_listener(settings)
    shared = common(settings, sources)
    prepared = first_start.prepare(settings)
    first_start.forget_credentials()
    published: server_address.Published | None = None
    other = server_address.find(settings.data) if is_sqlite(settings) else None

    def announce(url: str) -> None:
        nonlocal published
        published = server_address.Published(settings.data, settings.public_url.rstrip("/") or url)
        _announce(settings, prepared, url)
        _tell_manager("READY=1")
        if other is not None:
            why = "Stop one of them: they count rate limits separately."
            _say([f"  Another server runs on this folder, at {other}. {why}", ""])

    try:
        return serve(
            settings,
            lambda settings, worker: App(settings, shared, worker),
            announce,
            restarted=lambda: shared.metrics.add("worker_restarts"),
        )
    finally:
        if published is not None:
            published.withdraw()
        else:
            _report_created(settings, prepared)


def _tell_manager(state: str) -> None:
    """Tell systemd, for a unit with `Type=notify`: sd_notify(3)."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(state.encode(), re.sub("^@", "\0", address))


def _report_created(settings: Settings, prepared: FirstStart) -> None:
    """Say what the first start has created, where the server did not start: the next one won't create or print it."""
    if prepared.key:
        file = _keep(settings, [prepared.key])
        where_it_is = f"is in {file}" if file else f"is {prepared.key}"
        _say([f"The server did not start, but the owner {prepared.owner} was created. Their API key {where_it_is}"])
    if prepared.link:
        _say([_invite("To set their password once the server runs", settings, prepared)])


def _check_listener(settings: Settings) -> None:
    """Raises ConfigurationError where others could read what is sent, and no one has said that this is all right."""
    if not settings.is_in_clear:
        return
    host = settings.host or "every address"
    if not settings.insecure_http:
        raise ConfigurationError(
            f"host: other machines can reach {host}, and without TLS anyone in between can read API keys and "
            "passwords. Do one of these: set tls_cert and tls_key to the files of a certificate; put a proxy with TLS "
            "in front and name its network in trusted_proxy; or, if only a network you trust reaches the port, start "
            "with --insecure-http (ROLLBOOK_INSECURE_HTTP=true)."
        )
    logger.warning("insecure_http: on %s, API keys and passwords are sent unencrypted", host)


def plain_flags(arguments: Sequence[str]) -> dict[str, Any] | None:
    """The settings, if the command line contains only `--setting value`; None if it contains anything else, such as
    `--help` or a mistake.

    The full command line (`serve.py`) accepts the same and more, but loading it takes a third of the time to the first
    response.
    """
    kinds = {name: config.written_type(hint) for name, hint in config.hints().items()}
    flags: dict[str, Any] = {}
    rest = iter(arguments)
    for flag in rest:
        name, equals, value = flag.removeprefix("--").partition("=")
        name = name.replace("-", "_")
        if not flag.startswith("--") or name not in kinds or kinds[name] is bool or "_" in flag:
            return None
        if not equals:
            value = next(rest, "-")
            if value.startswith("-"):
                return None
        if kinds[name] == tuple[str, ...]:
            flags.setdefault(name, []).append(value)
        else:
            flags[name] = value
    return flags


def _announce(settings: Settings, prepared: FirstStart, url: str) -> None:
    lines = welcome(settings, prepared, url)
    if (prepared.key or prepared.link) and (file := _keep(settings, lines)):
        details = prepared._replace(key=None, link=None, is_new=False, needs_password=False)
        kept = f"  {'Sign in' if prepared.link else 'API key'}    see {file}  (delete it once you have read it)"
        lines = welcome(settings, details, url, kept)
    _say(lines)


def _keep(settings: Settings, lines: list[str]) -> Path | None:
    """Write lines with credentials to a file for its owner only, unless a person reads standard error: logs are read by
    others.

    None where they must be printed after all.
    """
    if sys.stderr.isatty():
        return None
    file = settings.data.absolute() / FIRST_START
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write("\n".join([*lines, ""]))
    except OSError:
        return None
    return file


def welcome(settings: Settings, prepared: FirstStart, url: str, kept: str = "") -> list[str]:
    """Next steps after the start: the addresses of the server, the dashboard and the docs, the owner and, on first
    start, a link to sign in and a curl command to paste. `kept`: the line on where these are instead."""
    another_key = f"  Create {'another' if prepared.has_key else 'an'} API key"
    make_key = _command(another_key, f"keys create {shlex.quote(prepared.owner)}", settings)
    base = settings.public_url.rstrip("/") or url
    another = "  (another port: --port 9000)" if settings.port == Settings().port else ""
    lines = [
        "",
        f"  Rollbook listens at {url}{another}",
        f"  Dashboard  {base}",
        f"  Docs       {base}/docs",
        f"  Data       {settings.data.absolute() if is_sqlite(settings) else address(settings)}",
        f"  Owner      {prepared.owner}",
        *filter(None, [kept]),
    ]
    if prepared.is_new and prepared.key:
        lines.append(f"  API key    {prepared.key}")
    if prepared.link:
        lines.append(f"  Sign in    {link_url(base, 'reset_password', prepared.link)}  (works once, expires in 3 days)")
    if prepared.is_new:
        key = prepared.key or f"${first_start.KEY}"
        lines += [
            "",
            f'  curl -H "Authorization: Bearer {key}" {base}/v1/users',
        ]
    lines += ["", make_key]
    if not prepared.is_new and prepared.needs_password:
        lines.append(_invite("  Set the owner's password", settings, prepared))
    if prepared.remark:
        lines += ["", f"  {prepared.remark}"]
    return [*lines, ""]


def _invite(what: str, settings: Settings, prepared: FirstStart) -> str:
    """The command that creates a link for the owner."""
    return _command(what, f"users invite {shlex.quote(prepared.owner)}", settings)


def _command(what: str, words: str, settings: Settings) -> str:
    """A line with a command: its purpose, the variables without which it would not find this server's data, and itself.
    In a file or log, which are read elsewhere, paths are absolute."""
    names = " and ".join(name for name in _NEEDED if os.environ.get(name))
    data = settings.data if sys.stderr.isatty() else settings.data.absolute()
    # On PostgreSQL, the folder only has the secret.
    option = "" if settings.database and server_secret.is_given() else f" --data {shlex.quote(str(data))}"
    return f"{what}{names and f', with {names} of this server'}: {program()} {words}{option}"


def _say(lines: list[str]) -> None:
    """Print on standard error, like server messages: standard output is for the request log."""
    styled = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    marked = ("curl ", "Rollbook ", "Dashboard ", "Sign in ") if styled else ()
    # In one piece: whoever waits for a line of it has the rest as well.
    print(
        "\n".join([f"\x1b[1m{line}\x1b[0m" if line.lstrip().startswith(marked) else line for line in lines]),
        file=sys.stderr,
        flush=True,
    )
