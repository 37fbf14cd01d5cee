"""Groups and commands, the options that several of them share, what their values mean, and the examples of their help,
from `examples.txt`: each can be pasted once its names are yours."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from difflib import get_close_matches
from functools import cache, partial
from getpass import getpass
from pathlib import Path
from typing import Any, TypeVar

import click
from msgspec import Struct

from rollbook.cli import output
from rollbook.cli.backends import Backend, Previewed
from rollbook.cli.completion import emails, profiles
from rollbook.cli.output import INTERRUPTED, Failure, Misuse, Refused, hint, wrong_values
from rollbook.cli.profile_store import DEFAULT
from rollbook.cli.targets import backend, running_server
from rollbook.errors import Fault, InvalidParameter


def examples(command: str) -> list[str]:
    """Return the examples of a command such as `users list`."""
    return [line for line in lines() if f"{line} ".startswith(f"rollbook {command} ")]


@cache
def lines() -> list[str]:
    return Path(__file__).with_name("examples.txt").read_text().splitlines()


def epilog(command: str) -> str:
    """Text after the options in the help of a command. `\\b` keeps the lines as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {example}" for example in examples(command))])


T = TypeVar("T")
Function = Callable[..., None]

MAX_TRIES = 3
"""The number of times that a password is asked for at a terminal."""

Server = Callable[..., AbstractContextManager[Backend]]
"""Opens what a command was pointed at; `make=True` for one that may be new."""
Running = Callable[[], AbstractContextManager[Any]]
"""Opens the running server a command was pointed at, a `Remote`: whoever imports that waits for the HTTP client."""


# ---- parameters


def argument(name: str, metavar: str, required: bool = True, **more: Any) -> click.Argument:
    return click.Argument([name], metavar=metavar if required else f"[{metavar}]", required=required, **more)


def option(flags: str, help: str, **more: Any) -> click.Option:
    """`flags` are separated by spaces, such as `--quiet -q`. A metavar makes it an option with a value."""
    if "metavar" not in more and "type" not in more:
        more.setdefault("is_flag", True)
    return click.Option(flags.split(), help=help, **more)


def file(flags: str, metavar: str, help: str, **more: Any) -> click.Option:
    """An option for a path."""
    return option(flags, help, metavar=metavar, type=click.Path(path_type=Path), **more)


DATA = file("--data", "DIR", "The server's data folder. The server can be running. [env: ROLLBOOK_DATA; default: data]")
URL = option("--url", "A running server instead of a folder. [env: ROLLBOOK_URL]", metavar="URL")
KEY = option(
    "--key",
    "The API key for --url. Prefer the variable: other users can see command lines. [env: ROLLBOOK_KEY]",
    metavar="KEY",
)
PROFILE = option(
    "--profile",
    "The server and API key that `rollbook login` saved under this name. [env: ROLLBOOK_PROFILE; default: default]",
    metavar="NAME",
    shell_complete=profiles,
)
JSON = option("--json", "Print JSON, with field names.")
JSON_LINES = option("--json", "Print each item as a line of JSON, with field names.")
QUIET = option("--quiet -q", "Print only the ID.")
OWN_PASSWORD = option(
    "--password", "Your password. `-` asks for it or reads it from standard input.", metavar="PASSWORD", default="-"
)
PUBLIC_URL = option(
    "--public-url",
    "The server's URL for people. [default: the setting public_url, or the address of the server that runs on the "
    "folder]",
    metavar="URL",
)
YES = option("--yes -y", "Don't ask for confirmation.")
DRY_RUN = option("--dry-run", "Only say what would happen, and change nothing.")
NAMED = argument("user", "EMAIL|ID", shell_complete=emails)
NAMED_OR_OWN = argument("user", "EMAIL|ID", required=False, shell_complete=emails)
PASSWORD = option(
    "--password",
    "The password. Other users of this machine can see it in the process list: use `-` to type it or read it "
    "from standard input.",
    metavar="TEXT",
)


