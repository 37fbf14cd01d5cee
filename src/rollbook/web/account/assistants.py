"""Connects an assistant: a key for it, and what to paste into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollbook import roles
from rollbook.actions import keys
from rollbook.actions.arguments import KeyCreate
from rollbook.errors import ApiError
from rollbook.http.response import Response
from rollbook.mcp.tools import TOOLS, Tool
from rollbook.web import forms
from rollbook.web.keys import one
from rollbook.web.keys.assistants import ASSISTANTS
from rollbook.web.keys.holder import mine
from rollbook.web.page_request import PageRequest

BLANK = {"assistant": "claude-code", "access": "read", "expires": "90"}


async def show(page: PageRequest) -> Response:
    return _page(page, {**BLANK, "assistant": page.query.get("assistant", BLANK["assistant"])}, {})


async def create(page: PageRequest) -> Response:
    """Leads to the page that shows the key, as the assistant wants it."""
    given = {name: page.form.get(name, "") for name in BLANK}
    assistant = given["assistant"] if given["assistant"] in ASSISTANTS else "other"
    wanted = {
        "name": ASSISTANTS[assistant],
        "scopes": _scopes(page, may_change=given["access"] == "change"),
        "expires_at": forms.expiry(given["expires"]),
        "revealable": False,
    }
    try:
        issued = await keys.create(page.on, page.by, page.arguments(KeyCreate, wanted))
    except ApiError as error:
        return _page(page, given, forms.problems(page, error), error.status)
    return one.redirect_to_secret(page, mine(page), issued, query=f"?assistant={assistant}")


def _scopes(page: PageRequest, may_change: bool) -> list[str]:
    needed = {tool.row.scope for tool in _tools(page) if tool.is_read_only or may_change}
    return [scope for scope in roles.SCOPES if scope in needed]


def _tools(page: PageRequest) -> list[Tool]:
    """The tools that a key of this person can use."""
    reach = roles.reach(page.me.user.role, None)
    return [tool for tool in TOOLS.values() if tool.is_within(*reach)]


def _page(page: PageRequest, given: Mapping[str, Any], problems: Mapping[str, str], status: int = 200) -> Response:
    return page.render(
        "account/assistants.html",
        status,
        section="account/assistants",
        given=given,
        problems=problems,
        assistants=[*list(ASSISTANTS.items())[:-1], ("other", "Another one")],
        expiries=forms.EXPIRIES,
        tools=_tools(page),
    )
