"""Values as a terminal shows them: without what could control it, and times in the zone of whoever reads them."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TextIO

import msgspec

_is_time = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z").fullmatch
COLORS = {
    **dict.fromkeys(("active", "enabled", "delivered", "done", "finished"), "green"),
    **dict.fromkeys(("invited", "paused", "running", "waiting", "queued", "canceled"), "yellow"),
    **dict.fromkeys(("suspended", "deleted", "revoked", "expired", "disabled", "failed"), "red"),
}
"""The colors of words that say how something is."""

NOTHING = {
    "scopes": "all",
    "ip_allow": "any",
    "rate_limit": "default",
    "expires_at": "never",
    "last_used_at": "never",
    "last_sign_in_at": "never",
}
"""Words for the absence of a value at a terminal, by the name of the field; a dash for all others."""


def printable(text: str) -> str:
    """The text without what could control a terminal: names, and what another server says, come from strangers."""
    return "".join(character if character.isprintable() or character == "\n" else "�" for character in text)


def cell(value: Any) -> str:
    """A value on one line, as programs read it in a table, too."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        value = ",".join(map(str, value))
    elif isinstance(value, msgspec.Raw):
        value = bytes(value).decode()
    elif isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    return printable(str(value)).replace("\n", "�")


def at_terminal(name: str, value: Any) -> str:
    """The value of a field, on one line, as people read it."""
    return local(value) if is_time(value) else cell(NOTHING.get(name) if value is None else value)


def when(value: Any, stream: TextIO | None = None) -> str:
    """A time as people read it, such as `2026-11-29 11:24:31 CET`; as it is where `stream`, by default standard error,
    is no terminal, or it is no time."""
    if not is_time(value) or not (stream or sys.stderr).isatty():
        return cell(value)
    return f"{local(value)} {zone((value,))}"


def is_time(value: Any) -> bool:
    """Test whether it is a time as the API writes it, and one that there is in the zone of this machine."""
    if not isinstance(value, str) or _is_time(value) is None:
        return False
    try:
        return _read(value) is not None
    except (ValueError, OverflowError):
        return False


def local(time: str) -> str:
    """A time of the API in the zone of this machine, without its name."""
    return f"{_read(time):%Y-%m-%d %H:%M:%S}"


def zone(times: Iterable[str]) -> str:
    """The name of the zone of this machine at these times: two around a change of the clocks."""
    return "/".join(dict.fromkeys(str(_read(time).tzname()) for time in times))


def _read(time: str) -> datetime:
    return datetime.fromisoformat(time).astimezone()


def is_colored(stream: TextIO) -> bool:
    """Test whether colors are wanted there (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def colored(text: str, word: str) -> str:
    """The text in the color of a word, if it has one."""
    color = COLORS.get(word.strip().lower())
    return styled(text, fg=color) if color else text


def styled(text: str, **styles: Any) -> str:
    # Imported here: a worker of the server starts without it.
    import click

    return click.style(text, **styles)