class WholeNumber(click.IntRange):
    """A number in a range, and a sentence for anything else."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            most = "" if self.max is None else f" and at most {self.max:,}"
            self.fail(f"use a whole number of at least {self.min}{most}, not {value!r}.", param, ctx)


def profile(help: str) -> click.Option:
    """The profile that a command is about: the usual one, where none is named."""
    return option(
        "--profile",
        f"{help} [env: ROLLBOOK_PROFILE; default: {DEFAULT}]",
        metavar="NAME",
        envvar="ROLLBOOK_PROFILE",
        default=DEFAULT,
        shell_complete=profiles,
    )


SCREEN = 50
ON_SCREEN = f"{SCREEN} at a terminal, else all"


def on_screen(limit: int | None) -> int | None:
    """The limit of a list that a terminal shows a part of, and a file or another program gets as a whole."""
    return limit or (SCREEN if sys.stdout.isatty() else None)


def limit(things: str, most: int | None = None, default: int | None = 50, usual: str = "all") -> click.Option:
    """`default` None: as many as `usual` says."""
    return option(
        "--limit -n",
        f"Maximum number of {things}.{f' [default: {usual}]' if default is None else ''}",
        metavar="N",
        type=WholeNumber(min=1, max=most),
        default=default,
        show_default=True,
    )


_FOLDER_OR_SERVER = (DATA, URL, KEY, PROFILE)
_SERVER = (URL, KEY, PROFILE)


# ---- groups and commands


SAME = {"show": "get", "update": "set", "ls": "list", "rm": "delete"}
"""Other names of commands, for those who are used to them."""


def _list_all(context: click.Context, parameter: click.Parameter, is_set: bool) -> None:
    if is_set and not context.resilient_parsing:
        print(context.get_help())
        context.exit()


class CommandGroup(click.Group):
    """Commands that are listed in the order in which they were added, each with the first sentence of its help,
    whole; those of `more` only with --all."""

    def __init__(self, *arguments: Any, more: Collection[str] = (), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.more = more
        if more:
            self.params.append(option("--all", "List all commands.", expose_value=False, callback=_list_all))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Click answers --help before it looks at what follows it.
        ctx.meta[__name__] = "--all" in args
        return super().parse_args(ctx, args)

    def listed(self, ctx: click.Context) -> list[str]:
        """Names of the commands that the help lists."""
        return [name for name in self.list_commands(ctx) if ctx.meta.get(__name__) or name not in self.more]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if count := len(self.list_commands(ctx)) - len(self.listed(ctx)):
            formatter.write_paragraph()
            formatter.write_text(f"{count} more commands: {ctx.command_path} --help --all")

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = SAME.get(args[0], args[0]) if args[0] not in self.list_commands(ctx) else args[0]
        try:
            return super().resolve_command(ctx, [name, *args[1:]])
        except click.UsageError as problem:
            if close := get_close_matches(args[0], self.list_commands(ctx)):
                near = " or ".join(map(repr, close))
                raise click.UsageError(f"{problem.message} Did you mean {near}?", ctx) from None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, first_sentence(self.commands[name].help or "")) for name in self.listed(ctx)])


class Command(click.Command):
    """A command, and the call of the API that it is for. Its help has the options that say where it works by
    themselves."""

    call: tuple[str, str] | None = None
    """Method and path of the row."""
    elsewhere: Mapping[str, str] = {}
    """Fields of the call that have no option, each with what stands for it."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)) is not None:
                place = "Folder or server" if parameter in _FOLDER_OR_SERVER else "Options"
                sections.setdefault(getattr(parameter, "section", place), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would print a line
            raise click.exceptions.Exit(INTERRUPTED) from None


def group(help: str, more: Collection[str] = ()) -> CommandGroup:
    """`more` are commands that its help lists only with --all."""
    return CommandGroup(help=help, more=more, no_args_is_help=True)


def first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence, on one line."""
    return re.split(r"(?<=[.!?])\s", " ".join(text.split()), maxsplit=1)[0]


def command(app: CommandGroup | None, name: str, *parameters: click.Parameter) -> Callable[[Function], Command]:
    """A command that is about no server. It is called with the values of the parameters, by name."""
    return lambda function: _added(app, name, list(parameters), function, function)


def on_server(
    app: CommandGroup | None,
    name: str,
    *parameters: click.Parameter,
    fields: type[Struct] | None = None,
    call: tuple[str, str] | None = None,
    elsewhere: Mapping[str, str] = {},
    flags: Mapping[str, str] = {},
    optional: Iterable[str] = (),
    running: bool = False,
    previews: bool = True,
) -> Callable[[Function], Command]:
    """A command on what --data, --url, --key and --profile name; with `running`, on a server that runs. The function
    gets the Server (Running), with `fields` the Fields that were given, then the parameters by name.

    `fields` are those of the query or body of `call`, each an option unless it is `elsewhere`; `flags` and `optional`
    as `fields.options_of` has them. A command that changes something has --dry-run, unless `previews` is False.
    """
    opened = running_server if running else backend
    where = _SERVER if running else _FOLDER_OR_SERVER
    own = [parameter for parameter in parameters if isinstance(parameter, click.Argument)]
    more = [parameter for parameter in parameters if not isinstance(parameter, click.Argument)]
    field_options = [] if fields is None else _options_of(fields, elsewhere, flags, optional)
    previews = previews and call is not None and call[0] != "GET"
    if previews:
        more.append(DRY_RUN)

    def add(function: Function) -> Command:
        def run(**values: Any) -> None:
            server: Any = partial(
                opened, **{str(parameter.name): values.pop(str(parameter.name)) for parameter in where}
            )
            if previews and values.pop("dry_run"):
                server = partial(_previewing, server)
                values |= {"yes": True} if "yes" in values else {}
            with _faults_of(added), _preview(values.get("json", False), added):
                if fields is None:
                    function(server, **values)
                else:
                    from rollbook.cli.fields import Fields

                    function(server, Fields(added, values), **values)

        added = _added(app, name, [*own, *field_options, *more, *where], function, run)
        added.call, added.elsewhere = call, elsewhere
        return added

    return add


@contextmanager
def _previewing(server: Server, make: bool = False) -> Iterator[Backend]:
    """Opens what a command was pointed at, for a preview of what it would change. It creates no database."""
    with server() as backend:
        backend.previews = 1
        yield backend


@contextmanager
def _preview(as_json: bool, command: Command) -> Iterator[None]:
    """Ends with what a preview has found: for people, or with the response as JSON."""
    try:
        yield
    except Previewed as preview:
        if as_json and preview.value is not None:
            output.as_json(preview.value)
        hint(preview.said(re.split(r"[.,:](?:\s|$)", " ".join((command.help or "").split()))[0]))


def _options_of(
    fields: type[Struct], elsewhere: Mapping[str, str], flags: Mapping[str, str], optional: Iterable[str]
) -> list[click.Parameter]:
    # Imported here: commands without fields don't wait for the types of all calls.
    from rollbook.cli.fields import options_of

    return options_of(fields, elsewhere, flags, optional)


@contextmanager
def _faults_of(command: Command) -> Iterator[None]:
    """Raises Misuse for faults in the values of a call: each names the option it is about."""
    try:
        yield
    except (InvalidParameter, Refused) as problem:
        if not (faults := wrong_values(problem)):
            raise
        raise Misuse(" ".join(_in_options_of(command, fault) for fault in faults)) from None


def _added(
    app: CommandGroup | None, name: str, parameters: list[click.Parameter], function: Function, run: Function
) -> Command:
    added = Command(name, callback=run, params=parameters, help=inspect.cleandoc(function.__doc__ or ""))
    if app is not None:
        app.add_command(added)
    return added


def with_examples(command: click.Command, name: str) -> click.Command:
    """Add examples to the help of the command of this name, or of the commands of this group."""
    if not isinstance(command, click.Group):
        command.epilog = epilog(name)
        return command
    for child, subcommand in command.commands.items():
        subcommand.epilog = epilog(f"{name} {child}")
    return command


def _in_options_of(command: click.Command, fault: Fault) -> str:
    """The sentence about a parameter of the API, which names the option it came from instead."""
    flags = {
        getattr(parameter, "field", parameter.name): parameter.opts[0]
        for parameter in command.params
        if isinstance(parameter, click.Option)
    }
    if isinstance(command, Command):
        flags |= {name: other for name, other in command.elsewhere.items() if other.isupper() or other[:2] == "--"}
    if fault.param in flags and fault.message.startswith((f"{fault.param} ", f"{fault.param}: ")):
        return flags[fault.param] + fault.message.removeprefix(fault.param)
    return fault.message


# ---- passwords and questions


def password(text: str | None, required: bool) -> str | None:
    """The password that was meant: `-`, or none where one is needed, is asked for, without showing it."""
    if text is None and not (required and sys.stdin.isatty()):
        if required:
            raise Misuse("A password is required. Add --password - to read it from standard input.")
        return None
    if text not in (None, "-"):
        return text
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    return _typed_password()


def _typed_password() -> str:
    for tries in range(MAX_TRIES):
        typed = getpass("Password: ")
        if typed == getpass("Confirm password: "):
            return typed
        if tries + 1 < MAX_TRIES:
            hint("The passwords don't match. Try again.")
    raise Failure("The passwords don't match. Nothing was changed.")


def public_url(text: str | None) -> str | None:
    """The URL of --public-url, if it is one. Raises BadParameter."""
    if text is not None and not text.startswith(("http://", "https://")):
        raise click.BadParameter("--public-url must start with http:// or https://.")
    return text


def with_password(text: str | None, first: str, send: Callable[[str], T]) -> T:
    """Return what `send` does for the password `first`. One that was typed at a terminal, and that the rules refuse, is
    asked for again. `text` is the option that `first` comes from."""
    chosen = first
    for _ in range(MAX_TRIES - 1):
        try:
            return send(chosen)
        except (InvalidParameter, Refused) as problem:
            was_typed = text in (None, "-") and sys.stdin.isatty()
            if not was_typed or {fault.param for fault in wrong_values(problem)} != {"password"}:
                raise
            hint(f"{problem} Try again.")
            chosen = _typed_password()
    return send(chosen)


def current_password(text: str | None) -> str | None:
    """The current password that was meant: `-` is read or asked for, without showing it."""
    if text != "-":
        return text
    return getpass("Current password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")


def one_of(values: Iterable[str]) -> dict[str, Any]:
    """An option that has one of these values, or several with commas between them."""
    from rollbook.cli.fields import offering, parts

    choices = list(values)

    def check(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
        for part in parts(text or ""):
            if part not in choices:
                near = "".join(f" Did you mean {choice}?" for choice in get_close_matches(part, choices, 1))
                raise click.BadParameter(f"{part!r} is not one of {', '.join(choices)}.{near}")
        return text

    return {"callback": check, "shell_complete": offering(choices)}


def confirm(question: str, yes: bool, why: str = "This can't be undone.") -> None:
    """Go on if that is what is wanted. Raises Failure if it isn't, or no one can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(f"{why} Add --yes to continue without confirmation.")
    if not click.confirm(question, err=True):
        raise Failure("Nothing was changed.")


def confirm_replace(file: Path) -> None:
    """Go on if there is no such file yet, or it may be replaced. Raises Failure."""
    if not file.is_file():
        return
    if not sys.stdin.isatty():
        raise Failure(f"{file} exists. Add --force to replace it, or choose another name.")
    if not click.confirm(f"{file} exists. Replace it?", err=True):
        raise Failure("Nothing was written.")
