"""The inbox: a receiver inside the product, so that the first webhook is seen without any other program."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from rollbook.actions import webhook_inbox, webhooks
from rollbook.actions.arguments import WebhookCreate
from rollbook.api.show import pretty
from rollbook.errors import NotFound
from rollbook.http.response import Response
from rollbook.records.webhooks import INBOX, Webhook
from rollbook.web import event_choices
from rollbook.web.account.webhooks import SECTION, path, title
from rollbook.web.page_request import PageRequest
from rollbook.web.templates import moment

SHOWN = 20
"""The newest messages."""


async def show(page: PageRequest) -> Response:
    found = await webhook_inbox.of_caller(page.on, page.by)
    if not found:
        return page.render("account/webhook_inbox_none.html", section=SECTION)
    webhook = _chosen(page, found)
    return page.render(
        "account/webhook_inbox.html",
        section=SECTION,
        inboxes=[(each.id, f"{title(each)}, {moment(each.created_at)}") for each in found],
        path=path(webhook),
        groups=event_choices.groups(),
        **await _live(page, webhook, 0),
    )


async def create(page: PageRequest) -> Response:
    webhook = (await webhooks.create(page.on, page.by, page.arguments(WebhookCreate, {"url": INBOX}))).webhook
    return page.redirect(f"/account/webhooks/inbox?webhook={webhook.id}", "inbox-created")


async def show_live(page: PageRequest) -> Response:
    """New arrivals, for a page that is open."""
    webhook = _chosen(page, await webhook_inbox.of_caller(page.on, page.by))
    if not page.is_htmx:
        return page.redirect(f"/account/webhooks/inbox?webhook={webhook.id}")
    return page.render("account/webhook_inbox_live.html", **await _live(page, webhook, page.next_poll()))


def _chosen(page: PageRequest, found: list[Webhook]) -> Webhook:
    """The one that the URL asks for, or the newest. Raises NotFound."""
    wanted = page.query.get("webhook")
    chosen = next((each for each in reversed(found) if wanted in (None, each.id)), None)
    if chosen is None:
        raise NotFound("You have no inbox with this ID.")
    return chosen


async def _live(page: PageRequest, webhook: Webhook, polls: int | None) -> dict[str, Any]:
    found = await webhook_inbox.arrivals(page.on, page.by, webhook.id, SHOWN)
    return {
        "webhook": webhook,
        "arrivals": [(each, _type(each.message.body), pretty(each.message.body)) for each in found],
        "polls": polls,
    }


class _Typed(Struct):
    type: str = ""


_typed = msgspec.json.Decoder(_Typed).decode


def _type(body: str) -> str:
    """The event's, where the format has it."""
    try:
        return _typed(body).type
    except msgspec.DecodeError:
        return ""
