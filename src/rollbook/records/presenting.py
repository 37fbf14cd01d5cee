"""Presentation of records, compiled once from the annotations of their fields.

    class Session(NamedTuple):
        id: str
        digest: Hidden[bytes]
        created_at: Time

    public = presenter(Session)

`public(session)` is then `{"id": …, "created_at": "2023-10-27T10:00:00Z"}`, in the order of the record. Events,
exports, files and the API show the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from types import NoneType
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_type_hints

import msgspec

from rollbook import clock

R = TypeVar("R")
T = TypeVar("T")


class Shown(NamedTuple):
    """Presentation of a field: as an expression of its value `{0}`, of the `record` and of functions of its module; and
    under which name, if not under its own."""

    expression: str
    name: str = ""
    is_private: bool = False
    """Only for those who read all users: a presenter shows it if it is told to."""


_HIDDEN = Shown("")
Hidden = Annotated[T, _HIDDEN]
"""Not shown."""
Time = Annotated[int, Shown("format_time({0})")]
"""Microseconds since 1970, shown as RFC 3339."""
Flag = Annotated[int, Shown("{0} != 0")]
"""0 or 1, shown as a boolean."""
Json = Annotated[str, Shown("Raw({0}.encode())")]
"""JSON as text, shown as what it says."""
Words = Annotated[str, Shown("{0}.split()")]
"""A text with spaces between its words, shown as a list of them."""
PrivateJson = Annotated[str, Shown("Raw({0}.encode())", is_private=True)]
"""JSON as text, shown as what it says by presenters that show all."""
OrNull = Annotated[str, Shown("{0} or None")]
"""A text that is shown as null if it is empty."""


def presenter(
    record: type[R], only: Collection[str] | None = None, with_private: bool = False
) -> Callable[[R], dict[str, Any]]:
    """A function from a NamedTuple to what may be seen of it, or `only` of these fields. Fields that are None are shown
    as null."""
    fields: tuple[str, ...] = record._fields  # type: ignore[attr-defined]
    hints = get_type_hints(record, include_extras=True)
    shown = [(field, _how(hints[field]), NoneType in get_args(hints[field])) for field in fields]
    pairs = ", ".join(
        [
            f"{how.name or field!r}: {_expression(field, how, null)}"
            for field, how, null in shown
            if how is not _HIDDEN and (with_private or not how.is_private) and (only is None or field in only)
        ]
    )
    source = f"def show(record):\n    {', '.join(f'_{field}' for field in fields)}, = record\n    return {{{pairs}}}\n"
    scope: dict[str, Any] = {
        **vars(sys.modules[record.__module__]),
        "format_time": clock.format_time,
        "Raw": msgspec.Raw,
    }
    exec(source, scope)  # of our own annotations, as the standard library makes its named tuples
    show: Callable[[R], dict[str, Any]] = scope["show"]
    return show


def _how(hint: Any) -> Shown:
    for part in (hint, *get_args(hint)):
        for note in getattr(part, "__metadata__", ()):
            if isinstance(note, Shown):
                return note
    return Shown("{0}")


def _expression(field: str, how: Shown, is_nullable: bool) -> str:
    value = f"_{field}"
    shown = how.expression.format(value)
    return (
        f"None if {value} is None else {shown}" if is_nullable and shown != value and "record" not in shown else shown
    )
