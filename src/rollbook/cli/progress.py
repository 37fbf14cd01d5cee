"""Progress bars for importing users and copying a database."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from rollbook.cli import imports
from rollbook.cli.imports import STDIN, Summary
from rollbook.config import Settings

Show = Callable[[float, str], None]


def load_shown(settings: Settings, file: Path, summary: Summary) -> None:
    """`imports.load` and `imports.index` with a progress bar on a terminal. Rejected lines go to standard error."""
    size = file.stat().st_size if file != STDIN and file.is_file() else None
    with bar("Loading", size) as (say, show):

        def refuse(line: int, reason: str) -> None:
            say(f"line {line}: {reason}")

        def loaded(done: int) -> None:
            show(done, f"{summary.added:,} users, {summary.added / summary.seconds:,.0f}/s")

        imports.load(settings, file, summary, refuse, loaded)
    if summary.added:
        with bar("Indexing for search", summary.added) as (_, show):
            imports.index(settings, lambda done: show(done, f"{done:,} users"))


@contextmanager
def bar(title: str, total: float | None) -> Iterator[tuple[Callable[[str], None], Show]]:
    """A function that prints a line above the bar, and one that advances it."""
    if not sys.stderr.isatty():
        yield lambda line: print(line, file=sys.stderr), lambda done, text: None
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
            lambda line: progress.console.print(line, markup=False, highlight=False),
            lambda done, text: progress.update(task, completed=done, text=text),
        )
