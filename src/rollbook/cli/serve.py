"""`rollbook serve`: the server, with a flag for every setting."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
import typer

from rollbook import config
from rollbook.cli import options, server
from rollbook.config import Settings


def serve(config_file: Path | None, **flags: Any) -> None:
    """Start the server. The first start creates an owner and prints their API key and a sign-in link.

    You can also set every flag with an environment variable (ROLLBOOK_RATE_LIMIT) or in rollbook.toml (rate_limit = "…"). Flags override variables, variables override the file.
    To choose the owner, set ROLLBOOK_OWNER_EMAIL, ROLLBOOK_OWNER_PASSWORD and ROLLBOOK_OWNER_KEY before the first start.
    """
    raise typer.Exit(server.run(flags, config_file))


def _flags() -> list[inspect.Parameter]:
    """One option for each setting, with its description. None if it isn't given."""
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
        kind, meta = config.written_type(hint), get_args(hint)[1]
        flag, default = "--" + name.replace("_", "-"), config.written(defaults[name])
        if kind is bool:
            flag += "/--no-" + name.replace("_", "-")
            default = "on" if default else "off"
        help = meta.description
        if kind == tuple[str, ...]:
            kind, help = list[str], f"{help} Can be repeated."
        if default not in ("", ()):
            help = f"{help} [default: {default}]"
        parameters.append(_parameter(name, kind, typer.Option(flag, help=help, show_default=False, metavar=_METAVARS.get(kind))))
    return parameters


_METAVARS = {str: "TEXT", int: "N", float: "SECONDS", Path: "DIR", list[str]: "TEXT"}


def _parameter(name: str, kind: Any, option: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option])


# typer creates options from a function's signature.
serve.__signature__ = inspect.Signature(_flags())  # type: ignore[attr-defined]
serve.__annotations__ = {parameter.name: parameter.annotation for parameter in _flags()}
app = options.single()
app.command()(serve)
