"""Progress bars for what takes long: importing users, copying a database, sending events again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from rollbook.cli.output import hint
from rollbook.cli.tables import printable

Show = Callable[[float, str], None]

FIRST, LONGEST = 0.2, 5.0
"""Seconds between two looks at what a running server does: more and more, since each counts toward the rate limit."""


def looks() -> Iterator[None]:
    """Without end, a pause before each."""
    pause = FIRST
    while True:
        time.sleep(pause)
        yield
        pause = min(1.5 * pause, LONGEST)


@contextmanager
def bar(title: str, total: float | None) -> Iterator[tuple[Callable[[str], None], Show]]:
    """A function that prints a line above the bar, and one that advances it."""
    if not sys.stderr.isatty():
        yield hint, lambda done, text: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[text]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total, text="")
        yield (
            lambda line: progress.console.print(printable(line), markup=False, highlight=False),
            lambda done, text: progress.update(task, completed=done, text=text),
        )
