"""The page about one API key: details, usage, and revealing, rotating and revoking it; and the page with the key in
full after that."""

from __future__ import annotations

from collections.abc import Mapping

from rollbook import roles
from rollbook.actions import key_bounds, keys, purposes
from rollbook.actions.arguments import KeyRotation, PasswordProof
from rollbook.actions.keys import IssuedKey
from rollbook.errors import ApiError
from rollbook.http.response import Response
from rollbook.mcp.tools import TOOLS
from rollbook.records import usage as records
from rollbook.records import users
from rollbook.records.keys import Key
from rollbook.roles import APPLICATION
from rollbook.web import forms, plots, shown_once, usage
from rollbook.web.keys import listing
from rollbook.web.keys.assistants import ASSISTANTS, setup
from rollbook.web.keys.holder import Holder, find
from rollbook.web.page_request import PageRequest

PROVIDERS = {"entra": "Microsoft Entra ID", "okta": "Okta", "other": "Identity provider"}
"""Identity providers, by the name that the URL has for them; each is also the name of a new key."""


async def show(page: PageRequest, holder: Holder, id: str, may_change: bool = True) -> Response:
    return await _page(page, holder, await find(page, holder, id), may_change=may_change)


async def reveal(page: PageRequest, holder: Holder, id: str) -> Response:
    key = await find(page, holder, id)
    try:
        issued = await keys.reveal(page.on, page.by, key.id, PasswordProof())
    except ApiError as error:
        return await _page(page, holder, key, error.status, problems=forms.problems(page, error))
    return redirect_to_secret(page, holder, issued, revealed=True)


async def rotate(page: PageRequest, holder: Holder, id: str) -> Response:
    key = await find(page, holder, id)
    try:
        issued = await keys.rotate(page.on, page.by, key.id, KeyRotation(overlap=forms.overlap(page.form)))
    except ApiError as error:
        return await _page(page, holder, key, error.status, problems=forms.problems(page, error))
    return redirect_to_secret(page, holder, issued, old=key)


async def revoke(page: PageRequest, holder: Holder, id: str) -> Response:
    await keys.revoke(page.on, page.by, id, of=holder.user.id)
    return page.redirect(holder.base, "key-revoked")


def redirect_to_secret(
    page: PageRequest,
    holder: Holder,
    issued: IssuedKey,
    old: Key | None = None,
    revealed: bool = False,
    query: str = "",
) -> Response:
    """`old` is the key that it replaces; `query` says for which identity provider or assistant it is."""
    shown = {"token": issued.token, "old": old and old.id, "revealed": revealed}
    return shown_once.redirect(page, f"{holder.base}/{issued.key.id}/secret", shown, query)


async def show_secret(page: PageRequest, holder: Holder, id: str) -> Response:
    """Once it is too late, leads to the page about the key. Raises NotFound."""
    key = await find(page, holder, id)
    shown = shown_once.found(page)
    if shown is None:
        return page.redirect(f"{holder.base}/{key.id}")
    token = shown["token"]
    is_scim, assistant = key.kind == "scim", page.query.get("assistant", "")
    if assistant in ASSISTANTS and not is_scim:
        return _assistant(page, holder, key, token, assistant)
    return page.render(
        "keys/scim_secret.html" if is_scim else "keys/secret.html",
        secret=True,
        section="admin/scim" if is_scim else holder.section,
        provider=page.query.get("provider", ""),
        providers=PROVIDERS,
        holder=holder,
        key=key,
        token=token,
        old=None if shown["old"] is None else await find(page, holder, shown["old"]),
        revealed=shown["revealed"],
        minutes=shown_once.MINUTES,
        call=example_call(page, holder, key, token),
        purpose=purposes.found(holder.user, key) if holder.user.kind == APPLICATION else None,
        program=_program(page, holder, key, token),
        environment=f"ROLLBOOK_URL={page.on.url}\nROLLBOOK_KEY={token}",
    )


def _program(page: PageRequest, holder: Holder, key: Key, token: str) -> str | None:
    """The program that works with the key of an application, if it has a purpose."""
    purpose = purposes.found(holder.user, key) if holder.user.kind == APPLICATION else None
    audience = (key.audiences or key.user_id).split()[0]
    return None if purpose is None else purposes.program(purpose, page.on.url, token, audience)


def _assistant(page: PageRequest, holder: Holder, key: Key, token: str, assistant: str) -> Response:
    scopes = key_bounds.scopes_of(key.scopes)
    changes = {tool.row.scope for tool in TOOLS.values() if not tool.is_read_only}
    is_read_only = scopes is not None and not scopes & changes
    return page.render(
        "keys/assistant_secret.html",
        secret=True,
        section="account/assistants",
        holder=holder,
        key=key,
        minutes=shown_once.MINUTES,
        assistant=assistant,
        assistants=ASSISTANTS,
        setup=setup(assistant, page.on.url, token, is_read_only),
    )


async def _page(
    page: PageRequest,
    holder: Holder,
    key: Key,
    status: int = 200,
    *,
    problems: Mapping[str, str] = {},
    may_change: bool = True,
) -> Response:
    since, until = usage.last_week()
    hours = await records.hours(page.on.db, key.user_id, since, key.id)
    return page.render(
        "keys/key.html",
        status,
        section=holder.section,
        holder=holder,
        key=key,
        state=listing.state(key),
        creator=await _creator(page, key),
        may_change=may_change,
        problems=problems,
        overlaps=forms.OVERLAPS,
        scopes=roles.SCOPES,
        gauges=await usage.gauges_of(page, key),
        total=records.total(hours).requests,
        plot=plots.requests(hours, since, until, zone=page.zone) if hours else None,
    )


async def _creator(page: PageRequest, key: Key) -> str | None:
    """Name of the person whom the key goes back to, if that is not its user."""
    if key.created_by in (None, "", key.user_id) or not page.may("users:read"):
        return None
    return await users.name(page.on.db, key.created_by or "")


def example_call(page: PageRequest, holder: Holder, key: Key | None = None, token: str | None = None) -> str:
    """One that the key may make; without a key, any that its user may."""
    scopes = None if key is None else key_bounds.scopes_of(key.scopes)
    path = "/v1/users/me"
    if scopes is None or "users:read" in scopes:
        if "users:read" in roles.ON_ALL[holder.user.role]:
            path = "/v1/users"
    elif "keys:read" in scopes:
        path = "/v1/keys/current"
    elif "events:read" in scopes:
        path = "/v1/events"
    elif "metrics:read" in scopes:
        path = "/metrics"
    return f'curl {page.on.url}{path} \\\n  -H "Authorization: Bearer {token or "$ROLLBOOK_KEY"}"'
