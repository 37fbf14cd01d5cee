"""The list of commands. Each is a module, imported when it is called, so that it doesn't wait for the others'
imports."""

from __future__ import annotations

from importlib import import_module

import click

from rollbook import __version__
from rollbook.cli import completion, options

COMMANDS = {
    "serve": "Start the server.",
    "open": "Open the dashboard in the browser, and print its URL.",
    "login": "Save a server and an API key, so that commands need no --url and --key.",
    "logout": "Forget a profile and its API key.",
    "profiles": "List the profiles that `rollbook login` saved, without the keys.",
    "users": "List, create and update users.",
    "apps": "Connect applications, such as your shop: users that have API keys and can't sign in.",
    "groups": "Manage groups of users, such as teams.",
    "tokens": "Create, list, revoke, consume and request one-time tokens.",
    "factors": "List, add, verify and remove second factors.",
    "keys": "Create, list, change, reveal, rotate and revoke API keys.",
    "sessions": "List where a user is signed in, and sign them out there.",
    "events": "Read and follow the event log, and put back what events changed.",
    "webhooks": "Create and test webhooks, send their events again, and forward events to a program on this machine.",
    "imports": "Look at the imports of a server, and cancel one.",
    "bulk": "Change many users in the background: run, undo, list and cancel bulk jobs.",
    "logs": "Read and follow the request log: calls made with API keys.",
    "usage": "Show requests by endpoint and by API key, and how long they took: your own, those of USER, or with --all "
    "those of the whole server, by user too.",
    "api": "Send any API call and print the response: JSON indented, anything else as it is.",
    "mcp": "Let an assistant on this machine use Rollbook (MCP on standard input and output).",
    "doctor": "Check this installation and say how to fix what is wrong.",
    "backup": "Back up the SQLite database to a file.",
    "migrate": "Apply pending migrations to the database.",
    "copy": "Copy everything from one database to another: SQLite to PostgreSQL, back, or to another of the same kind.",
    "secret": "Change the server's secret, which encrypts API keys that can be revealed and webhook secrets, and the "
    "keys that sign access tokens.",
    "mail": "Try the settings of mail.",
    "openapi": "Print the OpenAPI description of the API.",
    "version": "Print the versions of Rollbook, Python and SQLite.",
}
"""In the order of `--help`, each with the first sentence of its own help: so the list waits for no imports. The module
of the same name contains `app`."""
ELSEWHERE = {"imports": ("import_jobs", "app"), "logout": ("profiles", "logout")}
"""Commands that are not `app` of the module of their name: module and name."""
PROGRAM = "rollbook"


class _Commands(options.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

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
