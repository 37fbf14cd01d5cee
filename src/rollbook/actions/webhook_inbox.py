"""The inbox: what webhooks with the URL `inbox` were sent, and whether its signature is right, as a receiver would
check it."""

from __future__ import annotations

from typing import NamedTuple

from rollbook.actions import webhook_secrets, webhooks
from rollbook.actions.arguments import ListWebhooks
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require
from rollbook.actions.principal import Principal
from rollbook.actions.webhook_owners import MAX_OF_USER
from rollbook.delivery import signing
from rollbook.records.webhooks import INBOX, Webhook, inbox
from rollbook.records.webhooks.inbox import Message

SIGNATURE = "webhook-signature"


class Arrival(NamedTuple):
    message: Message
    headers: list[tuple[str, str]]
    is_signed: bool
    """With a secret that the webhook has now."""


async def of_caller(on: Rollbook, by: Principal) -> list[Webhook]:
    """The caller's webhooks that deliver to the inbox, oldest first."""
    found = await webhooks.list_webhooks(on, by, ListWebhooks(user="me", limit=MAX_OF_USER))
    return [seen.webhook for seen in found.items if seen.webhook.url == INBOX]


async def arrivals(on: Rollbook, by: Principal, id: str, limit: int) -> list[Arrival]:
    """Newest messages of an inbox, newest first. Raises NotFound."""
    require(by, "events:read")
    webhook = await webhooks.find(on, by, "webhooks:read", id)
    try:
        keys = webhook_secrets.unsealed(on.secret, webhook).secrets
    except ValueError:  # the server's secret has changed since
        keys = []
    found = []
    for message in await on.read(inbox.newest, webhook.id, limit):
        lines = [line.partition(":") for line in message.headers.splitlines()]
        headers = {name: value.strip() for name, _, value in lines}
        found.append(Arrival(message, list(headers.items()), _is_signed(headers, message.body, keys)))
    return found


def _is_signed(headers: dict[str, str], body: str, keys: list[bytes]) -> bool:
    """Test a signature as the specification has receivers do it; the age aside, since messages are looked at later."""
    id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (at.isascii() and at.isdecimal()):
        return False
    expected = dict(signing.headers(id, int(at), body.encode(), keys))[SIGNATURE].split()
    return not set(expected).isdisjoint(headers.get(SIGNATURE, "").split())
