"""Completion in the shell: its installation, and the emails, names and IDs that it offers, of the folder or server that
a command is about."""

from __future__ import annotations

import io
import os
import re
import threading
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, suppress
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from rollbook.cli import profile_store
from rollbook.cli.backends import Backend, Shown
from rollbook.cli.output import Failure
from rollbook.cli.tables import cell
from rollbook.cli.targets import backend

PATIENCE = 2.0
"""Seconds after which nothing is offered: whoever presses Tab waits for it."""
MAX_READ, MAX_OFFERED = 1_000, 50

_is_word = re.compile(r"[\w@%+=:,./-]+").fullmatch

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def emails(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Emails of users. Empty if they can't be read, for whatever reason."""
    return _users(ctx, incomplete, {"q": incomplete} if incomplete else {})


def deleted_emails(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Emails of deleted users who can be restored. They can't be searched: the newest deletions are read."""
    return _users(ctx, incomplete, {"status": "deleted"})


def _users(ctx: click.Context, incomplete: str, filters: dict[str, str]) -> list[CompletionItem]:
    return _beginning(ctx, incomplete, lambda opened: opened.users(filters, MAX_READ, 0), "email", "name")


def objects(path: str, field: str, about: str) -> Offer:
    """Completion of a field of the objects in a list of the API. Shells that can show `about` beside it."""

    def offered(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return _beginning(
            ctx, incomplete, lambda opened: opened.page(opened.ask("GET", path, {"limit": MAX_READ})), field, about
        )

    return offered


def profiles(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of profiles."""
    return [CompletionItem(name) for name in profile_store.names() if name.startswith(incomplete)]


def _beginning(
    ctx: click.Context, incomplete: str, read: Callable[[Backend], Iterable[Shown]], field: str, about: str
) -> list[CompletionItem]:
    data, url, key, profile = (ctx.params.get(name) for name in ("data", "url", "key", "profile"))
    # Connections have longer deadlines, and look-ups of host names none. The shell takes the silence for an empty list.
    end = threading.Timer(PATIENCE, os._exit, (0,))
    end.daemon = True
    end.start()
    # What is printed would land in the middle of the line that is being typed.
    with suppress(Exception), redirect_stderr(io.StringIO()), backend(data, url, key, profile) as opened:
        descriptions = {str(record[field]): cell(record[about]) for record in read(opened)}
        end.cancel()
        begun = sorted(name for name in descriptions if name.startswith(incomplete) and _is_safe(name))
        return [CompletionItem(name, help=descriptions[name]) for name in begun[:MAX_OFFERED]]
    end.cancel()
    return []


def _is_safe(name: str) -> bool:
    """Test whether the shell takes it for one word. Bash would run a `$(…)` that somebody has written into a name;
    others quote what they insert."""
    is_quoted = os.environ.get("_ROLLBOOK_COMPLETE") != "bash_complete"
    return name.isprintable() and (is_quoted or _is_word(name) is not None)


SHELLS = {
    "bash": (".bashrc", 'eval "$(_{variable}_COMPLETE=bash_source {program})"'),
    "zsh": (".zshrc", 'eval "$(_{variable}_COMPLETE=zsh_source {program})"'),
    "fish": (".config/fish/completions/{program}.fish", "_{variable}_COMPLETE=fish_source {program} | source"),
}
"""The file that each shell reads, and the line in it that turns completion on
(https://click.palletsprojects.com/shell-completion/)."""


def install(program: str) -> str:
    """Adds the line to the settings of the shell that runs, once. Returns what was done. Raises Failure."""
    shell = Path(os.environ.get("SHELL", "")).name
    if shell not in SHELLS:
        raise Failure(f"Completion is for {', '.join(SHELLS)}. The variable SHELL names none of them.")
    name, line = (template.format(program=program, variable=program.upper()) for template in SHELLS[shell])
    file = Path.home() / name
    text = file.read_text() if file.exists() else ""
    if line not in text.splitlines():
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "a") as settings:
            settings.write(f"{'' if text.endswith(chr(10)) or not text else chr(10)}{line}\n")
    return f"Completion is installed in {file}. Open a new shell to use it."
