"""Types of `with_raw_response`: the same methods, which return the response with its head."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from .._models import Model
from .._pages import Page
from .._responses import RawResponse
from .pages import Pager

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=Model)


def raw(method: Callable[P, T]) -> Callable[P, RawResponse[T]]:
    return cast("Callable[P, RawResponse[T]]", method)


def raw_page(method: Callable[P, Pager[M]]) -> Callable[P, RawResponse[Page[M]]]:
    """The first page."""
    return cast("Callable[P, RawResponse[Page[M]]]", method)
