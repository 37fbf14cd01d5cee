"""Runs the server from its flags: settings, first start, workers, and the words that greet the person who started it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from rollbook import config, first_start
from rollbook.app import App, common
from rollbook.auth.tokens import password_link
from rollbook.cli.output import program, where
from rollbook.config import Settings
from rollbook.first_start import Prepared
from rollbook.http.server import serve
from rollbook.observe import log
from rollbook.records import opening


def run(flags: Mapping[str, Any], config_file: Path | None = None) -> int:
    """Serve with these settings (None: not given) until told to stop; the exit code. Raises ConfigurationError, DatabaseUnusable."""
    settings, sources = config.load(flags, file=config_file)
    log.configure(settings)
    shared = common(settings, sources)
    prepared = first_start.prepare(settings)
    announced = False

    def announce(url: str) -> None:
        nonlocal announced
        announced = True
        _say(welcome(settings, prepared, url))

    try:
        return serve(
            settings,
            lambda settings, worker: App(settings, shared, worker),
            announce,
            restarted=lambda: shared.metrics.add("worker_restarts"),
        )
    finally:
        if prepared.key and not announced:  # nothing will show it again, and the next start will not make another
            _say([f"The server did not start, but the owner {prepared.owner} was made. Its API key: {prepared.key}"])
        if prepared.link and not announced:
            _say([f"To set its password, once the server runs: {invite(settings, prepared, '')}"])


def plain_flags(arguments: Sequence[str]) -> dict[str, Any] | None:
    """The settings in a command line of nothing but `--setting value`; None when it holds anything else, be it `--help` or a mistake.

    The command line proper (`serve.py`) takes the same and more, but is a third of the time to the first answer.
    """
    kinds = {name: config.written_type(hint) for name, hint in get_type_hints(Settings, include_extras=True).items()}
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


def welcome(settings: Settings, prepared: Prepared, url: str) -> list[str]:
    """What a person needs to go on: where it listens, whose it is, and the first time a call that works when pasted."""
    make_key = f"{program()} keys create {shlex.quote(prepared.owner)}{where(settings)}"
    base = settings.public_url.rstrip("/") or url
    lines = [
        "",
        f"  Rollbook listens at {url}",
        f"  Data     {settings.data.absolute() if opening.is_sqlite(settings) else opening.place(settings)}",
        f"  Owner    {prepared.owner}",
    ]
    if prepared.is_new and prepared.key:
        lines.append(f"  Key      {prepared.key}  (shown only now)")
    if prepared.link:
        lines.append(f"  Sign in  {password_link(base, prepared.link)}  (once, within 3 days)")
    elif not prepared.needs_password:
        lines.append(f"  Sign in  {base}/account")
    if prepared.is_new:
        key = prepared.key or f"${first_start.KEY}"
        lines += ["", f'  curl -H "Authorization: Bearer {key}" {url}/v1/users', "", f"  Another key: {make_key}"]
    else:
        lines += ["", f"  To make a key: {make_key}"]
        if prepared.needs_password:
            lines.append(f"  To set the owner's password: {invite(settings, prepared, base)}")
    if prepared.remark:
        lines += ["", f"  {prepared.remark}"]
    return [*lines, ""]


def invite(settings: Settings, prepared: Prepared, base: str) -> str:
    """The command that makes the owner a link to set its password. It knows no flags of the server: `base` is told where it cannot guess it."""
    command = f"{program()} users invite {shlex.quote(prepared.owner)}{where(settings)}"
    return command if base in ("", Settings().url) else f"{command} --public-url {shlex.quote(base)}"


def _say(lines: list[str]) -> None:
    """On standard error, where the log of events goes: standard output is for the lines of requests."""
    styled = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    for line in lines:
        if styled and line.lstrip().startswith(("curl ", "Rollbook ", "Sign in ")):
            line = f"\x1b[1m{line}\x1b[0m"
        print(line, file=sys.stderr)
    sys.stderr.flush()
