"""`rollbook serve`: the server, with a flag for every setting."""

from __future__ import annotations

import inspect
import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
import typer

from rollbook import config, first_start
from rollbook.app import App, common
from rollbook.cli import options
from rollbook.cli.output import program
from rollbook.config import ConfigurationError, Settings
from rollbook.first_start import Prepared
from rollbook.gate import role_limits
from rollbook.http.server import serve as serve_http
from rollbook.limits import windows
from rollbook.observe import log


def serve(config_file: Path | None, **flags: Any) -> None:
    """Start the server. The first start makes an owner and shows its key.

    Every flag is also a variable (ROLLBOOK_RATE_LIMIT) and a line of rollbook.toml (rate_limit = "…"); the flag wins, then the variable.
    Before the first start, ROLLBOOK_OWNER_EMAIL, ROLLBOOK_OWNER_PASSWORD and ROLLBOOK_OWNER_KEY say who the owner will be.
    """
    settings, _ = config.load(
        {name: value or None if isinstance(value, list) else value for name, value in flags.items()}, file=config_file
    )
    check_limits(settings)
    log.configure(settings)
    prepared = first_start.prepare(settings)
    shared = common(settings)
    announced = False

    def announce(url: str) -> None:
        nonlocal announced
        announced = True
        _say(welcome(settings, prepared, url))

    try:
        code = serve_http(settings, partial(App, settings, shared), announce)
    finally:
        if prepared.key and not announced:  # nothing will show it again, and the next start will not make another
            _say([f"The server did not start, but the owner {prepared.owner} was made. Its API key: {prepared.key}"])
    raise typer.Exit(code)


def check_limits(settings: Settings) -> None:
    """Raises ConfigurationError when a limit is not written as one."""
    for name in ("rate_limit", "unauthenticated_limit", "attempts_limit"):
        try:
            windows.parse(getattr(settings, name))
        except ValueError as problem:
            raise ConfigurationError(f"{name}: {problem}") from None
    try:
        role_limits(settings)
    except ValueError as problem:
        raise ConfigurationError(f"role_limits: {str(problem).removeprefix('role_limits: ')}") from None


def welcome(settings: Settings, prepared: Prepared, url: str) -> list[str]:
    """What a person needs to go on: where it listens, whose it is, and the first time a call that works when pasted."""
    make_key = f"{program()} keys create {shlex.quote(prepared.owner)} --data {shlex.quote(str(settings.data))}"
    lines = ["", f"  Rollbook listens at {url}", f"  Data   {settings.data.absolute()}", f"  Owner  {prepared.owner}"]
    if prepared.is_new:
        if prepared.key:
            lines.append(f"  Key    {prepared.key}  (shown only now)")
        key = prepared.key or f"${first_start.KEY}"
        lines += ["", f'  curl -H "Authorization: Bearer {key}" {url}/v1/users', "", f"  Another key: {make_key}"]
    else:
        lines += ["", f"  To make a key: {make_key}"]
    if prepared.remark:
        lines += ["", f"  {prepared.remark}"]
    return [*lines, ""]


def _say(lines: list[str]) -> None:
    """On standard error, where the log of events goes: standard output is for the lines of requests."""
    styled = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    for line in lines:
        if styled and line.lstrip().startswith(("curl ", "Rollbook ")):
            line = f"\x1b[1m{line}\x1b[0m"
        print(line, file=sys.stderr)
    sys.stderr.flush()


def _flags() -> list[inspect.Parameter]:
    """One option for each setting, with its description; None when it is not given."""
    parameters = [
        _parameter(
            "config_file",
            Path,
            typer.Option(
                "--config",
                metavar="FILE",
                help="Settings file instead of ./rollbook.toml. [env: ROLLBOOK_CONFIG]",
                show_default=False,
            ),
        )
    ]
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    for name, hint in get_type_hints(Settings, include_extras=True).items():
        kind, meta = get_args(hint)
        flag, default = "--" + name.replace("_", "-"), defaults[name]
        if kind is bool:
            flag += "/--no-" + name.replace("_", "-")
            default = "on" if default else "off"
        help = meta.description
        if kind == tuple[str, ...]:
            kind, help = list[str], f"{help} May be given several times."
        if default not in ("", ()):
            help = f"{help} [default: {default}]"
        parameters.append(_parameter(name, kind, typer.Option(flag, help=help, show_default=False, metavar=_METAVARS.get(kind))))
    return parameters


_METAVARS = {str: "TEXT", int: "N", float: "SECONDS", Path: "DIR", list[str]: "TEXT"}


def _parameter(name: str, kind: Any, option: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option])


# typer makes options from a function's signature.
serve.__signature__ = inspect.Signature(_flags())  # type: ignore[attr-defined]
serve.__annotations__ = {parameter.name: parameter.annotation for parameter in _flags()}
app = options.single()
app.command()(serve)
