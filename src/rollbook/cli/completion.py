"""Completion in the shell: its installation, and the emails that it offers, of the folder or server that a command is
about."""

from __future__ import annotations

import io
import os
import threading
from contextlib import redirect_stderr, suppress
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from rollbook.cli.failures import Failure
from rollbook.cli.targets import backend

PATIENCE = 2.0
"""Seconds after which nothing is offered: whoever presses Tab waits for it."""
MAX_READ, MAX_OFFERED = 1_000, 50


def emails(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Emails of users. Empty if they can't be read, for whatever reason."""
    return _beginning(ctx, incomplete, {"q": incomplete} if incomplete else {})


def deleted_emails(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Emails of deleted users who can be restored. They can't be searched: the newest deletions are read."""
    return _beginning(ctx, incomplete, {"status": "deleted"})


def _beginning(ctx: click.Context, incomplete: str, filters: dict[str, str]) -> list[CompletionItem]:
    data, url, key, profile = (ctx.params.get(name) for name in ("data", "url", "key", "profile"))
    # Connections have longer deadlines, and look-ups of host names none. The shell takes the silence for an empty list.
    end = threading.Timer(PATIENCE, os._exit, (0,))
    end.daemon = True
    end.start()
    # What is printed would land in the middle of the line that is being typed.
    with suppress(Exception), redirect_stderr(io.StringIO()), backend(data, url, key, profile) as opened:
        found = [user["email"] for user in opened.users(filters, MAX_READ, 0)]
        end.cancel()
        begun = sorted(email for email in found if email.startswith(incomplete))
        return [CompletionItem(email) for email in begun[:MAX_OFFERED]]
    end.cancel()
    return []


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
    name, line = (each.format(program=program, variable=program.upper()) for each in SHELLS[shell])
    file = Path.home() / name
    text = file.read_text() if file.exists() else ""
    if line not in text.splitlines():
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "a") as settings:
            settings.write(f"{'' if text.endswith(chr(10)) or not text else chr(10)}{line}\n")
    return f"Completion is installed in {file}. Open a new shell to use it."
