"""Replays of a webhook: a part of the event log is sent again, such as everything since it began to fail."""

from __future__ import annotations

from typing import Any

from rollbook import clock
from rollbook.actions import webhook_replays, webhooks
from rollbook.actions.arguments import ListReplays, ReplayCreate
from rollbook.actions.webhooks import WebhookDetails
from rollbook.errors import ApiError
from rollbook.http.response import Response
from rollbook.records import event_types
from rollbook.web import forms
from rollbook.web.account.webhooks import frame, path
from rollbook.web.page_request import PageRequest, header_lines

SHOWN = 20
"""The newest replays."""
SINCE = (
    ("3600", "The last hour"),
    ("86400", "The last 24 hours"),
    ("604800", "The last 7 days"),
    ("time", "A time of your choice"),
)
"""The beginnings of a replay: seconds ago, or the field beside it."""
SELECTIONS = (("", "All events"), ("failed", "Events that failed"), ("undelivered", "Events never delivered"))
LABELS = {"from": "From", "to": "Until", "types": "The event types", "user": "The user", "only": "The selection"}


async def show(page: PageRequest) -> Response:
    return await _page(page)


async def show_live(page: PageRequest) -> Response:
    """Progress, for a page that is open."""
    seen = await webhooks.get(page.on, page.by, page.ids[0])
    if not page.is_htmx:
        return page.redirect(f"{path(seen.webhook)}/replays")
    return page.render("account/webhook_replays_live.html", **await _live(page, seen, page.next_poll()))


async def create(page: PageRequest) -> Response:
    form = page.form
    given = {name: form.get(name, "").strip() for name in ("from", "to", "types", "user", "only")}
    wanted: dict[str, Any] = {name: page.sent_utc(value, name == "to") for name, value in given.items() if value}
    if (since := form.get("since", "time")) != "time" and since in dict(SINCE):
        wanted.pop("to", None)
        wanted["from"] = clock.format_time(clock.now() - int(since) * clock.SECOND)
    if given["types"]:
        wanted["types"] = [given["types"]]
    try:
        await webhook_replays.create_replay(page.on, page.by, page.ids[0], page.arguments(ReplayCreate, wanted))
    except ApiError as error:
        return await _page(page, error)
    return page.redirect(f"/account/webhooks/{page.ids[0]}/replays", "replay-started")


async def cancel(page: PageRequest) -> Response:
    await webhook_replays.cancel_replay(page.on, page.by, *page.ids)
    return page.redirect(f"/account/webhooks/{page.ids[0]}/replays", "replay-canceled")


async def _page(page: PageRequest, error: ApiError | None = None) -> Response:
    """With what was wrong with the form."""
    seen = await webhooks.get(page.on, page.by, page.ids[0])
    patterns = [("", "The webhook’s"), *((pattern, pattern) for pattern in event_types.patterns())]
    return page.render(
        "account/webhook_replays.html",
        200 if error is None else error.status,
        headers=b"" if error is None else header_lines(error),
        problems=forms.problems(page, error, LABELS),
        given={} if error is None else page.form,
        undelivered=await webhook_replays.undelivered(page.on, page.by, seen.webhook.id),
        presets=SINCE,
        type_patterns=patterns,
        selections=SELECTIONS,
        **(await frame(page, seen, "replays") | await _live(page, seen, 0)),
    )


async def _live(page: PageRequest, seen: WebhookDetails, polls: int | None) -> dict[str, Any]:
    replays = await webhook_replays.list_replays(page.on, page.by, seen.webhook.id, ListReplays(limit=SHOWN))
    return {"path": path(seen.webhook), "replays": replays.items, "polls": polls}
