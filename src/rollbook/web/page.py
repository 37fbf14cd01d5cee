"""A row of the table of pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple

Who = Literal["anyone", "person", "admin"]


class Page(NamedTuple):
    """A page, or the target of a form. `who` can access it: anyone, a person who is signed in, or an admin or owner.

    `path` may have values in braces, each a whole segment: /admin/users/{id}.
    """

    method: Literal["GET", "POST"]
    path: str
    handler: Callable[..., Awaitable[Any]]
    who: Who
    max_body = 0
    streams_body = False
