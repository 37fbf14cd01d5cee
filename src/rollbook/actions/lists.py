"""Result of the actions that list something."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class ListPage(NamedTuple, Generic[T]):
    """Some items of a list, and how many there are in all. Where they are not counted (0), whether others come after
    the last one."""

    items: list[T]
    total: int = 0
    more: bool = False
