"""All webhooks of the server, with whose they are and how they are doing."""

from __future__ import annotations

from rollbook.actions import webhooks
from rollbook.actions.arguments import ListWebhooks
from rollbook.http.response import Response
from rollbook.web.account.webhooks import MAX_LISTED, rows
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    found = await webhooks.list_webhooks(page.on, page.by, ListWebhooks(limit=MAX_LISTED))
    return page.render(
        "admin/webhooks.html",
        section="admin/webhooks",
        rows=await rows(page, found.items, with_owners=True),
    )
