"""Sign-in to an application: where people may return to, who may sign in, the client secret, and the blocks to paste
into programs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rollbook.actions import applications, clients, events, keys
from rollbook.actions.arguments.applications import ApplicationPatch
from rollbook.actions.arguments.events import AuditFilters
from rollbook.actions.arguments.keys import KeyCreate, ListKeys
from rollbook.docs_site import guide
from rollbook.errors import ApiError
from rollbook.http.request import Response
from rollbook.records import groups
from rollbook.records.clients import Client
from rollbook.records.users import User
from rollbook.web import forms, shown_once
from rollbook.web.admin import applications as application_pages
from rollbook.web.admin import user_tabs
from rollbook.web.admin.changes import EventInWords, in_words
from rollbook.web.admin.groups import MAX_OFFERED, find_group, offered
from rollbook.web.keys import pages
from rollbook.web.keys.pages import theirs
from rollbook.web.page_request import PageRequest

MAX_SECRETS, MAX_LOOKED_AT, MAX_SIGN_INS = 10, 100, 10
LISTS = ("redirect_urls", "post_logout_redirect_urls", "other_groups")
YOURS = "YOUR_CLIENT_SECRET"


async def show(page: PageRequest) -> Response:
    user = await application_pages.find(page)
    client = (await applications.get(page.on, page.by, user.id)).client
    return await _page(page, user, client, _values(client))


async def save(page: PageRequest) -> Response:
    user = await application_pages.find(page)
    form = page.form
    values = {
        **{name: form.get(name, "") for name in LISTS},
        "sign_in_groups": page.getlist("sign_in_groups"),
        "public_client": "public_client" in form,
        "group_claims": "ids" if "group_ids" in form else "names",
        "role_claim": "role_claim" in form,
        "backchannel_logout_url": form.get("backchannel_logout_url", "").strip() or None,
    }
    try:
        changes = await _changes(page, values)
        await applications.update(page.on, page.by, user.id, page.arguments(ApplicationPatch, changes))
    except ApiError as error:
        client = (await applications.get(page.on, page.by, user.id)).client
        problems = {re.sub(r"\[\d+\]", "", name): text for name, text in forms.problems(page, error).items()}
        return await _page(page, user, client, values, problems)
    return page.redirect(_path(user), "application-sign-in-saved")


async def create_secret(page: PageRequest) -> Response:
    """Leads to the page with the blocks, which have the secret for some minutes."""
    user = await application_pages.find(page)
    fields = {"user_id": user.id, **application_pages.CLIENT_SECRET}
    issued = await keys.create(page.on, page.by, page.arguments(KeyCreate, fields))
    return shown_once.redirect(page, _path(user), {"secret": issued.token})


def _path(user: User) -> str:
    return f"{application_pages.PATH}/{user.id}/sign-in"


def _values(client: Client) -> dict[str, Any]:
    """The fields of the form: URLs with one on each line, and groups by ID."""
    return {
        **{name: "\n".join(getattr(client, name).split()) for name in LISTS[:2]},
        "sign_in_groups": client.sign_in_groups.split(),
        "other_groups": "",
        "public_client": bool(client.public_client),
        "group_claims": client.group_claims,
        "role_claim": bool(client.role_claim),
        "backchannel_logout_url": client.backchannel_logout_url,
    }


async def _changes(page: PageRequest, values: Mapping[str, Any]) -> dict[str, Any]:
    """The form as arguments. Raises InvalidParameter."""
    lines = {name: [line.strip() for line in values[name].splitlines() if line.strip()] for name in LISTS}
    changes = {**values, **lines}
    others = [(await find_group(page, name, "other_groups")).id for name in changes.pop("other_groups")]
    return {**changes, "sign_in_groups": [*values["sign_in_groups"], *others]}


async def _groups(page: PageRequest, chosen: Sequence[str]) -> dict[str, Any]:
    """Names of groups to choose from, by ID: the first ones, and those that are chosen. One that was deleted stays
    chosen until somebody takes it away: without it, everyone could sign in."""
    first = await offered(page) if page.may("groups:read") else []
    names = {group.id: group.name for group in first}
    for id in chosen:
        if id not in names:
            group = await groups.by_id(page.on.db, id)
            names[id] = f"Deleted group {id}" if group is None else group.name
    return {"offered": names, "has_more_groups": len(first) == MAX_OFFERED}


async def _sign_ins(page: PageRequest, user: User) -> Sequence[EventInWords]:
    if not page.may("events:read"):
        return ()
    filters = page.arguments(AuditFilters, {"types": ["session.created"], "actor": user.id})
    return await page.on.read(in_words, (await events.search(page.on, page.by, filters, MAX_SIGN_INS)).events)


async def _page(
    page: PageRequest, user: User, client: Client, values: Mapping[str, Any], problems: Mapping[str, str] = {}
) -> Response:
    shown = shown_once.found(page, _path(user))
    secret = None if shown is None else shown["secret"]
    secrets = []
    if page.may("keys:read"):
        query = ListKeys(user=user.id, sort="-created_at", limit=MAX_LOOKED_AT)
        listed = await keys.list_by_state(page.on, page.by, query, True)
        secrets = [key for key in listed.items if key.kind == "client"][:MAX_SECRETS]
    issuer, programs = page.on.url, [*guide.connections().values()]
    made = {
        "issuer": issuer,
        "client_id": user.id,
        "client_secret": "" if client.public_client else secret or YOURS,
        "discovery_url": f"{issuer}/.well-known/openid-configuration",
        "redirect_url": (client.redirect_urls.split() or ["YOUR_REDIRECT_URL"])[0],
    }
    matching = [program for program in programs if made["redirect_url"].endswith(program.path)]
    return page.render(
        "admin/application_sign_in.html",
        secret=True,
        client=client,
        given=values,
        problems=problems,
        made=made,
        unreachable=clients.unreachable(issuer, client.redirect_urls.split()),
        shown=secret,
        sign_ins=await _sign_ins(page, user),
        minutes=shown_once.MINUTES,
        secrets=secrets,
        state=pages.state,
        holder=theirs(user),
        blocks=[(program.name, program.redirect_url, program.filled(made)) for program in programs],
        chosen=max([(0, ""), *((len(program.path), program.name) for program in matching)])[1],
        **await _groups(page, values["sign_in_groups"]),
        **await user_tabs.context(page, user, "sign-in"),
    )
