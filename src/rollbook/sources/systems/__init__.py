"""The systems whose exports are read as they come: a function for each framework in frameworks.py, and a file for each
other one, with a function `convert` from one of its records to the fields of a user.

A file may also have `begin`, which reads what comes before the export itself and returns that function and how many
bytes that is, the `COLUMNS` of CSV files that have no header, and `LISTS`: names of the list in a JSON object, besides
the usual ones.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from rollbook.sources.arrays import LISTS
from rollbook.sources.systems import frameworks
from rollbook.sources.values import Fields, Record

Convert = Callable[[Record], Fields | None]
"""None for what is no user. Raises InvalidParameter for one that can't be imported."""


class System(NamedTuple):
    begin: Callable[[bytes], tuple[Convert, int]]
    """Of the beginning of a file. Raises InvalidParameter."""
    columns: tuple[str, ...] = ()
    lists: tuple[str, ...] = LISTS
    record: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None
    """The user that a record holds with all columns beside each other, or None."""


def find(source: str) -> System:
    """The reader of one of `import_sources.SYSTEMS`."""
    name = source.replace("-", "_")
    if convert := getattr(frameworks, name, None):
        return System(lambda head: (convert, 0), record=getattr(frameworks, f"{name}_record", None))
    module = import_module(f"{__name__}.{name}")
    begin = getattr(module, "begin", lambda head: (module.convert, 0))
    return System(begin, getattr(module, "COLUMNS", ()), (*LISTS, *getattr(module, "LISTS", ())))
