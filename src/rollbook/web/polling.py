"""Parts of a page that refresh themselves while it is open, by htmx: each answer says how many there were."""

from __future__ import annotations

from rollbook.web.page_request import PageRequest, whole_number

MAX_POLLS = 600
"""Refreshes of an open page, up to half an hour: an unattended browser must not keep its session alive."""


def next_poll(page: PageRequest) -> int | None:
    """How many there were with this one. None: it was the last."""
    before = whole_number(page.query.get("n", "0"))
    return None if before is None or before + 1 >= MAX_POLLS else before + 1
