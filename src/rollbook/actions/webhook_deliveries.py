"""Deliveries: every attempt to send an event, what was sent and what came back; and test deliveries.

The inbox: what webhooks with the URL `inbox` were sent, and whether its signature is right, as a receiver would
check it.

Replays: a part of the event log is sent to a webhook again.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from msgspec import UNSET

from rollbook import clock, ids
from rollbook.actions import token_requests
from rollbook.actions import webhooks as webhook_actions
from rollbook.actions.arguments.webhooks import ListDeliveries, ListReplays, ListWebhooks, ReplayCreate, WebhookTest
from rollbook.actions.checking import check_range, given, refuse
from rollbook.actions.context import ListPage, Rollbook
from rollbook.actions.creators import MAX_OF_USER, check_may_send
from rollbook.actions.events import position_before, position_of
from rollbook.actions.permissions import known, require, whom
from rollbook.actions.principal import Principal
from rollbook.actions.webhooks import find, patterns
from rollbook.delivery import outcomes, payload, signing
from rollbook.delivery.sender import Sender, Sent
from rollbook.errors import NotFound, ReplayLimitReached
from rollbook.records import event_parts, event_types, events, examples, webhooks
from rollbook.records.events import Event, Selection
from rollbook.records.one_time_tokens import REQUESTED
from rollbook.records.webhooks import INBOX, Webhook, deliveries, replays
from rollbook.records.webhooks.deliveries import FAILED, HIDDEN, Delivery, DeliveryFilters, Message, Undelivered
from rollbook.records.webhooks.replays import Replay
from rollbook.storage.database import Queries, Tx

TEST = "server.test"
MAX_RUNNING = 100
"""Replays of a webhook, resent deliveries included."""


class SentRequest(NamedTuple):
    """The request that was sent, made again from the event log: with the URL and format that the webhook has now."""

    url: str
    headers: dict[str, str]
    body: str


class DeliveryDetails(NamedTuple):
    """A delivery with what was sent. No request: the event is no longer in the log."""

    delivery: Delivery
    request: SentRequest | None


async def list_deliveries(on: Rollbook, by: Principal, id: str, query: ListDeliveries) -> ListPage[Delivery]:
    """List deliveries

    Returns the attempts to deliver events to a webhook, newest first. `outcome` says how each ended, `retry_at` when
    the next attempt is. Deliveries are kept for 14 days (setting `webhook_retention`), at most 10,000 for each webhook.
    If there are more, the `Link` header has the URL of the next page. Also requires the scope `events:read`.
    """
    webhook = await _find(on, by, "webhooks:read", id)
    check_range(query.created_after, query.created_before)
    filters = DeliveryFilters(
        before=query.before,
        outcome=query.outcome,
        type=query.type,
        user_id=query.user and whom(by, query.user),
        event_id=query.event,
        trigger=query.trigger,
        created_after=query.created_after,
        created_before=query.created_before,
    )
    if filters.outcome not in (None, FAILED) and not outcomes.is_outcome(filters.outcome or ""):
        refuse("outcome", "must be failed or the name of an outcome, such as timed_out or http_500")
    batch = await on.read_aside(deliveries.some, webhook.id, filters, query.limit + 1)
    return ListPage(batch[: query.limit], more=len(batch) > query.limit)


async def get_delivery(on: Rollbook, by: Principal, id: str, delivery_id: str) -> DeliveryDetails:
    """Get a delivery

    Returns the delivery with its request and the first 4 KiB of the response. The request is recreated from the event
    log, with the URL and format that the webhook has now. It is null if the event was erased or is past its retention.
    """
    webhook = await _find(on, by, "webhooks:read", id)
    delivery = await deliveries.get(on.db, webhook.id, known("dlv", delivery_id))
    return await on.read(_whole, webhook, delivery, on.settings.url)


async def _whole(queries: Queries, webhook: Webhook, delivery: Delivery, source: str) -> DeliveryDetails:
    event = await _event(queries, delivery)
    if event is None:
        return DeliveryDetails(delivery, None)
    form, content = webhook.format, webhook.payload
    is_test, named = delivery.trigger == "test", payload.named(event, form, content)
    names = event_parts.EXAMPLES if is_test else await event_parts.of(queries, named)
    try:
        content_type, body = payload.body(event, form, content, source, names)  # type: ignore[bad-argument-type]
    except payload.UnfitEvent:
        return DeliveryDetails(delivery, None)
    return DeliveryDetails(delivery, _request(webhook, delivery, content_type, body))


async def _event(queries: Queries, delivery: Delivery) -> Event | None:
    if delivery.trigger == "test":
        return events.example(delivery.type, delivery.event_id, delivery.created_at)
    event = await events.at(queries, delivery.seq)
    return event if event is not None and event.id == delivery.event_id and not event.is_erased else None


def _request(webhook: Webhook, delivery: Delivery, content_type: str, body: bytes) -> SentRequest:
    signed = dict(signing.headers(delivery.event_id, delivery.created_at // clock.SECOND, body, ()))
    own = dict.fromkeys(webhooks.sealed_headers(webhook), HIDDEN)
    headers = {"content-type": content_type, **signed, "webhook-signature": HIDDEN, **own}
    return SentRequest(webhook.url, headers, body.decode())


async def resend_delivery(on: Rollbook, by: Principal, id: str, delivery_id: str) -> Replay:
    """Resend a delivery

    Sends the event again, with the same `webhook-id`, even if it was delivered or the webhook is paused. Returns a
    replay that shows whether it succeeded. A test delivery can't be resent.
    """
    webhook = await _find(on, by, "webhooks:write", id)
    delivery = await deliveries.get(on.db, webhook.id, known("dlv", delivery_id))
    if delivery.trigger == "test" or await on.read(_event, delivery) is None:
        raise NotFound("The event of this delivery is not in the event log, so it can't be sent again.")
    replay = replays.new(
        webhook.id,
        "resend",
        delivery.seq,
        delivery.seq,
        user_id=delivery.user_id,
        by=by.user_id,
    )
    return await on.write(start_replay, replay)


async def start_replay(tx: Tx, replay: Replay) -> Replay:
    """Raises InsufficientScope, ReplayLimitReached."""
    await check_may_send(tx, await webhooks.get(tx, replay.webhook_id))
    if await replays.count_running(tx, replay.webhook_id) >= MAX_RUNNING:
        raise ReplayLimitReached()
    await replays.add(tx, replay)
    return await replays.get(tx, replay.webhook_id, replay.id)


# ---- test deliveries


async def test(on: Rollbook, by: Principal, id: str, fields: WebhookTest) -> DeliveryDetails:
    """Test a webhook

    Sends an example event immediately, whatever the types of the webhook, even if it is paused or disabled. Returns the
    delivery with its outcome, after up to 15 seconds. The event is not in the event log and is not retried.
    """
    webhook = await _find(on, by, "webhooks:write", id)
    type = TEST if fields.type is UNSET else str(fields.type)
    if type not in event_types.TYPES:
        refuse("type", f"must be one of {', '.join(event_types.TYPES)}")
    await on.read(check_may_send, webhook)
    now = clock.now()
    event = events.example(type, ids.new("evt"), now)
    form, content = webhook.format, webhook.payload
    carries = type == REQUESTED and token_requests.carries(webhook)
    sample = payload.carrying(event, examples.CARRIED) if carries else event
    names = event_parts.EXAMPLES
    content_type, body = payload.body(sample, form, content, on.settings.url, names)  # type: ignore[bad-argument-type]
    sent, message = await _send(on, webhook, event, content_type, body)
    delivery = Delivery(
        id=ids.new("dlv"),
        webhook_id=webhook.id,
        seq=0,
        event_id=event.id,
        type=type,
        user_id="",
        trigger="test",
        attempt=1,
        created_at=now,
        duration=sent.duration,
        outcome=sent.outcome,
        response=sent.response or sent.detail,
        http_status=sent.http_status,
        address=sent.address,
        retry_at=None,
        response_type=sent.response_type,
    )
    return await on.write(_tested, DeliveryDetails(delivery, _request(webhook, delivery, content_type, body)), message)


async def _send(
    on: Rollbook,
    webhook: Webhook,
    event: Event,
    content_type: str,
    body: bytes,
) -> tuple[
    Sent,
    Message | None,
]:
    """Send an event. For the inbox, returns the message to keep. Raises NotFound, InvalidParameter."""
    now = clock.now()
    try:
        headers, keys, url = webhook_actions.unsealed(on.secret, webhook)
    except ValueError:
        raise NotFound(
            "This webhook cannot send: the server's secret has changed since its own was created. Rotate it, and "
            "set its headers and, for a chat, its URL again."
        ) from None
    head = [("content-type", content_type), *signing.headers(event.id, now // clock.SECOND, body, keys)]
    if url == webhooks.INBOX:
        return Sent(outcomes.DELIVERED), deliveries.message(webhook.id, "", now, head, headers, body)
    try:
        sender = Sender(url, on.addresses, connections=1)
    except ValueError:  # `webhook_allow` is narrower than when the URL was set
        return Sent(outcomes.NO_ADDRESS), None
    # A task of its own: the sender's timeouts need one, and requests are answered without.
    return await asyncio.create_task(_post(sender, [*head, *headers], body)), None


async def _post(sender: Sender, head: list[tuple[str, str]], body: bytes) -> Sent:
    try:
        return await sender.post(head, body)
    finally:
        await sender.close()


async def _tested(tx: Tx, whole: DeliveryDetails, message: Message | None) -> DeliveryDetails:
    await webhooks.get(tx, whole.delivery.webhook_id)  # it may have been deleted meanwhile
    await deliveries.add(tx, (whole.delivery,))
    if message is not None:
        await deliveries.add_message(tx, (message,))
    return whole


async def _find(on: Rollbook, by: Principal, scope: str, id: str) -> Webhook:
    """Find a webhook, for an action that shows or sends events. Raises InsufficientScope, NotFound."""
    webhook = await find(on, by, scope, id)
    require(by, "events:read")
    return webhook


SIGNATURE = "webhook-signature"


class Arrival(NamedTuple):
    message: Message
    headers: list[tuple[str, str]]
    is_signed: bool
    """With a secret that the webhook has now."""


async def of_caller(on: Rollbook, by: Principal) -> list[Webhook]:
    """The caller's webhooks that deliver to the inbox, oldest first."""
    page = await webhook_actions.list_webhooks(on, by, ListWebhooks(user="me", limit=MAX_OF_USER))
    return [seen.webhook for seen in page.items if seen.webhook.url == INBOX]


