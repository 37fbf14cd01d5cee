"""The person's own API keys: create, reveal, rotate and revoke them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rollbook import clock, roles
from rollbook.actions import key_bounds, keys
from rollbook.actions.arguments import KeyCreate, KeyRotation, ListKeys, PasswordProof
from rollbook.actions.keys import IssuedKey
from rollbook.errors import ApiError
from rollbook.http.response import Response
from rollbook.limits.policy import key_bucket
from rollbook.records import usage as records
from rollbook.records.keys import Key
from rollbook.web import forms, plots, usage
from rollbook.web.account import own_keys
from rollbook.web.page_request import PageRequest, header_lines

SECTION = "account/keys"
PAGE = 20
SOON = 7 * clock.DAY
"""A key that expires within this is pointed out."""

EXPIRIES = (*forms.EXPIRIES, ("date", "On a date"))
OVERLAPS = (("0", "0 minutes: stop now"), ("3600", "1 hour"), ("86400", "1 day"), ("604800", "1 week"))
GROUPS = {
    "users": "Users",
    "keys": "API keys",
    "sessions": "Sessions",
    "events": "Event log",
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


class State(NamedTuple):
    kind: str
    text: str
    works: bool


async def show(page: PageRequest) -> Response:
    """Newest first."""
    text = page.query.get("page", "")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) else 1
    found = await _list(page, number)
    last = max(1, -(-found.total // PAGE))
    if number > last:
        number, found = last, await _list(page, last)
    return page.render(
        "account/keys.html",
        section=SECTION,
        keys=found.keys,
        state=state,
        total=found.total,
        first=(number - 1) * PAGE + 1,
        previous=f"/account/keys?page={number - 1}" if number > 1 else None,
        next=f"/account/keys?page={number + 1}" if number < last else None,
        call=_call(page, None),
    )


async def _list(page: PageRequest, number: int) -> keys.Keys:
    return await keys.list_keys(page.on, page.by, ListKeys(limit=PAGE, offset=(number - 1) * PAGE), newest_first=True)


async def show_form(page: PageRequest) -> Response:
    """The query can fill in the form, as `rollbook login` does. Nothing is created before the person sends it."""
    return _form(page, {**BLANK, **_filled_in(page.query)}, {})


def _filled_in(query: Mapping[str, str]) -> dict[str, Any]:
    """What the form can show of it."""
    given: dict[str, Any] = {"name": query.get("name", "")[:100], "expires_on": query.get("expires_on", "")[:10]}
    if scopes := query.get("scopes"):
        given |= {"reach": "some", "scopes": scopes.split(",")}
    if query.get("expires") in dict(EXPIRIES):
        given["expires"] = query["expires"]
    return given


async def create(page: PageRequest) -> Response:
    """The response is the only page with the key on it; no URL leads there."""
    given = _given(page)
    if problems := _unfit(given):
        return _form(page, given, problems, 400)
    try:
        issued = await keys.create(page.on, page.by, page.arguments(KeyCreate, _wanted(given)))
    except ApiError as error:
        found = forms.problems(page, error)
        renamed = {"expires_at": "expires_on" if given["expires"] == "date" else "expires"}
        return _form(page, given, {renamed.get(name, name): sentence for name, sentence in found.items()}, error.status)
    return _issued(page, issued)


async def show_one(page: PageRequest) -> Response:
    return await _page(page, await own_keys.find(page, page.ids[0]))


async def reveal(page: PageRequest) -> Response:
    key = await own_keys.find(page, page.ids[0])
    try:
        proof = page.arguments(PasswordProof, {"password": page.form.get("password", "")})
        issued = await keys.reveal(page.on, page.by, key.id, proof)
    except ApiError as error:
        problems = forms.problems(page, error, {"password": "Your password"}, proof="password")
        return await _page(page, key, error.status, headers=header_lines(error), problems=problems)
    return await _page(page, issued.key, token=issued.token)


async def rotate(page: PageRequest) -> Response:
    key = await own_keys.find(page, page.ids[0])
    overlap = page.form.get("overlap", "0")
    rotation = KeyRotation(overlap=int(overlap) if overlap in dict(OVERLAPS) else 0)
    try:
        issued = await keys.rotate(page.on, page.by, key.id, rotation)
    except ApiError as error:
        return await _page(page, key, error.status, problems=forms.problems(page, error))
    return _issued(page, issued, old=await own_keys.find(page, key.id))


async def revoke(page: PageRequest) -> Response:
    key = await own_keys.find(page, page.ids[0])
    await keys.revoke(page.on, page.by, key.id)
    return page.redirect("/account/keys", "key-revoked")


def state(key: Key) -> State:
    """What a key is good for now."""
    if key.revoked_at is not None:
        return State("", "Revoked", False)
    if key.expires_at is None:
        return State("ok", "Active", True)
    left = key.expires_at - clock.now()
    if left <= 0:
        return State("bad", "Expired", False)
    return State("warn", "Expires soon", True) if left <= SOON else State("ok", "Active", True)


# ---- pages


async def _page(
    page: PageRequest,
    key: Key,
    status: int = 200,
    *,
    headers: bytes = b"",
    token: str | None = None,
    problems: Mapping[str, str] = {},
) -> Response:
    since, until = usage.last_week()
    hours = await records.hours(page.on.db, key.user_id, since, key.id)
    return page.render(
        "account/key.html",
        status,
        secret=token is not None,
        headers=headers,
        section=SECTION,
        key=key,
        state=state(key),
        token=token,
        problems=problems,
        overlaps=OVERLAPS,
        scopes=roles.SCOPES,
        call=_call(page, key, token),
        gauges=await usage.gauges(page, key_bucket(key.user_id, key.limited_with or key.id), key_bounds.limit_of(key.rate_limit)),
        total=usage.totals(hours).requests,
        plot=plots.requests_by_hour(hours, since, until) if hours else None,
    )


def _issued(page: PageRequest, issued: IssuedKey, old: Key | None = None) -> Response:
    return page.render(
        "account/new_key.html",
        201,
        secret=True,
        section=SECTION,
        key=issued.key,
        token=issued.token,
        old=old,
        call=_call(page, issued.key, issued.token),
        environment=f"ROLLBOOK_URL={page.on.url}\nROLLBOOK_KEY={issued.token}",
    )


def _form(page: PageRequest, given: Mapping[str, Any], problems: Mapping[str, str], status: int = 200) -> Response:
    role = page.me.user.role
    groups: dict[str, list[tuple[str, str]]] = {}
    for scope, description in roles.SCOPES.items():
        if scope in roles.grantable(role):
            groups.setdefault(GROUPS.get(scope.partition(":")[0], scope), []).append((scope, description))
    return page.render(
        "account/key_form.html",
        status,
        section=SECTION,
        given=given,
        problems=problems,
        groups=groups,
        role=role,
        reaches_all=bool(roles.ON_ALL[role]),
        expiries=EXPIRIES,
        limit=str(page.by.caller.limit),
        address=page.request.address,
    )


def _call(page: PageRequest, key: Key | None, token: str | None = None) -> str:
    """A call to try at once, one that the key may make."""
    scopes = None if key is None else key_bounds.scopes_of(key.scopes)
    path = "/v1/users/me"
    if scopes is None or "users:read" in scopes:
        if "users:read" in roles.ON_ALL[page.me.user.role]:
            path = "/v1/users"
    elif "keys:read" in scopes:
        path = "/v1/keys/current"
    elif "events:read" in scopes:
        path = "/v1/events"
    elif "metrics:read" in scopes:
        path = "/metrics"
    return f'curl {page.on.url}{path} \\\n  -H "Authorization: Bearer {token or "$ROLLBOOK_KEY"}"'


# ---- the form


def _given(page: PageRequest) -> dict[str, Any]:
    form = page.form
    texts = {name: form.get(name, "").strip() for name in ("name", "reach", "expires", "expires_on", "ip_allow", "rate_limit")}
    return {**texts, "scopes": page.getlist("scopes"), "revealable": "revealable" in form}


def _unfit(given: Mapping[str, Any]) -> dict[str, str]:
    """What was chosen but not filled in."""
    if given["reach"] == "some" and not given["scopes"]:
        return {"scopes": "Select at least one permission, or choose full access."}
    if given["expires"] == "date" and not given["expires_on"]:
        return {"expires_on": "Choose the last day the key should work."}
    return {}


def _wanted(given: Mapping[str, Any]) -> dict[str, Any]:
    """The form as arguments."""
    is_date = given["expires"] == "date"
    return {
        "name": given["name"],
        "scopes": given["scopes"] if given["reach"] == "some" else None,
        "expires_at": f"{given['expires_on']}T23:59:59Z" if is_date else forms.expiry(given["expires"]),
        "ip_allow": given["ip_allow"].replace(",", " ").split() or None,
        "rate_limit": given["rate_limit"] or None,
        "revealable": given["revealable"],
    }
