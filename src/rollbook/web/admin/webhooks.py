"""Webhooks: the list with their health, one in detail, what can be done to it, the page with its secret.

The inbox: a receiver inside the product, so that the first webhook is seen without any other program.

The catalogue of events as the choices of a form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from rollbook import clock
from rollbook.actions import webhook_deliveries, webhooks
from rollbook.actions.arguments.passwords import PasswordProof
from rollbook.actions.arguments.webhooks import (
    ListDeliveries,
    ListWebhooks,
    WebhookCreate,
    WebhookRotation,
    WebhookUpdate,
)
from rollbook.actions.webhooks import WebhookDetails
from rollbook.api.show import pretty
from rollbook.errors import ApiError, NotFound
from rollbook.http.request import Response
from rollbook.records import event_types, users
from rollbook.records.webhooks import INBOX, Webhook, health, sealed_headers
from rollbook.storage.database import Queries
from rollbook.web import forms, plots, shown_once
from rollbook.web.page_request import PageRequest
from rollbook.web.plots import Deliveries
from rollbook.web.templates import moment

NAMES = {
    "user": "Users",
    "application": "Applications",
    "group": "Groups",
    "key": "API keys",
    "session": "Sessions",
    "token": "One-time tokens",
    "second_factor": "Second factors",
    "limit": "Rate limits",
    "webhook": "Webhooks",
    "users": "Exports",
    "rule": "Rules",
    "bulk_job": "Bulk jobs",
    "import": "Imports",
    "settings": "Settings",
    "server": "Server",
}


class EventGroup(NamedTuple):
    name: str
    pattern: str
    """Selects all of them."""
    types: list[tuple[str, str]]
    """Each with what it says."""


def groups(without: Iterable[str] = ()) -> list[EventGroup]:
    """All types, by what they are about."""
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for type, about in event_types.TYPES.items():
        if type not in without:
            by_kind.setdefault(event_types.kind(type), []).append((type, about.for_people))
    return [EventGroup(NAMES[name], f"{name}.*", types) for name, types in by_kind.items()]


SECTION = "admin/webhooks"
STATES = ("Disabled", "Failing", "Retrying", "Paused", "Enabled")
MAX_LISTED = 500
"""As many as a server has."""
LATEST = 5
STARTS = (
    ("cursor", "Where it stopped"),
    ("now", "Now: skip what happened meanwhile"),
    ("time", "At a time"),
    ("event", "At an event"),
)
FORMATS = {
    "standard": "Standard Webhooks",
    "cloudevents": "CloudEvents 1.0",
    "ocsf": "OCSF 1.5",
    "slack": "Slack",
    "discord": "Discord",
    "teams": "Microsoft Teams",
}
PAYLOADS = {"full": "The whole event", "thin": "Only IDs and the type"}
TABS = (("", "Overview"), ("deliveries", "Deliveries"), ("replays", "Replays"), ("settings", "Settings"))
ORDERINGS = {"user": "In order for each user", "none": "In any order"}


class ListedWebhook(NamedTuple):
    """A webhook in a list. `owner` is None where the user was erased, or the list shows none."""

    seen: WebhookDetails
    spark: Any
    owner: str | None

    @property
    def text(self) -> str:
        """Text that search looks at."""
        webhook = self.seen.webhook
        return f"{webhook.description} {webhook.url} {self.owner or ''}"


async def show(page: PageRequest) -> Response:
    """All webhooks of the server, failing ones first; a viewer's own."""
    listing = await webhooks.list_webhooks(page.on, page.by, ListWebhooks(limit=MAX_LISTED))
    q, owners = page.query.get("q", "").strip(), page.may("webhooks:read")
    matching = [row for row in await rows(page, listing.items, owners) if q.casefold() in row.text.casefold()]
    matching.sort(key=lambda row: STATES.index(row.seen.cause.state))
    return page.render("admin/webhooks.html", section=SECTION, rows=matching, q=q, total=listing.total, owners=owners)


async def show_one(page: PageRequest) -> Response:
    return await _overview(page, await webhooks.get(page.on, page.by, page.ids[0]))


async def show_settings(page: PageRequest) -> Response:
    return await _settings(page, await webhooks.get(page.on, page.by, page.ids[0]))


async def show_live(page: PageRequest) -> Response:
    """Show how a webhook is doing, and what was sent last, on a page that is open."""
    seen = await webhooks.get(page.on, page.by, page.ids[0])
    if not page.is_htmx:
        return page.redirect(path(seen.webhook))
    return page.render("admin/webhook_live.html", **await _live(page, seen, page.next_poll()))


