"""Examples for `--help` and docs/cli.md, from `examples.txt`: each can be pasted once its names are yours."""

from __future__ import annotations

from functools import cache
from pathlib import Path


def examples(command: str) -> list[str]:
    """Return the examples of a command such as `users list`."""
    return [line for line in lines() if f"{line} ".startswith(f"rollbook {command} ")]


@cache
def lines() -> list[str]:
    return Path(__file__).with_name("examples.txt").read_text().splitlines()


def epilog(command: str) -> str:
    """Text after the options in the help of a command. `\\b` keeps the lines as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {example}" for example in examples(command))])
