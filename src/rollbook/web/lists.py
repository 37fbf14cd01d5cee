"""The frame of a list with numbered pages, whose filters are in its URL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from rollbook.errors import InvalidParameter
from rollbook.http.request import line
from rollbook.web import forms
from rollbook.web.admin.user_filters import list_url
from rollbook.web.page_request import PageRequest, whole_number


class ListPart(Protocol):
    """A part of a list, and the number of all its items."""

    @property
    def total(self) -> int: ...


async def numbered(
    page: PageRequest,
    path: str,
    values: Mapping[str, str],
    size: int,
    read: Callable[[int], Awaitable[ListPart]],
    blank: ListPart,
    labels: dict[str, str] = forms.LABELS,
) -> dict[str, Any]:
    """Context of a page with up to `size` items. `read` returns those from an offset on; where it raises
    InvalidParameter about what was asked for, `blank` is shown, and the problems."""
    number, problems = whole_number(page.query.get("page", ""), 9) or 1, dict[str, str]()
    try:
        batch = await read((number - 1) * size)
    except InvalidParameter as error:
        batch, problems = blank, forms.problems(page, error, labels)
    pages = max(1, -(-batch.total // size))

    def url(number: int, **more: str) -> str:
        return list_url({**values, **more}, path, page=number if number > 1 else "")

    return {
        "headers": line("HX-Replace-Url", url(number)) if page.is_htmx else b"",
        "asked": values,
        "found": batch,
        "problems": problems,
        "number": number,
        "pages": pages,
        "first": (number - 1) * size + 1,
        "list_url": url,
        "previous": url(number - 1) if number > 1 else None,
        "next": url(number + 1) if number < pages else None,
    }