async def set_status(page: PageRequest) -> Response:
    """Pause a webhook, or resume it where the form says."""
    changes = {name: page.form[name] for name in ("status", "from") if name in page.form}
    if changes.get("from") in ("time", "event"):
        changes["from"] = page.sent_utc(page.form.get(changes["from"], "").strip())
    try:
        seen = await webhooks.update(page.on, page.by, page.ids[0], page.arguments(WebhookUpdate, changes))
    except ApiError as error:
        return await _overview(page, await webhooks.get(page.on, page.by, page.ids[0]), error)
    return page.redirect(
        path(seen.webhook), "webhook-resumed" if seen.webhook.status == "enabled" else "webhook-paused"
    )


def redirect_to_secret(page: PageRequest, seen: WebhookDetails, how: str) -> Response:
    """Redirect to the page that shows the secret. `how` it came there: created, revealed, rotated."""
    return shown_once.redirect(page, f"{path(seen.webhook)}/secret", {"secret": seen.secret, "how": how})


async def show_secret(page: PageRequest) -> Response:
    """Once it is too late, leads to the webhook. Raises NotFound."""
    webhook = (await webhooks.get(page.on, page.by, page.ids[0])).webhook
    shown = shown_once.found(page)
    if shown is None:
        return page.redirect(path(webhook))
    return page.render(
        "admin/webhook_secret.html",
        secret=True,
        section=SECTION,
        webhook=webhook,
        name=title(webhook),
        path=path(webhook),
        signing_secret=shown["secret"],
        how=shown["how"],
        minutes=shown_once.MINUTES,
    )


async def reveal(page: PageRequest) -> Response:
    try:
        seen = await webhooks.reveal(page.on, page.by, page.ids[0], PasswordProof())
    except ApiError as error:
        return await _settings(page, await webhooks.get(page.on, page.by, page.ids[0]), error)
    return redirect_to_secret(page, seen, "revealed")


async def rotate_secret(page: PageRequest) -> Response:
    rotation = WebhookRotation(overlap=forms.overlap(page.form))
    return redirect_to_secret(page, await webhooks.rotate_secret(page.on, page.by, page.ids[0], rotation), "rotated")


async def delete(page: PageRequest) -> Response:
    seen = await webhooks.get(page.on, page.by, page.ids[0])
    await webhooks.delete(page.on, page.by, seen.webhook.id)
    return page.redirect("/admin/webhooks", "webhook-deleted")


# ---- what other pages show of them too


def path(webhook: Webhook) -> str:
    return f"/admin/webhooks/{webhook.id}"


def title(webhook: Webhook) -> str:
    return webhook.description or ("Inbox" if webhook.url == INBOX else webhook.url)


async def rows(page: PageRequest, listed: list[WebhookDetails], with_owners: bool = False) -> list[ListedWebhook]:
    since, until = last_day()
    ids = [seen.webhook.id for seen in listed]
    hours, names = await page.on.read_aside(
        _more, ids, since, {seen.webhook.user_id for seen in listed} if with_owners else ()
    )
    return [
        ListedWebhook(seen, plots.spark(hours[seen.webhook.id], since, until), names.get(seen.webhook.user_id))
        for seen in listed
    ]


async def _more(
    queries: Queries, ids: list[str], since: int, user_ids: set[str]
) -> tuple[dict[str, list[Deliveries]], dict[str, str | None]]:
    return {id: await hours_of(queries, id, since) for id in ids}, {
        id: await users.name(queries, id) for id in user_ids
    }


