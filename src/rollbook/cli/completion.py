"""Emails that the shell offers while somebody types a command: of the folder or server that the command is about."""

from __future__ import annotations

import io
import os
import threading
from contextlib import redirect_stderr, suppress

import typer

from rollbook.cli.targets import backend

PATIENCE = 2.0
"""Seconds after which nothing is offered: whoever presses Tab waits for it."""
MAX_READ, MAX_OFFERED = 1_000, 50


def emails(ctx: typer.Context, incomplete: str) -> list[str]:
    """Those of users. Empty if they can't be read, for whatever reason."""
    return _beginning(ctx, incomplete, {"q": incomplete} if incomplete else {})


def deleted_emails(ctx: typer.Context, incomplete: str) -> list[str]:
    """Those of deleted users who can be restored. They can't be searched: the newest deletions are read."""
    return _beginning(ctx, incomplete, {"status": "deleted"})


def _beginning(ctx: typer.Context, incomplete: str, filters: dict[str, str]) -> list[str]:
    data, url, key, profile = (ctx.params.get(name) for name in ("data", "url", "key", "profile"))
    # Connections have longer deadlines, and look-ups of host names none. The shell takes the silence for an empty list.
    end = threading.Timer(PATIENCE, os._exit, (0,))
    end.daemon = True
    end.start()
    # What is printed would land in the middle of the line that is being typed.
    with suppress(Exception), redirect_stderr(io.StringIO()), backend(data, url, key, profile) as opened:
        found = [user["email"] for user in opened.users(filters, MAX_READ, 0)]
        end.cancel()
        return sorted(email for email in found if email.startswith(incomplete))[:MAX_OFFERED]
    end.cancel()
    return []
