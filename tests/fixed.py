"""The command `rollbook`, but with other values of `config.Fixed`: a `Server` whose flags name some runs it.

These flags are the tests' own. What ends after 30 seconds or 10,000 connections where it ships is seen in less here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from rollbook import config
from rollbook.cli import main as command
from rollbook.config import Fixed, Settings, Source

COMMAND, FIXED = "rollbook.cli.main", "tests.fixed"
NAMES = frozenset(field.name for field in msgspec.structs.fields(Fixed))


def name_of(flag: str) -> str:
    """The field that a flag names; empty for a flag that the command has."""
    name = flag.removeprefix("--").replace("-", "_")
    return name if flag.startswith("--") and name in NAMES else ""


def program_of(program: str, arguments: Iterable[str]) -> str:
    """The module that runs these arguments."""
    return FIXED if program == COMMAND and any(map(name_of, arguments)) else program


def replaced(settings: Settings, texts: Mapping[str, str]) -> Settings:
    values = {}
    for name, text in texts.items():
        kind = type(getattr(settings, name))
        values[name] = kind.parse(text) if hasattr(kind, "parse") else kind(text)
    return msgspec.structs.replace(settings, **values)


def take() -> None:
    """Take these flags from this process's command line; all settings that it loads have their values."""
    texts, rest, arguments = {}, [], iter(sys.argv)
    for argument in arguments:
        if name := name_of(argument):
            texts[name] = next(arguments)
        else:
            rest.append(argument)
    sys.argv[:] = rest
    load = config.load

    def loaded(*arguments: Any, **options: Any) -> tuple[Settings, list[Source]]:
        settings, sources = load(*arguments, **options)
        return replaced(settings, texts), sources

    for module in list(sys.modules.values()):  # those that imported it by its name have it, too
        if vars(module).get("load") is load:
            module.load = loaded  # type: ignore[missing-attribute]


def main() -> None:
    take()
    command.main()


if __name__ == "__main__":
    main()
