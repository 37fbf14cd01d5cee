"""The form of a webhook: to create one, and to change one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollbook.actions import users, webhooks
from rollbook.actions.arguments.webhooks import WebhookCreate, WebhookUpdate
from rollbook.errors import ApiError, NotFound
from rollbook.http.request import Response
from rollbook.records import event_types
from rollbook.records.users import User
from rollbook.records.webhooks import INBOX, Webhook, sealed_headers
from rollbook.web import forms
from rollbook.web.admin import webhooks as webhook_pages
from rollbook.web.admin.webhooks import FORMATS, ORDERINGS, PAYLOADS, SECTION, path, redirect_to_secret, title
from rollbook.web.forms import form_of
from rollbook.web.page_request import PageRequest, whole_number

FORM = form_of(WebhookUpdate, leave_out=("status", "from", "user_id"))
BLANK: dict[str, Any] = {
    **FORM.blank(),
    "reach": "all",
    "to": "url",
    "type": [],
    "headers": "",
    "remove": [],
    "version": "",
    "user_id": "",
}
LABELS = {**FORM.labels(), "types": "The events", "headers": "The headers", "ordering": "The order"}


async def show_new(page: PageRequest) -> Response:
    """The query can name the user whose webhook it becomes, such as an application."""
    return await _new(page, {**BLANK, "user_id": page.query.get("user", "")})


async def create(page: PageRequest) -> Response:
    """Leads to the page that shows the secret."""
    values = _given(page)
    owner = {"user_id": values["user_id"]} if values["user_id"] else {}
    try:
        seen = await webhooks.create(page.on, page.by, page.arguments(WebhookCreate, {**_wanted(values), **owner}))
    except NotFound:
        raise
    except ApiError as error:
        return await _new(page, values, forms.problems(page, error, LABELS))
    return redirect_to_secret(page, seen, "created")


async def show_edit(page: PageRequest) -> Response:
    webhook = (await webhooks.get(page.on, page.by, page.ids[0])).webhook
    types = webhook.types.split()
    is_all = types == [event_types.ALL]
    return _form(
        page,
        webhook,
        {
            **BLANK,
            **FORM.stored(webhook),
            "reach": "all" if is_all else "some",
            **_to(webhook.url),
            "type": [] if is_all else types,
            "version": str(webhook.version),
        },
    )


async def save(page: PageRequest) -> Response:
    webhook = (await webhooks.get(page.on, page.by, page.ids[0])).webhook
    values = _given(page)
    fields = _wanted(values)
    fields["headers"] = {**dict.fromkeys(values["remove"]), **fields["headers"]}
    version = whole_number(values["version"])
    versions = None if version is None else frozenset({version})
    try:
        await webhooks.update(page.on, page.by, webhook.id, page.arguments(WebhookUpdate, fields), versions)
    except ApiError as error:
        return _form(page, webhook, values, forms.problems(page, error, LABELS))
    return page.redirect(f"{path(webhook)}/settings", "webhook-saved")


async def _new(page: PageRequest, values: Mapping[str, Any], problems: Mapping[str, str] = {}) -> Response:
    """Raises InsufficientScope, NotFound, if it is for someone else."""
    owner = await users.get(page.on, page.by, values["user_id"]) if values["user_id"] else None
    return _form(page, None, values, problems, owner)


def _form(
    page: PageRequest,
    webhook: Webhook | None,
    values: Mapping[str, Any],
    problems: Mapping[str, str] = {},
    owner: User | None = None,
) -> Response:
    return page.render(
        "admin/webhook_form.html",
        section=SECTION,
        webhook=webhook,
        owner=owner,
        title="" if webhook is None else title(webhook),
        path="/admin/webhooks" if webhook is None else path(webhook),
        header_names=[] if webhook is None else list(sealed_headers(webhook)),
        given=values,
        problems=problems,
        inbox=INBOX,
        groups=webhook_pages.groups(("server.test",)),
        formats=list(FORMATS.items()),
        payloads=list(PAYLOADS.items()),
        orderings=list(ORDERINGS.items()),
    )


def _given(page: PageRequest) -> dict[str, Any]:
    form = page.form
    return {
        **FORM.given(form),
        **_to(INBOX if form.get("to") == INBOX else form.get("url", "").strip()),
        **{name: form.get(name, "").strip() for name in ("reach", "version", "user_id")},
        "type": page.getlist("type"),
        "remove": page.getlist("remove"),
        "headers": form.get("headers", ""),
    }


def _to(url: str) -> dict[str, str]:
    """The two fields that say where events are sent."""
    return {"to": INBOX, "url": ""} if url == INBOX else {"to": "url", "url": url}


def _wanted(values: Mapping[str, Any]) -> dict[str, Any]:
    """The form as arguments."""
    lines = [line.partition(":") for line in values["headers"].splitlines() if line.strip()]
    return {
        **FORM.wanted(values),
        "url": INBOX if values["to"] == INBOX else values["url"],
        "types": [event_types.ALL] if values["reach"] == "all" else values["type"],
        "headers": {name.strip(): value.strip() for name, _, value in lines},
    }
