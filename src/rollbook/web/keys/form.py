"""The form of an API key, one's own or a user's: to create one, and to change one.

Connects an assistant: a key for it, and what to paste into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollbook import roles
from rollbook.actions import key_bounds, keys
from rollbook.actions.arguments.keys import KeyCreate, KeyUpdate
from rollbook.errors import ApiError, NotFound, PreconditionFailed
from rollbook.http.request import Response
from rollbook.mcp.tools import TOOLS, Tool
from rollbook.records.keys import Key
from rollbook.web import forms
from rollbook.web.admin.events import wrong
from rollbook.web.keys import pages
from rollbook.web.keys.pages import ASSISTANTS, Holder, find_key, mine
from rollbook.web.page_request import PageRequest

EXPIRIES = (*forms.EXPIRIES, ("date", "On a date"))
GROUPS = {
    "users": "Users",
    "groups": "Groups",
    "tokens": "One-time tokens",
    "keys": "API keys",
    "sessions": "Sessions",
    "events": "Event log",
    "requests": "Request log",
    "webhooks": "Webhooks",
    "rules": "Rules",
    "metrics": "Server",
}
BLANK = {
    "name": "",
    "reach": "all",
    "scopes": [],
    "expires": "90",
    "expires_on": "",
    "ip_allow": "",
    "rate_limit": "",
    "audiences": "",
    "revealable": True,
    "seen": "",
}
KEPT = "keep"
"""The choice that leaves the expiry of a key unchanged."""


async def show(page: PageRequest, holder: Holder) -> Response:
    """The query can fill in the form, as `rollbook login` does. Nothing is created before the person sends it."""
    return _form(page, holder, {**BLANK, **_filled_in(page.query)}, {})


def _filled_in(query: Mapping[str, str]) -> dict[str, Any]:
    """Values that the query fills in."""
    values: dict[str, Any] = {"name": query.get("name", "")[:100], "expires_on": query.get("expires_on", "")[:10]}
    if scopes := query.get("scopes"):
        values |= {"reach": "some", "scopes": scopes.split(",")}
    if query.get("expires") in dict(EXPIRIES):
        values["expires"] = query["expires"]
    return values


async def create(page: PageRequest, holder: Holder) -> Response:
    """Leads to the page that shows the key."""
    values = _given(page)
    try:
        _check_filled_in(values)
        issued = await keys.create(page.on, page.by, page.arguments(KeyCreate, _wanted(values, holder)))
    except NotFound:
        raise
    except ApiError as error:
        return _form(page, holder, values, _problems(page, values, error))
    return pages.redirect_to_secret(page, holder, issued)


async def show_edit(page: PageRequest, holder: Holder, id: str) -> Response:
    key = await find_key(page, holder, id)
    keys.check_works(key)
    return _form(page, holder, _stored(key), {}, key=key)


async def save(page: PageRequest, holder: Holder, id: str) -> Response:
    key = await find_key(page, holder, id)
    values = {**_given(page), "seen": page.form.get("seen", "")}
    try:
        _check_filled_in(values)
        changes = page.arguments(KeyUpdate, _changed(values))
        await keys.update(page.on, page.by, key.id, changes, values["seen"])
    except NotFound:
        raise
    except PreconditionFailed as error:
        return _form(page, holder, _stored(key), forms.problems(page, error), key)
    except ApiError as error:
        return _form(page, holder, values, _problems(page, values, error), key)
    return page.redirect(f"{holder.base}/{key.id}", "key-saved")


def _problems(page: PageRequest, values: Mapping[str, Any], error: ApiError) -> dict[str, str]:
    renamed = {"expires_at": "expires_on" if values["expires"] == "date" else "expires"}
    return {
        renamed.get(name, name.partition("[")[0]): sentence for name, sentence in forms.problems(page, error).items()
    }


def _form(
    page: PageRequest,
    holder: Holder,
    values: Mapping[str, Any],
    problems: Mapping[str, str],
    key: Key | None = None,
) -> Response:
    """`key` is the one that is changed; None: a new one."""
    user = holder.user
    offered = roles.grantable(user.role)
    if key is not None:  # what its user's role has lost may come back
        offered = (roles.SCIM_GRANTABLE if key.kind == "scim" else offered) | (
            key_bounds.scopes_of(key.scopes) or set()
        )
    groups: dict[str, list[tuple[str, str]]] = {}
    for scope, description in roles.SCOPES.items():
        if scope in offered:
            groups.setdefault(GROUPS.get(scope.partition(":")[0], scope), []).append(
                (scope, description.replace("`", ""))
            )
    return page.render(
        "keys/form.html",
        section=holder.section,
        holder=holder,
        key=key,
        given=values,
        problems=problems,
        groups=groups,
        reaches_all=bool(roles.ON_ALL[user.role]),
        expiries=EXPIRIES if key is None else ((KEPT, "Don’t change"), *EXPIRIES),
        limit=str(page.on.policy.limit_for(user.role, user.rate_limit)),
        address=page.request.address,
    )


def _stored(key: Key) -> dict[str, Any]:
    """The form of a key that exists."""
    return {
        **BLANK,
        "name": key.name,
        "reach": "all" if key.scopes is None else "some",
        "scopes": (key.scopes or "").split(),
        "expires": KEPT,
        "ip_allow": "\n".join((key.ip_allow or "").split()),
        "rate_limit": key.rate_limit or "",
        "audiences": "\n".join((key.audiences or "").split()),
        "seen": keys.version(key),
    }


def _given(page: PageRequest) -> dict[str, Any]:
    form = page.form
    texts = {
        name: form.get(name, "").strip()
        for name in ("name", "reach", "expires", "expires_on", "ip_allow", "rate_limit", "audiences")
    }
    last_minute = page.sent_utc(f"{texts['expires_on']}T23:59", last=True)
    return {**texts, "last_minute": last_minute, "scopes": page.getlist("scopes"), "revealable": "revealable" in form}


def _check_filled_in(values: Mapping[str, Any]) -> None:
    """Raises InvalidParameter for choices that were made but not filled in."""
    if values["reach"] == "some" and not values["scopes"]:
        raise wrong("scopes", "Select at least one permission, or choose full access.")
    if values["expires"] == "date" and not values["expires_on"]:
        raise wrong("expires_on", "Choose the last day the key should work.")


def _wanted(values: Mapping[str, Any], holder: Holder) -> dict[str, Any]:
    """The form as arguments of a new key."""
    return {**_fields(values), "user_id": holder.user.id, "revealable": values["revealable"]}


def _changed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The form as changes of a key."""
    fields = _fields(values)
    if values["expires"] == KEPT:
        del fields["expires_at"]
    return fields


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    is_date = values["expires"] == "date"
    return {
        "name": values["name"],
        "scopes": values["scopes"] if values["reach"] == "some" else None,
        "expires_at": values["last_minute"] if is_date else forms.expiry(values["expires"]),
        "ip_allow": values["ip_allow"].replace(",", " ").split() or None,
        "rate_limit": values["rate_limit"] or None,
        "audiences": values["audiences"].split() or None,
    }