async def hours_of(queries: Queries, id: str, since: int) -> list[Deliveries]:
    hours = await health.hours_since(queries, id, since // clock.HOUR)
    return [Deliveries(hour * clock.HOUR, delivered, failed) for hour, delivered, failed in hours]


def last_day() -> tuple[int, int]:
    """The last 24 hours in whole hours, including the current one."""
    now = clock.now()
    until = now - now % clock.HOUR + clock.HOUR
    return until - clock.DAY, until


# ---- one of them


async def _people(queries: Queries, webhook: Webhook) -> tuple[str | None, str, str | None]:
    """Name and role of its user, and the name of whoever created it for them."""
    user = await users.by_id(queries, webhook.user_id)
    creator = webhook.created_by if webhook.created_by != webhook.user_id else None
    return (
        await users.name(queries, webhook.user_id),
        "owner" if user is None else user.role,
        await users.name(queries, creator) if creator else None,
    )


async def frame(page: PageRequest, seen: WebhookDetails, tab: str = "") -> dict[str, Any]:
    """Context of `admin/webhook_head.html`, with the name of the tab that is open."""
    webhook = seen.webhook
    owner, role, creator = await page.on.read(_people, webhook)
    own = webhook.user_id == page.me.user.id
    return {
        "section": SECTION,
        "title": title(webhook),
        "path": path(webhook),
        "tab": tab,
        "tabs": TABS,
        "webhook": webhook,
        "seen": seen,
        "is_own": own,
        "owner": owner,
        "creator": creator,
        "may_change": own or page.may_touch(role),
    }


async def _live(page: PageRequest, seen: WebhookDetails, polls: int | None) -> dict[str, Any]:
    """Parts that change while the page is open."""
    webhook = seen.webhook
    latest = await webhook_deliveries.list_deliveries(page.on, page.by, webhook.id, ListDeliveries(limit=LATEST))
    return {"path": path(webhook), "seen": seen, "deliveries": latest.items, "polls": polls}


async def _overview(page: PageRequest, seen: WebhookDetails, error: ApiError | None = None) -> Response:
    since, until = last_day()
    hours = await page.on.read(hours_of, seen.webhook.id, since)
    return page.render(
        "admin/webhook.html",
        problems=forms.problems(page, error, {"from": "The start"}),
        starts=STARTS,
        groups=groups(),
        plot=plots.deliveries_by_hour(hours, since, until, page.zone) if hours else None,
        **(await frame(page, seen) | await _live(page, seen, 0)),
    )


async def _settings(page: PageRequest, seen: WebhookDetails, error: ApiError | None = None) -> Response:
    webhook = seen.webhook
    return page.render(
        "admin/webhook_settings.html",
        problems=forms.problems(page, error, {}),
        types=webhook.types.split(),
        header_names=list(sealed_headers(webhook)),
        formats=FORMATS,
        payloads=PAYLOADS,
        orderings=ORDERINGS,
        overlaps=forms.OVERLAPS,
        **await frame(page, seen, "settings"),
    )


INBOX_SHOWN = 20
"""The newest messages."""


async def show_inbox(page: PageRequest) -> Response:
    inboxes = await webhook_deliveries.of_caller(page.on, page.by)
    if not inboxes:
        return page.render("admin/webhook_inbox_none.html", section=SECTION)
    webhook = _chosen(page, inboxes)
    return page.render(
        "admin/webhook_inbox.html",
        section=SECTION,
        inboxes=[(webhook.id, f"{title(webhook)}, {moment(webhook.created_at)}") for webhook in inboxes],
        path=path(webhook),
        groups=groups(),
        **await _inbox_live(page, webhook, 0),
    )


async def create_inbox(page: PageRequest) -> Response:
    webhook = (await webhooks.create(page.on, page.by, page.arguments(WebhookCreate, {"url": INBOX}))).webhook
    return page.redirect(f"/admin/webhooks/inbox?webhook={webhook.id}", "inbox-created")


async def show_inbox_live(page: PageRequest) -> Response:
    """New arrivals, for a page that is open."""
    webhook = _chosen(page, await webhook_deliveries.of_caller(page.on, page.by))
    if not page.is_htmx:
        return page.redirect(f"/admin/webhooks/inbox?webhook={webhook.id}")
    return page.render("admin/webhook_inbox_live.html", **await _inbox_live(page, webhook, page.next_poll()))


def _chosen(page: PageRequest, inboxes: list[Webhook]) -> Webhook:
    """The one that the URL asks for, or the newest. Raises NotFound."""
    webhook_id = page.query.get("webhook")
    chosen = next((inbox for inbox in reversed(inboxes) if webhook_id in (None, inbox.id)), None)
    if chosen is None:
        raise NotFound("You have no inbox with this ID.")
    return chosen


async def _inbox_live(page: PageRequest, webhook: Webhook, polls: int | None) -> dict[str, Any]:
    arrivals = await webhook_deliveries.arrivals(page.on, page.by, webhook.id, INBOX_SHOWN)
    return {
        "webhook": webhook,
        "arrivals": [(arrival, _type(arrival.message.body), pretty(arrival.message.body)) for arrival in arrivals],
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
