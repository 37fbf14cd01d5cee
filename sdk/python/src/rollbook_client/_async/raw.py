"""Types of `with_raw_response`: the same methods, which return the response with its head."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar, cast

from .._models import Model
from .._pages import Page
from .._responses import RawResponse
from .pages import AsyncPager

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=Model)


def raw(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[RawResponse[T]]]:
    return cast("Callable[P, Awaitable[RawResponse[T]]]", method)


def raw_page(method: Callable[P, AsyncPager[M]]) -> Callable[P, Awaitable[RawResponse[Page[M]]]]:
    """The first page."""
    return cast("Callable[P, Awaitable[RawResponse[Page[M]]]]", method)
