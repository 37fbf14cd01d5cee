"""The list of commands. Each is a module, imported when it is called, so that it doesn't wait for the others' imports."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer

from rollbook import __version__
from rollbook.cli import examples
from rollbook.cli.options import Group

# In the order of `--help`. The module of the same name contains `app`.
COMMANDS = ("serve", "open", "login", "logout", "profiles", "users", "keys", "sessions", "events", "webhooks", "logs", "usage", "api", "doctor", "backup", "migrate", "copy", "openapi", "version")  # fmt: skip


class _Commands(Group):
    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[bad-assignment]  # only their names are read, for "Did you mean"

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(import_module(f"rollbook.cli.{cmd_name}").app)
        command.name = cmd_name
        for name, each in getattr(command, "commands", {}).items():
            each.epilog = examples.epilog(f"{cmd_name} {name}")
        if cmd_name in examples.EXAMPLES:
            command.epilog = examples.epilog(cmd_name)
        return command


app = typer.Typer(
    name="rollbook",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"rollbook {__version__}")
        raise typer.Exit()


@app.callback()
def rollbook(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A self-hosted users API. Start with `rollbook serve`."""