ASSISTANT = {"assistant": "claude-code", "access": "read", "expires": "90"}


async def show_assistants(page: PageRequest) -> Response:
    return _assistants(page, {**ASSISTANT, "assistant": page.query.get("assistant", ASSISTANT["assistant"])}, {})


async def connect_assistant(page: PageRequest) -> Response:
    """Leads to the page that shows the key, as the assistant wants it."""
    values = {name: page.form.get(name, "") for name in ASSISTANT}
    assistant = values["assistant"] if values["assistant"] in ASSISTANTS else "other"
    fields = {
        "name": ASSISTANTS[assistant],
        "scopes": scopes(page, may_change=values["access"] == "change"),
        "expires_at": forms.expiry(values["expires"]),
        "revealable": False,
    }
    try:
        issued = await keys.create(page.on, page.by, page.arguments(KeyCreate, fields))
    except ApiError as error:
        return _assistants(page, values, forms.problems(page, error))
    return pages.redirect_to_secret(page, mine(page), issued, query=f"?assistant={assistant}")


def scopes(page: PageRequest, may_change: bool) -> list[str]:
    needed = {tool.row.scope for tool in _tools(page) if tool.is_read_only or may_change}
    return [scope for scope in roles.SCOPES if scope in needed]


def _tools(page: PageRequest) -> list[Tool]:
    """The tools that a key of this person can use."""
    reach = roles.reach(page.me.user.role, None)
    return [tool for tool in TOOLS.values() if tool.is_within(*reach)]


def _assistants(page: PageRequest, values: Mapping[str, Any], problems: Mapping[str, str]) -> Response:
    return page.render(
        "account/assistants.html",
        section="account/assistants",
        given=values,
        problems=problems,
        assistants=[*list(ASSISTANTS.items())[:-1], ("other", "Another one")],
        expiries=forms.EXPIRIES,
        tools=_tools(page),
    )
