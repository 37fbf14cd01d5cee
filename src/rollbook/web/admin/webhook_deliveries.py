"""Deliveries of a webhook: the list, one with what was sent and what came back, resending, and test events.

Replays of a webhook: a part of the event log is sent again, such as everything since it began to fail.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from rollbook import clock
from rollbook.actions import webhook_deliveries, webhooks
from rollbook.actions.arguments.webhooks import ListDeliveries, ListReplays, ReplayCreate, WebhookTest
from rollbook.actions.context import ListPage
from rollbook.actions.webhooks import WebhookDetails
from rollbook.api.show import pretty
from rollbook.delivery import outcomes, sender
from rollbook.errors import ApiError, InvalidParameter
from rollbook.http.request import Response
from rollbook.records import event_types
from rollbook.records.webhooks.deliveries import FAILED, Delivery
from rollbook.web import forms
from rollbook.web.admin.webhooks import SECTION, frame, path, title
from rollbook.web.page_request import PageRequest

PAGE = 50
TEXTS = ("outcome", "type", "user", "trigger", "created_after", "created_before")
LABELS = {
    "outcome": "The outcome",
    "type": "The event type",
    "user": "The user",
    "created_after": "From",
    "created_before": "Until",
    "before": "This link",
}
TRIGGERS = (("", "All"), ("event", "Event"), ("test", "Test"), ("resend", "Resend"), ("replay", "Replay"))
MAX_ATTEMPTS_SHOWN = 20


async def show(page: PageRequest) -> Response:
    """Newest first."""
    seen = await webhooks.get(page.on, page.by, page.ids[0])
    webhook = seen.webhook
    values = {name: page.sent_utc(page.query.get(name, "").strip(), name == "created_before") for name in TEXTS}
    before = page.query.get("before") or None
    problems: dict[str, str] = {}
    batch: ListPage[Delivery] = ListPage([])
    try:
        texts = {name: value for name, value in values.items() if value}
        query = page.arguments(ListDeliveries, {**texts, "limit": PAGE, "before": before})
        batch = await webhook_deliveries.list_deliveries(page.on, page.by, webhook.id, query)
    except InvalidParameter as error:
        problems = forms.problems(page, error, LABELS)
    here = f"{path(webhook)}/deliveries"
    filters = {name: value for name, value in values.items() if value}
    return page.render(
        "admin/webhook_deliveries.html",
        given=values,
        deliveries=batch.items,
        problems=problems,
        outcomes=[
            ("", "All"),
            (FAILED, "Failed"),
            *((name, outcomes.words(name).short) for name in outcomes.DESCRIPTIONS),
        ],
        types=[("", "All"), *((name, name) for name in event_types.TYPES)],
        triggers=TRIGGERS,
        is_filtered=bool(filters),
        newest=f"{here}?{urlencode(filters)}" if before else None,
        older=f"{here}?{urlencode({**filters, 'before': batch.items[-1].id})}" if batch.more else None,
        undelivered=await webhook_deliveries.undelivered(page.on, page.by, webhook.id),
        **await frame(page, seen, "deliveries"),
    )


def _outcomes(chosen: str) -> list[tuple[str, str]]:
    """Outcomes to choose from, with the one that a link has chosen."""
    names = dict.fromkeys((*outcomes.DESCRIPTIONS, *((chosen,) if outcomes.is_outcome(chosen) else ())))
    return [("", "All"), (FAILED, "Failed"), *((name, outcomes.words(name).short) for name in names)]


async def show_one(page: PageRequest) -> Response:
    """Raises NotFound."""
    seen = await webhooks.get(page.on, page.by, page.ids[0])
    whole = await webhook_deliveries.get_delivery(page.on, page.by, page.ids[0], page.ids[1])
    explained = whole.delivery.detail or outcomes.describe(whole.delivery.outcome).replace("`", "")
    if whole.delivery.outcome == outcomes.DELIVERED and not whole.delivery.http_status:
        explained = "The inbox accepted it."
    return page.render(
        "admin/webhook_delivery.html",
        section=SECTION,
        title=title(seen.webhook),
        request=whole.request,
        request_body=pretty(whole.request.body) if whole.request else "",
        response_body=pretty(whole.delivery.response or "") if whole.delivery.http_status else "",
        explained=explained,
        **await _attempts(page, seen, whole.delivery, 0),
    )


async def show_live(page: PageRequest) -> Response:
    """The attempts to deliver the same event, for a page that is open."""
    seen = await webhooks.get(page.on, page.by, page.ids[0])
    whole = await webhook_deliveries.get_delivery(page.on, page.by, page.ids[0], page.ids[1])
    if not page.is_htmx:
        return page.redirect(f"{path(seen.webhook)}/deliveries/{whole.delivery.id}")
    return page.render("admin/webhook_attempts.html", **await _attempts(page, seen, whole.delivery, page.next_poll()))


async def resend(page: PageRequest) -> Response:
    await webhook_deliveries.resend_delivery(page.on, page.by, *page.ids)
    return page.redirect(f"/admin/webhooks/{page.ids[0]}/deliveries/{page.ids[1]}", "delivery-resent")


async def test(page: PageRequest) -> Response:
    """Leads to what became of it, or back to the inbox, where it has arrived."""
    chosen = {"type": type} if (type := page.form.get("type")) else {}
    whole = await webhook_deliveries.test(page.on, page.by, page.ids[0], page.arguments(WebhookTest, chosen))
    delivery = whole.delivery
    if page.form.get("back") == "inbox":
        return page.redirect(f"/admin/webhooks/inbox?webhook={delivery.webhook_id}")
    return page.redirect(f"/admin/webhooks/{delivery.webhook_id}/deliveries/{delivery.id}")


async def _attempts(page: PageRequest, seen: WebhookDetails, delivery: Delivery, polls: int | None) -> dict[str, Any]:
    query = ListDeliveries(event=delivery.event_id, limit=MAX_ATTEMPTS_SHOWN)
    batch = await webhook_deliveries.list_deliveries(page.on, page.by, seen.webhook.id, query)
    last = next((attempt for attempt in batch.items if attempt.trigger == "event"), delivery)
    return {
        "path": path(seen.webhook),
        "delivery": delivery,
        "attempts": batch.items,
        "next_at": _next(seen, last),
        "why": why(seen, last),
        "polls": polls,
    }


def _next(seen: WebhookDetails, last: Delivery) -> int | None:
    """Time at which the event is sent again. Not before the endpoint is tried at all."""
    if last.retry_at is None or seen.webhook.status != "enabled":
        return None
    return max(last.retry_at, seen.health.next_attempt_at or 0)


def why(seen: WebhookDetails, last: Delivery) -> str:
    """The reason for the time of the next attempt, or for having none."""
    if last.outcome == outcomes.DELIVERED:
        return "The event was delivered."
    if last.trigger != "event":
        return f"This was a {last.trigger}, which is not retried."
    if last.retry_at is None:
        return (
            f"That was attempt {last.attempt} of {sender.MAX_ATTEMPTS}. Rollbook has given up on the event: "
            "resend it when the endpoint works."
        )
    if seen.webhook.status != "enabled":
        return f"The webhook is {seen.webhook.status}: the event is sent when you resume it."
    if (seen.health.next_attempt_at or 0) > last.retry_at:
        return (
            "The endpoint failed several times in a row, so Rollbook waits, and then tries one event before it "
            "sends the others."
        )
    step = sender.STEPS[min(last.attempt, len(sender.STEPS)) - 1]
    waits = (last.retry_at - last.created_at) / 1e6
    is_longer = waits > step * (1 + sender.JITTER) + last.duration / 1e6 + 1
    usual = f"Attempt {last.attempt} of {sender.MAX_ATTEMPTS} failed. The next one is about {_length(step)} later"
    if is_longer:
        return f"{usual}, but the receiver asked to wait longer, or answered that it is overloaded."
    return f"{usual}, give or take 20%, so that events that failed together are spread out."


def _length(seconds: float) -> str:
    """`5 seconds`, `2 hours`."""
    for size, unit in ((3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            number = round(seconds / size)
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return "no time"


REPLAYS_SHOWN = 20
"""The newest replays."""
SINCE = (
    ("3600", "The last hour"),
    ("86400", "The last 24 hours"),
    ("604800", "The last 7 days"),
    ("time", "A time of your choice"),
)
"""The beginnings of a replay: seconds ago, or the field beside it."""
SELECTIONS = (("", "All events"), ("failed", "Events that failed"), ("undelivered", "Events never delivered"))
REPLAY_LABELS = {"from": "From", "to": "Until", "types": "The event types", "user": "The user", "only": "The selection"}


async def show_replays_live(page: PageRequest) -> Response:
    """Progress, for a page that is open."""
    seen = await webhooks.get(page.on, page.by, page.ids[0])
    if not page.is_htmx:
        return page.redirect(f"{path(seen.webhook)}/replays")
    return page.render("admin/webhook_replays_live.html", **await _replays_live(page, seen, page.next_poll()))


async def create_replay(page: PageRequest) -> Response:
    form = page.form
    values = {name: form.get(name, "").strip() for name in ("from", "to", "types", "user", "only")}
    fields: dict[str, Any] = {name: page.sent_utc(value, name == "to") for name, value in values.items() if value}
    if (since := form.get("since", "time")) != "time" and since in dict(SINCE):
        fields.pop("to", None)
        fields["from"] = clock.format_time(clock.now() - int(since) * clock.SECOND)
    if values["types"]:
        fields["types"] = [values["types"]]
    try:
        await webhook_deliveries.create_replay(page.on, page.by, page.ids[0], page.arguments(ReplayCreate, fields))
    except ApiError as error:
        return await show_replays(page, error)
    return page.redirect(f"/admin/webhooks/{page.ids[0]}/replays", "replay-started")


async def cancel_replay(page: PageRequest) -> Response:
    await webhook_deliveries.cancel_replay(page.on, page.by, *page.ids)
    return page.redirect(f"/admin/webhooks/{page.ids[0]}/replays", "replay-canceled")


async def show_replays(page: PageRequest, error: ApiError | None = None) -> Response:
    """With what was wrong with the form."""
    seen = await webhooks.get(page.on, page.by, page.ids[0])
    patterns = [("", "The webhook’s"), *((pattern, pattern) for pattern in event_types.patterns())]
    return page.render(
        "admin/webhook_replays.html",
        problems=forms.problems(page, error, REPLAY_LABELS),
        given={} if error is None else page.form,
        undelivered=await webhook_deliveries.undelivered(page.on, page.by, seen.webhook.id),
        presets=SINCE,
        type_patterns=patterns,
        selections=SELECTIONS,
        **(await frame(page, seen, "replays") | await _replays_live(page, seen, 0)),
    )


async def _replays_live(page: PageRequest, seen: WebhookDetails, polls: int | None) -> dict[str, Any]:
    replays = await webhook_deliveries.list_replays(page.on, page.by, seen.webhook.id, ListReplays(limit=REPLAYS_SHOWN))
    return {"path": path(seen.webhook), "replays": replays.items, "polls": polls}
