"""The list of commands. Each is a module, imported when it is called, so that it doesn't wait for the others'
imports."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

import click

from rollbook.cli import completion, options

COMMANDS = {
    "serve": "Start the server.",
    "open": "Open the dashboard in the browser, and print its URL.",
    "login": "Save a server and an API key, so that commands need no --url and --key.",
    "logout": "Forget a profile and its API key.",
    "profiles": "List the profiles that `rollbook login` saved, without the keys.",
    "users": "List, create and update users.",
    "apps": "Create applications: programs that people sign in to, or that call the API.",
    "groups": "Manage groups of users, such as teams.",
    "tokens": "Create, list, revoke, consume and request one-time tokens.",
    "factors": "List, add, verify and remove second factors.",
    "keys": "Create, list, change, reveal, rotate and revoke API keys.",
    "sessions": "List where a user is signed in, and sign them out there.",
    "events": "Read and follow the event log, and put back what events changed.",
    "webhooks": "Create, test and replay webhooks, and forward events to a program on this machine.",
    "rules": "Automate what is done to users, such as suspending those who are inactive.",
    "imports": "Look at the imports of a server, cancel and undo them.",
    "bulk": "Change many users in the background: run, undo, list and cancel bulk jobs.",
    "logs": "Read and follow the request log: calls made with API keys.",
    "usage": "Show how many requests were made, by endpoint and API key, and how long they took.",
    "api": "Send any API call and print the response.",
    "mcp": "Let an assistant on this machine use Rollbook (MCP).",
    "doctor": "Check this installation and say how to fix what is wrong.",
    "health": "Ask a server whether it can handle requests.",
    "backup": "Back up the SQLite database to a file.",
    "migrate": "Apply pending migrations to the database.",
    "copy": "Copy everything to another database, such as from SQLite to PostgreSQL.",
    "secret": "Change the server's secret, and the keys that sign access tokens.",
    "mail": "Try the settings of mail.",
    "openapi": "Print the OpenAPI description of the API.",
}
"""In the order of `--help`, each with the first sentence of its own help: so the list waits for no imports. The module
of the same name contains `app`."""
FIRST = frozenset("serve open login users apps groups keys events webhooks api doctor backup".split())
"""Commands that `rollbook --help` lists; with --all, it lists all of them."""
SECTIONS = {
    "serve": "Begin",
    "users": "Users and what they have",
    "events": "What happens",
    "api": "Programs",
    "doctor": "Look after a server",
}
"""Titles of parts of the list, each before its first command."""
HELP = """A self-hosted users API. Begin with `rollbook serve`.

Commands work on a data folder, ./data or another one with --data, or on a running server, with --url and --key or
signed in with `rollbook login`. At a terminal, times are in your time zone; in JSON and pipes, they are UTC.
"""
EPILOG = """\b
Examples:
  rollbook users list --search ada
  rollbook keys create ada@example.com --expires 90d
  rollbook events tail --url https://rollbook.example.com

More about a command: rollbook COMMAND --help
"""
ELSEWHERE = {
    "open": ("login", "open_dashboard"),
    "logout": ("login", "logout"),
    "profiles": ("login", "profiles"),
    "imports": ("import_jobs", "app"),
    "usage": ("logs", "usage"),
    "backup": ("database", "back_up"),
    "migrate": ("database", "migrate_database"),
    "copy": ("database", "copy_everything"),
}
"""Commands that are not `app` of the module of their name: module and name."""
PROGRAM = "rollbook"


class _Commands(options.CommandGroup):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names, listed = list(COMMANDS), self.listed(ctx)
        starts = [*map(names.index, SECTIONS), len(names)]
        for title, begin, end in zip(SECTIONS.values(), starts, starts[1:], strict=False):
            with formatter.section(title):
                formatter.write_dl([(name, COMMANDS[name]) for name in names[begin:end] if name in listed])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = ELSEWHERE.get(cmd_name, (cmd_name, "app"))
        command: click.Command = getattr(import_module(f"rollbook.cli.{module}"), name)
        return options.with_examples(command, cmd_name)


def wrong_call(problem: click.ClickException) -> str:
    """The sentence for a command that can't be called like this, and where its help is."""
    said = problem.format_message()
    if isinstance(problem, click.BadParameter) and not isinstance(problem, click.MissingParameter):
        flag = problem.param.opts[0] if isinstance(problem.param, click.Option) else ""
        said = problem.message if problem.message.startswith("--") or not flag else f"{flag}: {problem.message}"
    elif isinstance(problem, click.NoSuchOption):
        near = _options_for(problem) or get_close_matches(problem.option_name, problem.possibilities or (), 1)
        alone = "" if near and near[0].startswith("-") else " without an option"
        said = f"{problem.message}{f' Did you mean {near[0]!r}{alone}?' if near else ''}"
    context = problem.ctx if isinstance(problem, click.UsageError) else None
    return said if context is None else f"{said}\nHelp: {context.command_path} --help"


def _options_for(problem: click.NoSuchOption) -> list[str]:
    """The option for the field that the API calls like this."""
    field = problem.option_name.lstrip("-").replace("-", "_")
    parameters = [] if problem.ctx is None else problem.ctx.command.params
    arguments = [str(each.metavar) for each in parameters if isinstance(each, click.Argument) and each.name == field]
    return arguments or [parameter.opts[0] for parameter in parameters if getattr(parameter, "field", None) == field]


def _version(context: click.Context, parameter: click.Parameter, is_set: bool) -> None:
    if is_set and not context.resilient_parsing:
        from rollbook.cli import version

        print(version.line())
        context.exit()


def _completion(context: click.Context, parameter: click.Parameter, is_set: bool) -> None:
    if is_set and not context.resilient_parsing:
        print(completion.install(PROGRAM))
        context.exit()


app = _Commands(
    PROGRAM,
    more=COMMANDS.keys() - FIRST,
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[
        options.option(
            "--version",
            "Print the versions of Rollbook, with its commit, Python and SQLite.",
            is_eager=True,
            expose_value=False,
            callback=_version,
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
