"""The form that creates an API key, for oneself or for a user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollbook import roles
from rollbook.actions import keys
from rollbook.actions.arguments import KeyCreate
from rollbook.errors import ApiError, NotFound
from rollbook.http.response import Response
from rollbook.web import forms
from rollbook.web.keys import one
from rollbook.web.keys.holder import Holder
from rollbook.web.page_request import PageRequest

EXPIRIES = (*forms.EXPIRIES, ("date", "On a date"))
GROUPS = {
    "users": "Users",
    "keys": "API keys",
    "sessions": "Sessions",
    "events": "Event log",
    "requests": "Request log",
    "webhooks": "Webhooks",
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
    "revealable": True,
}


async def show(page: PageRequest, holder: Holder) -> Response:
    """The query can fill in the form, as `rollbook login` does. Nothing is created before the person sends it."""
    return _form(page, holder, {**BLANK, **_filled_in(page.query)}, {})


def _filled_in(query: Mapping[str, str]) -> dict[str, Any]:
    """Values that the query fills in."""
    given: dict[str, Any] = {"name": query.get("name", "")[:100], "expires_on": query.get("expires_on", "")[:10]}
    if scopes := query.get("scopes"):
        given |= {"reach": "some", "scopes": scopes.split(",")}
    if query.get("expires") in dict(EXPIRIES):
        given["expires"] = query["expires"]
    return given


async def create(page: PageRequest, holder: Holder) -> Response:
    """Leads to the page that shows the key."""
    given = _given(page)
    if problems := _unfit(given):
        return _form(page, holder, given, problems, 400)
    try:
        issued = await keys.create(page.on, page.by, page.arguments(KeyCreate, _wanted(given, holder)))
    except NotFound:
        raise
    except ApiError as error:
        found = forms.problems(page, error)
        renamed = {"expires_at": "expires_on" if given["expires"] == "date" else "expires"}
        named = {renamed.get(name, name): sentence for name, sentence in found.items()}
        return _form(page, holder, given, named, error.status)
    return one.redirect_to_secret(page, holder, issued)


def _form(
    page: PageRequest, holder: Holder, given: Mapping[str, Any], problems: Mapping[str, str], status: int = 200
) -> Response:
    user = holder.user
    groups: dict[str, list[tuple[str, str]]] = {}
    for scope, description in roles.SCOPES.items():
        if scope in roles.grantable(user.role):
            groups.setdefault(GROUPS.get(scope.partition(":")[0], scope), []).append((scope, description))
    return page.render(
        "keys/form.html",
        status,
        section=holder.section,
        holder=holder,
        given=given,
        problems=problems,
        groups=groups,
        reaches_all=bool(roles.ON_ALL[user.role]),
        expiries=EXPIRIES,
        limit=str(page.on.policy.limit_for(user.role, user.rate_limit)),
        address=page.request.address,
    )


def _given(page: PageRequest) -> dict[str, Any]:
    form = page.form
    texts = {
        name: form.get(name, "").strip()
        for name in ("name", "reach", "expires", "expires_on", "ip_allow", "rate_limit")
    }
    return {**texts, "scopes": page.getlist("scopes"), "revealable": "revealable" in form}


def _unfit(given: Mapping[str, Any]) -> dict[str, str]:
    """Problems of choices that were made but not filled in."""
    if given["reach"] == "some" and not given["scopes"]:
        return {"scopes": "Select at least one permission, or choose full access."}
    if given["expires"] == "date" and not given["expires_on"]:
        return {"expires_on": "Choose the last day the key should work."}
    return {}


def _wanted(given: Mapping[str, Any], holder: Holder) -> dict[str, Any]:
    """The form as arguments."""
    is_date = given["expires"] == "date"
    return {
        "name": given["name"],
        "user_id": holder.user.id,
        "scopes": given["scopes"] if given["reach"] == "some" else None,
        "expires_at": f"{given['expires_on']}T23:59:59Z" if is_date else forms.expiry(given["expires"]),
        "ip_allow": given["ip_allow"].replace(",", " ").split() or None,
        "rate_limit": given["rate_limit"] or None,
        "revealable": given["revealable"],
    }
