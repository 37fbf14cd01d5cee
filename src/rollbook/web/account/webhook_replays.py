"""Replays of a webhook: a part of the event log is sent again, and can be canceled."""

from __future__ import annotations

from typing import Any

from rollbook.actions import webhook_replays
from rollbook.actions.arguments import ReplayCreate
from rollbook.errors import ApiError
from rollbook.http.response import Response
from rollbook.web import forms
from rollbook.web.account.webhooks import refused
from rollbook.web.page_request import PageRequest

LABELS = {"from": "From", "to": "Until", "types": "The event types", "user": "The user", "only": "The selection"}


async def create(page: PageRequest) -> Response:
    form = page.form
    given = {name: form.get(name, "").strip() for name in ("from", "to", "types", "user", "only")}
    wanted: dict[str, Any] = {name: forms.utc(value) for name, value in given.items() if value}
    if given["types"]:
        wanted["types"] = [given["types"]]
    try:
        await webhook_replays.create_replay(page.on, page.by, page.ids[0], page.arguments(ReplayCreate, wanted))
    except ApiError as error:
        return await refused(page, error, LABELS)
    return page.redirect(f"/account/webhooks/{page.ids[0]}", "replay-started")


async def cancel(page: PageRequest) -> Response:
    await webhook_replays.cancel_replay(page.on, page.by, *page.ids)
    return page.redirect(f"/account/webhooks/{page.ids[0]}", "replay-canceled")