async def arrivals(on: Rollbook, by: Principal, id: str, limit: int) -> list[Arrival]:
    """Newest messages of an inbox, newest first. Raises NotFound."""
    require(by, "events:read")
    webhook = await webhook_actions.find(on, by, "webhooks:read", id)
    try:
        keys = webhook_actions.unsealed(on.secret, webhook).secrets
    except ValueError:  # the server's secret has changed since
        keys = []
    shown = []
    for message in await on.read(deliveries.newest, webhook.id, limit):
        lines = [line.partition(":") for line in message.headers.splitlines()]
        headers = {name: value.strip() for name, _, value in lines}
        shown.append(Arrival(message, list(headers.items()), _is_signed(headers, message.body, keys)))
    return shown


def _is_signed(headers: dict[str, str], body: str, keys: list[bytes]) -> bool:
    """Test a signature as the specification has receivers do it; the age aside, since messages are looked at later."""
    id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (at.isascii() and at.isdecimal()):
        return False
    expected = dict(signing.headers(id, int(at), body.encode(), keys))[SIGNATURE].split()
    return not set(expected).isdisjoint(headers.get(SIGNATURE, "").split())


FAILURE = "failure"
"""Instead of an event to begin with: the first one that failed and has not been delivered since."""


async def list_replays(on: Rollbook, by: Principal, id: str, query: ListReplays) -> ListPage[Replay]:
    """List replays

    Returns the replays of a webhook, newest first, including resent deliveries.
    """
    webhook = await find(on, by, "webhooks:read", id)
    return await on.read(_list, webhook.id, query.limit, query.before)


