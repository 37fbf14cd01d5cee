"""Options shared by several commands, and how their values are parsed."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial, wraps
from getpass import getpass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer
from typer.core import TyperGroup

from rollbook import clock, units
from rollbook.cli.backends import Backend
from rollbook.cli.completion import emails
from rollbook.cli.failures import Failure, Misuse, Refused, wrong_values
from rollbook.cli.output import hint
from rollbook.cli.targets import backend, running_server
from rollbook.errors import Fault, InvalidParameter

T = TypeVar("T")

MAX_TRIES = 3
"""How often a password is asked for at a terminal."""


class Group(TyperGroup):
    """Its help has the first sentence of each command, whole."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, first_sentence(command.help or "")) for name, command in found if command is not None])


def first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence, on one line."""
    return re.split(r"(?<=[.!?])\s", " ".join(text.split()), maxsplit=1)[0]


# Plain help: the long descriptions of settings don't fit into a table.
group = partial(
    typer.Typer, cls=Group, add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
)
single = partial(typer.Typer, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

# fmt: off
Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="The server's data folder. The server can be running. [env: ROLLBOOK_DATA; default: data]")]
Url = Annotated[str | None, typer.Option("--url", metavar="URL", help="Use a running server instead of a folder. [env: ROLLBOOK_URL]")]
Key = Annotated[str | None, typer.Option("--key", metavar="KEY", help="The API key for --url. Prefer the environment variable: other users can see command lines. [env: ROLLBOOK_KEY]")]
Profile = Annotated[str | None, typer.Option("--profile", metavar="NAME", help="Use the server and API key that `rollbook login` saved under this name. [env: ROLLBOOK_PROFILE; default: default]")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Print each item as a line of JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the ID.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")]
Named = Annotated[str, typer.Argument(metavar="EMAIL|ID", help="The user's email or ID.", autocompletion=emails)]
Password = Annotated[str | None, typer.Option("--password", metavar="TEXT", help="The password. Other users of this machine can see it in the process list: use `-` to type it or read it from standard input.")]
EventTypes = Annotated[list[str] | None, typer.Option("--type", metavar="TYPE", help="Only events of this type, such as user.created, or group, such as user.*. Can be repeated.")]
AboutUser = Annotated[str | None, typer.Option("--user", metavar="EMAIL|ID", help="Only events about this user.", autocompletion=emails)]
After = Annotated[str | None, typer.Option("--after", metavar="ID|POSITION", help="Begin after this event. [default: with the next event]")]
# fmt: on


Server = Callable[..., AbstractContextManager[Backend]]
"""Opens what a command was pointed at; `make=True` for one that may be new."""
Running = Callable[[], AbstractContextManager[Any]]
"""Opens the running server a command was pointed at, a `Remote`: whoever imports that waits for the HTTP client."""


def text(flag: str, metavar: str, help: str, **more: Any) -> Any:
    """The type of an option for a text, None if it isn't given."""
    return Annotated[str | None, typer.Option(flag, metavar=metavar, help=help, **more)]


def taking(added: Mapping[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds these options, by parameter, to a command below `on_server`, before those of its output. They arrive as its `**given`, None if they
    were not given."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        *own, _ = inspect.signature(command).parameters.values()
        last = next((at for at, each in enumerate(own) if each.name == "json"), len(own))
        more = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None) for name in added]
        command.__signature__ = inspect.Signature([*own[:last], *more, *own[last:]])  # type: ignore[missing-attribute]
        command.__annotations__ |= added
        return command

    return add


def on_server(command: Callable[..., None]) -> Callable[..., None]:
    """Adds --data, --url, --key and --profile to a command. Its first parameter is the Server that they name."""
    return _with(command, {"data": Data, "url": Url, "key": Key, "profile": Profile}, backend)


def on_running_server(command: Callable[..., None]) -> Callable[..., None]:
    """Adds --url, --key and --profile to a command. Its first parameter is the Running server that they name."""
    return _with(command, {"url": Url, "key": Key, "profile": Profile}, running_server)


