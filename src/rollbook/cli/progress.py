"""Progress bars for what takes long: importing users, copying a database, sending events again."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rollbook.cli.output import hint
from rollbook.cli.tables import filled, printable

Show = Callable[[float, str], None]

FIRST, LONGEST = 0.2, 5.0
"""Seconds between two looks at what a running server does: more and more, since each counts toward the rate limit."""
OFTEN, LENGTH = 0.1, 20
"""Seconds between two pictures of a bar, and the characters in it."""


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
    began = drawn = time.monotonic()
    picture = title

    def draw(above: str = "") -> None:
        room = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r{above}{filled(picture, room)}")
        sys.stderr.flush()

    def show(done: float, text: str) -> None:
        nonlocal drawn, picture
        now = time.monotonic()
        picture = f"{title} {_share(min(done / total, 1), now - began) if total else ''}{text}"
        if now - drawn >= OFTEN:
            drawn = now
            draw()

    draw()
    try:
        yield lambda line: draw(f"\x1b[K{printable(line)}\n"), show
    finally:
        draw()
        sys.stderr.write("\n")


def _share(share: float, seconds: float) -> str:
    """The bar, and the time that is left if the rest is as fast."""
    left = timedelta(seconds=round(seconds / share - seconds)) if share else "-:--:--"
    return f"{'━' * round(share * LENGTH):{LENGTH}} {share:4.0%} {left} "