async def _list(queries: Queries, webhook_id: str, limit: int, before: str | None) -> ListPage[Replay]:
    batch = await replays.of(queries, webhook_id, limit, before)
    return ListPage(batch, await replays.count(queries, webhook_id))


async def create_replay(on: Rollbook, by: Principal, id: str, new: ReplayCreate) -> Replay:
    """Replay events

    Sends part of the event log to the webhook again, with the same `webhook-id`, even if the webhook is paused. New
    events are sent as usual. A replay continues after a restart; get it to see its progress. Events that fail are not
    retried. At most 5 replays of yours run at a time, and 20 of the server: others wait. An inbox is sent the newest
    100 events. Also requires the scope `events:read`.
    """
    webhook = await find(on, by, "webhooks:write", id)
    require(by, "events:read")
    newest = await events.newest(on.db)
    first = await _first(on, webhook.id, str(new.start))
    last = newest if new.to is UNSET else min(newest, await on.read(position_of, "to", str(new.to)))
    if last < first:
        refuse("from", "must not be after to, and there must be an event since then")
    types, user_id = "" if new.types is UNSET else patterns(new.types), whom(by, given(new.user, ""))
    if webhook.url == INBOX:
        selected = event_types.selected((types or webhook.types).split())
        selection = Selection(selected, user_id or None, first - 1, last + 1)
        oldest = await on.read_aside(_newest, selection)
        first = max(first, oldest)
    replay = replays.new(
        webhook.id,
        "replay",
        first,
        last,
        types=types,
        user_id=user_id,
        selection=given(new.only, "all"),
        by=by.user_id,
    )
    return await on.write(start_replay, replay)


