"""`rollbook serve`: the server, with a flag for every setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click
import msgspec

from rollbook import config
from rollbook.cli import options, server
from rollbook.config import Settings

_METAVARS: dict[Any, str] = {str: "TEXT", int: "N", float: "SECONDS", Path: "DIR"}


class AdvancedOption(click.Option):
    """A flag that few servers need."""

    section = "Advanced"


def _flags() -> list[click.Parameter]:
    """An option for each setting, with its description. None if it isn't given."""
    parameters: list[click.Parameter] = [
        options.file("--config", "FILE", "Settings file instead of ./rollbook.toml. [env: ROLLBOOK_CONFIG]")
    ]
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    hints = config.hints()
    for name in (*config.FIRST, *(hint for hint in hints if hint not in config.FIRST)):
        kind, about = config.written_type(hints[name]), get_args(hints[name])[1].description
        parameters.append(_flag(name, kind, about, config.written(defaults[name])))
    return parameters


def _flag(name: str, kind: Any, help: str, default: Any) -> click.Option:
    flag = "--" + name.replace("_", "-")
    if kind is bool:
        flag += "/--no-" + name.replace("_", "-")
        default = "on" if default else "off"
    elif kind == tuple[str, ...]:
        help = f"{help} Can be repeated."
    if default not in ("", ()):
        help = f"{help} [default: {default}]"
    return (click.Option if name in config.FIRST else AdvancedOption)([flag], help=help, default=None, **_form(kind))


def _form(kind: Any) -> dict[str, Any]:
    """Form of an option's value, by its type."""
    if kind is bool:
        return {}
    if kind == tuple[str, ...]:
        return {"multiple": True, "metavar": "TEXT"}
    choices = get_args(kind)  # of a Literal
    written = click.Choice(choices) if choices else click.Path(path_type=Path) if kind is Path else kind
    return {"metavar": _METAVARS.get(kind), "type": written}


@options.command(None, "serve", *_flags())
def app(config: Path | None, **flags: Any) -> None:
    """Start the server. The first start creates an owner and prints their API key and a sign-in link.

    You can also set every flag with an environment variable (ROLLBOOK_RATE_LIMIT) or in rollbook.toml (rate_limit =
    "…"). Flags override variables, variables override the file. To choose the owner, set ROLLBOOK_OWNER_EMAIL,
    ROLLBOOK_OWNER_PASSWORD and ROLLBOOK_OWNER_KEY before the first start.
    """
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in flags.items() if value != ()}
    raise click.exceptions.Exit(server.run(values, config))