def _with(command: Callable[..., None], options: dict[str, Any], opened: Callable[..., Any]) -> Callable[..., None]:
    """Adds options to a command. Its first parameter opens what they name."""
    hints = get_type_hints(command, include_extras=True)
    _, *own = inspect.signature(command).parameters.values()
    parameters = [
        *(parameter.replace(annotation=hints[parameter.name]) for parameter in own),
        *(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
            for name, option in options.items()
        ),
    ]

    @wraps(command)
    def run(ctx: typer.Context, **given: Any) -> None:
        named = {name: given.pop(name) for name in options}
        try:
            command(partial(opened, **named), **given)
        except (InvalidParameter, Refused) as problem:
            if not (faults := wrong_values(problem)):
                raise
            raise Misuse(" ".join(_in_options_of(ctx, fault) for fault in faults)) from None

    # typer creates options from a function's signature and annotations.
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    run.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (context, *parameters)}
    return run


def _in_options_of(ctx: typer.Context, fault: Fault) -> str:
    """The sentence about a parameter of the API, which names the option it came from instead."""
    known = {flag for option in ctx.command.params if option.name not in _PLACE for flag in option.opts}
    for name in (_RENAMED.get(fault.param, ""), fault.param):
        flag = f"--{name.replace('_', '-')}"
        if flag in known and fault.message.startswith((f"{fault.param} ", f"{fault.param}: ")):
            return flag + fault.message.removeprefix(fault.param)
    return fault.message


_RENAMED = {
    "q": "search", "after": "since", "created_after": "since", "before": "until", "created_before": "until", "key": "key_id", "expires_at": "expires", "types": "type", "url": "target",
    "headers": "header", "source": "from", "mapping": "map",
}  # fmt: skip
"""Parameters of the API, and the options that have another name."""
_PLACE = ("data", "url", "key", "profile")
"""The parameters of commands that say where they work."""


def password(given: str | None, required: bool) -> str | None:
    """The password that was meant: `-`, or none where one is needed, is asked for, without showing it."""
    if given is None and not (required and sys.stdin.isatty()):
        if required:
            raise Misuse("A password is required. Add --password - to read it from standard input.")
        return None
    if given not in (None, "-"):
        return given
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


def with_password(given: str | None, first: str, send: Callable[[str], T]) -> T:
    """What `send` returns for the password `first`. One that was typed at a terminal, and that the rules refuse, is asked for again. `given`
    is the option that `first` comes from."""
    chosen = first
    for _ in range(MAX_TRIES - 1):
        try:
            return send(chosen)
        except (InvalidParameter, Refused) as problem:
            was_typed = given in (None, "-") and sys.stdin.isatty()
            if not was_typed or {fault.param for fault in wrong_values(problem)} != {"password"}:
                raise
            hint(f"{problem} Try again.")
            chosen = _typed_password()
    return send(chosen)


def current_password(given: str | None) -> str | None:
    """The current password that was meant: `-` is read or asked for, without showing it."""
    if given != "-":
        return given
    return getpass("Current password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")


def one_of(values: Iterable[str]) -> dict[str, Any]:
    """For an option that has one of these values, or several with commas between them: it takes no others, and the shell offers them."""

    def offered(incomplete: str) -> list[str]:
        first, comma, last = incomplete.rpartition(",")
        return [first + comma + value for value in values if value.startswith(last)]

    def check(given: str | None) -> str | None:
        for part in (given or "").split(","):
            if part.strip() and part.strip() not in values:
                raise typer.BadParameter(f"{part.strip()!r} is not one of {', '.join(values)}.")
        return given

    return {"autocompletion": offered, "callback": check}


def confirm(question: str, yes: bool) -> None:
    """Go on if that is what is wanted. Raises Failure if it isn't, or no one can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure("This can't be undone. Add --yes to continue without confirmation.")
    if not typer.confirm(question, err=True):
        raise Failure("Nothing was changed.")


def overlap(text: str) -> int:
    """`90s`, `15m`, `12h`, `30d`, `2w`."""
    found = units.seconds(text)
    if found is None:
        raise typer.BadParameter(f"--overlap: use a duration such as 90s, 15m, 12h, 30d or 2w, not {text!r}.")
    return found


def expiry(text: str) -> str:
    """A duration from now (`30d`) or an RFC 3339 time, as RFC 3339."""
    if (length := units.seconds(text)) is not None:
        at = clock.now() + length * clock.SECOND
        if at > clock.LATEST:
            raise typer.BadParameter(f"--expires: {text} is later than the year 9999.")
        return clock.format_time(at)
    try:
        clock.parse(text)
    except (ValueError, OverflowError):
        raise typer.BadParameter("--expires: use a duration such as 30d, or a time such as 2027-01-31T00:00:00Z.") from None
    return text