async def _first(on: Rollbook, webhook_id: str, start: str) -> int:
    """The number of the first event to send. Raises InvalidParameter, PositionExpired."""
    if start != FAILURE:
        return await on.read(position_before, start) + 1
    first = (await on.read_aside(deliveries.undelivered, webhook_id)).first
    if first is None:
        refuse("from", f"can't be {FAILURE}: every event that failed has been delivered since")
    return first


async def undelivered(on: Rollbook, by: Principal, id: str) -> Undelivered:
    """Events with which a replay from FAILURE begins."""
    webhook = await find(on, by, "webhooks:read", id)
    require(by, "events:read")
    return await on.read_aside(deliveries.undelivered, webhook.id)


async def _newest(queries: Queries, selection: Selection) -> int:
    """The number of the first of those events that an inbox keeps; 0: all."""
    page = await events.page(queries, selection, deliveries.MAX_MESSAGES, newest_first=True)
    return page.events[-1].seq if page.more and page.events else 0


async def get_replay(on: Rollbook, by: Principal, id: str, replay_id: str) -> Replay:
    """Get a replay

    Returns the replay with its progress.
    """
    webhook = await find(on, by, "webhooks:read", id)
    return await replays.get(on.db, webhook.id, known("replay", replay_id))


async def cancel_replay(on: Rollbook, by: Principal, id: str, replay_id: str) -> None:
    """Cancel a replay

    No more of its events are sent. If it has finished already, nothing happens.
    """
    webhook = await find(on, by, "webhooks:write", id)
    replay = await replays.get(on.db, webhook.id, known("replay", replay_id))
    if replay.finished_at is None:
        await on.write(replays.cancel, webhook.id, replay.id)
