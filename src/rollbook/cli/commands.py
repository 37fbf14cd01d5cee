"""The list of commands. Each is a module, imported when it is called, so that it doesn't wait for the others'
imports."""

from __future__ import annotations

from importlib import import_module

import click

from rollbook import __version__
from rollbook.cli import completion, options

# In the order of `--help`. The module of the same name contains `app`.
COMMANDS = (
    *("serve", "open", "login", "logout", "profiles"),
    *(
        "users",
        "groups",
        "tokens",
        "factors",
        "keys",
        "sessions",
        "events",
        "webhooks",
        "imports",
        "bulk",
        "logs",
        "usage",
        "api",
        "mcp",
    ),
    *("doctor", "backup", "migrate", "copy", "secret", "mail", "openapi", "version"),
)
ELSEWHERE = {"imports": ("import_jobs", "app"), "logout": ("profiles", "logout")}
"""Commands that are not `app` of the module of their name: module and name."""
PROGRAM = "rollbook"


class _Commands(options.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = ELSEWHERE.get(cmd_name, (cmd_name, "app"))
        found: click.Command = getattr(import_module(f"rollbook.cli.{module}"), name)
        return options.with_examples(found, cmd_name)


def _version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        print(f"rollbook {__version__}")
        context.exit()


def _completion(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        print(completion.install(PROGRAM))
        context.exit()


app = _Commands(
    PROGRAM,
    help="A self-hosted users API. Start with `rollbook serve`.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    params=[
        options.option(
            "--version", "Print the version and exit.", is_eager=True, expose_value=False, callback=_version
        ),
        options.option(
            "--install-completion",
            "Install completion for your shell.",
            is_eager=True,
            expose_value=False,
            callback=_completion,
        ),
    ],
)
