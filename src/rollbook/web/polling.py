"""Parts of a page that refresh themselves while it is open, by htmx: each answer says how many there were."""

from __future__ import annotations

from rollbook.web.page_request import PageRequest

MAX_POLLS = 600
"""Refreshes of an open page, up to half an hour: an unattended browser must not keep its session alive."""


def next_poll(page: PageRequest) -> int:
    text = page.query.get("n", "0")
    return int(text) + 1 if text.isascii() and text.isdigit() and len(text) < 6 else MAX_POLLS
