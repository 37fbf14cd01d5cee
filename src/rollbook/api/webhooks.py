"""Webhooks over the API, with their deliveries and replays."""

from __future__ import annotations

from typing import Annotated, get_args

from msgspec import UNSET, Struct, UnsetType

from rollbook import errors
from rollbook.actions import webhook_deliveries, webhooks
from rollbook.actions.arguments.passwords import PasswordProof
from rollbook.actions.arguments.webhooks import (
    ABOUT_FORMATS,
    ABOUT_ORDERINGS,
    ABOUT_PAYLOADS,
    ListDeliveries,
    ListReplays,
    ListWebhooks,
    ReplayCreate,
    WebhookCreate,
    WebhookFormat,
    WebhookOrdering,
    WebhookPayload,
    WebhookRotation,
    WebhookTest,
    WebhookUpdate,
)
from rollbook.actions.context import ListPage
from rollbook.actions.webhook_deliveries import DeliveryDetails
from rollbook.actions.webhooks import WebhookDetails
from rollbook.api import show, take
from rollbook.api.call import Call
from rollbook.api.route import CHECKS, FOUND, PROOF, Route, Special, delete, get, patch, post
from rollbook.delivery import outcomes
from rollbook.http.request import Response
from rollbook.records import examples
from rollbook.records import webhooks as webhook_records
from rollbook.records.examples import ALICE_ID, CHARLIE_ID
from rollbook.records.webhooks import deliveries, health, replays
from rollbook.schemas import array, identifier, listed, moment, number, open_enum, reference, says

_OUTCOMES = "How it ended. `http_` and the status for those from 400 to 599. " + listed(outcomes.DESCRIPTIONS)
_REASONS = "Why it is disabled. " + listed(webhook_records.REASONS)


class WebhookHealth(Struct, frozen=True):
    """Health of a webhook's deliveries."""

    delivered: Annotated[int, number("Successful deliveries of the last 24 hours.")]
    failed: Annotated[int, number("Failed deliveries of the last 24 hours.")]
    last_outcome: (
        Annotated[str, says("The outcome of the last delivery. Null: there was none.", examples=["delivered"])] | None
    )
    waiting: Annotated[
        int,
        number(
            "Events that the webhook has not processed yet, including those of other types, and failed ones that "
            "will be retried."
        ),
    ]
    next_attempt_at: Annotated[str, moment("When what has failed is tried again. Null: nothing waits for that.")] | None
    failing_since: (
        Annotated[str, moment("When the first event failed after the last one that was delivered. Null: none has.")]
        | None
    )
    summary: Annotated[
        str,
        says(
            "What the webhook is doing and why, in a sentence for people, whose wording can change. With the scope "
            "`events:read`, it quotes what the endpoint answered.",
            examples=["Answering 500 since 27 Oct 2023, 10:53 UTC: TypeError: user is undefined."],
        ),
    ]


class Webhook(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An endpoint that events are sent to. `secret` is only returned when you create the webhook, or rotate or reveal
    its secret."""

    id: Annotated[str, identifier("ID of the webhook.", examples.WEBHOOK_ID)]
    user_id: Annotated[str, identifier("ID of the user it belongs to.", CHARLIE_ID)]
    created_by: (
        Annotated[
            str,
            identifier(
                "ID of the user it goes back to: who created it, or last changed its URL or owner, or created the key "
                "that did so. If that is not its owner, it is disabled when they lose the right to. Null: the command "
                "line, or not known.",
                CHARLIE_ID,
            ),
        ]
        | None
    )
    url: Annotated[
        str,
        says(
            "Where events are sent, or `inbox`. Of the URL of a chat, only the host is shown.",
            examples=["https://app.example.com/hooks/rollbook"],
        ),
    ]
    description: Annotated[str, says("What the webhook is used for.", examples=["Billing"])]
    types: Annotated[
        tuple[
            Annotated[str, says("An event type, all of a group such as `user.*`, or `*`.", examples=["user.*"])],
            ...,
        ],
        array("The events that are sent.", 64),
    ]
    format: Annotated[str, open_enum(get_args(WebhookFormat), ABOUT_FORMATS)]
    payload: Annotated[str, open_enum(get_args(WebhookPayload), ABOUT_PAYLOADS)]
    ordering: Annotated[str, open_enum(get_args(WebhookOrdering), ABOUT_ORDERINGS)]
    skip_imports: Annotated[bool, says("Whether events of imports are left out, except `import.finished`.")]
    headers: Annotated[
        tuple[Annotated[str, says("The name of a header.", examples=["X-Tenant"])], ...],
        array("The names of the headers that are sent with each event. The values are never returned.", 20),
    ]
    status: Annotated[
        str,
        open_enum(
            ("enabled", "paused", "disabled"),
            "`disabled`: by the server, for the reason in `status_reason`. Set `enabled` to send again.",
        ),
    ]
    status_reason: Annotated[str, open_enum(webhook_records.REASONS, _REASONS)] | None
    health: WebhookHealth
    created_with: (
        Annotated[
            str,
            identifier(
                "ID of the API key it was created with, or last changed its URL or owner. Null: none, or not known.",
                examples.KEY_ID,
            ),
        ]
        | None
    )
    created_at: Annotated[str, moment("When it was created.")]
    updated_at: Annotated[str, moment("When it was last updated.", "2023-10-27T11:00:00Z")]
    secret: (
        Annotated[
            str, says("The secret that signs the events (Standard Webhooks).", examples=[examples.WEBHOOK_SECRET])
        ]
        | UnsetType
    ) = UNSET


class DeliveryRequest(Struct, frozen=True):
    """The request that was sent, made again from the event log."""

    url: Annotated[str, says("The current URL of the webhook.", examples=["https://app.example.com/hooks/rollbook"])]
    headers: Annotated[
        dict[str, Annotated[str, says("A value.")]],
        says("The headers, without the values of signatures and of the webhook's own headers.", maxProperties=64),
    ]
    body: Annotated[str, says("The body.")]


class DeliveryResponse(Struct, frozen=True):
    """The receiver's response, as far as it is kept."""

    content_type: Annotated[str, says("The `Content-Type`. Null: there was none.", examples=["text/plain"])] | None
    body: Annotated[str, says("The first 4 KiB of the body.", examples=["ok"])]


class Delivery(Struct, frozen=True, kw_only=True):
    """An attempt to send an event to a webhook. `request` and `response` are only returned for a single delivery."""

    id: Annotated[str, identifier("ID of the delivery.", examples.DELIVERY_ID)]
    webhook_id: Annotated[str, identifier("ID of the webhook.", examples.WEBHOOK_ID)]
    event_id: Annotated[
        str,
        identifier("ID of the event, also in the header `webhook-id`. The same in every attempt.", examples.EVENT_ID),
    ]
    type: Annotated[str, reference("EventType")]
    user_id: (
        Annotated[str, identifier("ID of the user the event is about. Null: about none, or a test.", CHARLIE_ID)] | None
    )
    trigger: Annotated[str, open_enum(("event", "test", "resend", "replay"), "Why it was sent.")]
    attempt: Annotated[
        int, says("1 for the first attempt to send this event for this reason.", minimum=1, maximum=1 << 31)
    ]
    created_at: Annotated[str, moment("When it was sent.")]
    duration_ms: Annotated[int, number("Milliseconds until the response was complete.")]
    outcome: Annotated[str, open_enum((*outcomes.DESCRIPTIONS, "http_500"), _OUTCOMES)]
    detail: (
        Annotated[
            str,
            says(
                "What exactly failed, in English, where it is known: `Connection refused` or, with `tls_failed`, "
                "the fault of the certificate or handshake. Null otherwise.",
                examples=["The certificate was not accepted: certificate has expired."],
            ),
        ]
        | None
    )
    http_status: (
        Annotated[int, says("The status of the response. Null: there was none.", minimum=100, maximum=599)] | None
    )
    address: (
        Annotated[
            str,
            says("The IP address that it was sent to. Null: no connection was opened.", examples=["203.0.113.7"]),
        ]
        | None
    )
    retry_at: Annotated[str, moment("When the next attempt is. Null: there is none.")] | None
    request: Annotated[
        DeliveryRequest | None | UnsetType, says("What was sent. Null: the event was erased, or is past its retention.")
    ] = UNSET
    response: Annotated[DeliveryResponse | None | UnsetType, says("What the receiver responded. Null: nothing.")] = (
        UNSET
    )


class Replay(Struct, frozen=True, kw_only=True):
    """A part of the event log that is sent to a webhook again."""

    id: Annotated[str, identifier("ID of the replay.", examples.REPLAY_ID)]
    webhook_id: Annotated[str, identifier("ID of the webhook.", examples.WEBHOOK_ID)]
    trigger: Annotated[str, open_enum(("replay", "resend"), "`resend`: of one delivery.")]
    status: Annotated[
        str, open_enum(("waiting", "running", "done", "canceled"), "Whether it is under way. `waiting`: for others.")
    ]
    progress: Annotated[
        float, says("How much of its part of the event log is done, from 0 to 1.", minimum=0, maximum=1)
    ]
    delivered: Annotated[int, number("Events that were delivered.")]
    failed: Annotated[int, number("Events that failed. They are not retried.")]
    types: (
        Annotated[
            tuple[
                Annotated[str, says("An event type, all of a group such as `user.*`, or `*`.", examples=["user.*"])],
                ...,
            ],
            array("The events that are sent. Null: the types of the webhook.", 64),
        ]
        | None
    )
    user_id: Annotated[str, identifier("Only events about this user. Null: about all.", CHARLIE_ID)] | None
    only: (
        Annotated[
            str, open_enum(("failed", "undelivered"), "Only events that failed, or were not delivered. Null: all.")
        ]
        | None
    )
    created_by: (
        Annotated[str, identifier("ID of the user who asked for it. Null: from the command line.", ALICE_ID)] | None
    )
    created_at: Annotated[str, moment("When it was created.")]
    finished_at: Annotated[str, moment("When it was done or canceled. Null: it is under way.")] | None


def show_webhook(call: Call, seen: WebhookDetails) -> Response:
    return show.answer(200, _webhook(seen), show.etag(seen.webhook.version))


def show_webhook_created(call: Call, seen: WebhookDetails) -> Response:
    return show.created(call, f"/v1/webhooks/{seen.webhook.id}", show_webhook(call, seen))


def _webhook(seen: WebhookDetails) -> Webhook:
    doing = WebhookHealth(**health.public(seen.health), summary=seen.cause.sentence)
    return Webhook(
        **webhook_records.public(seen.webhook), health=doing, secret=UNSET if seen.secret is None else seen.secret
    )


show_webhook_list = show.page(_webhook)


def show_delivery_list(call: Call, batch: ListPage[deliveries.Delivery]) -> Response:
    head = show.next_page(call, call.request.path.rstrip("/"), before=batch.items[-1].id) if batch.more else b""
    return show.answer(200, [deliveries.public(delivery) for delivery in batch.items], head)


def show_delivery(call: Call, whole: DeliveryDetails) -> Response:
    request, delivery = whole.request, whole.delivery
    response = (
        None if delivery.http_status is None else DeliveryResponse(delivery.response_type, delivery.response or "")
    )
    shown = deliveries.public(delivery) | {
        "request": None if request is None else DeliveryRequest(*request),
        "response": response,
    }
    return show.answer(200, shown)


show_replay_list = show.page(replays.public)


def show_replay(call: Call, replay: replays.Replay) -> Response:
    return show.answer(200, replays.public(replay))


def show_replay_created(call: Call, replay: replays.Replay) -> Response:
    return show.created(call, f"/v1/webhooks/{replay.webhook_id}/replays/{replay.id}", show_replay(call, replay))


ROWS: dict[str, list[Route]] = {
    "/v1/webhooks": [
        get(webhooks.list_webhooks, "webhooks:read", ListWebhooks, list[Webhook], show_webhook_list).but(errors=FOUND),
        post(webhooks.create, "webhooks:write", WebhookCreate, Webhook, show_webhook_created).but(
            success=201, errors=(errors.WebhookLimitReached,)
        ),
    ],
    "/v1/webhooks/{webhookId}": [
        get(webhooks.get, "webhooks:read", None, Webhook, show_webhook),
        patch(webhooks.update, "webhooks:write", WebhookUpdate, Webhook, show_webhook).but(
            errors=(errors.PreconditionFailed, errors.WebhookLimitReached, errors.PositionExpired), takes=take.changes
        ),
        delete(webhooks.delete, "webhooks:write").but(errors=(errors.PreconditionFailed,), takes=take.versions),
    ],
    "/v1/webhooks/{webhookId}/reveal": [
        post(webhooks.reveal, "webhooks:write", PasswordProof, Webhook, show_webhook).but(
            errors=(*PROOF, errors.WrongCode), special=CHECKS
        ),
    ],
    "/v1/webhooks/{webhookId}/rotate-secret": [
        post(webhooks.rotate_secret, "webhooks:write", WebhookRotation, Webhook, show_webhook),
    ],
    "/v1/webhooks/{webhookId}/test": [
        post(webhook_deliveries.test, "webhooks:write", WebhookTest, Delivery, show_delivery).but(
            special=Special(previews=False)
        ),
    ],
    "/v1/webhooks/{webhookId}/deliveries": [
        get(webhook_deliveries.list_deliveries, "webhooks:read", ListDeliveries, list[Delivery], show_delivery_list),
    ],
    "/v1/webhooks/{webhookId}/deliveries/{deliveryId}": [
        get(webhook_deliveries.get_delivery, "webhooks:read", None, Delivery, show_delivery),
    ],
    "/v1/webhooks/{webhookId}/deliveries/{deliveryId}/resend": [
        post(webhook_deliveries.resend_delivery, "webhooks:write", None, Replay, show_replay_created).but(
            success=201, errors=(errors.ReplayLimitReached,)
        ),
    ],
    "/v1/webhooks/{webhookId}/replays": [
        get(webhook_deliveries.list_replays, "webhooks:read", ListReplays, list[Replay], show_replay_list),
        post(webhook_deliveries.create_replay, "webhooks:write", ReplayCreate, Replay, show_replay_created).but(
            success=201, errors=(errors.PositionExpired, errors.ReplayLimitReached)
        ),
    ],
    "/v1/webhooks/{webhookId}/replays/{replayId}": [
        get(webhook_deliveries.get_replay, "webhooks:read", None, Replay, show_replay),
        delete(webhook_deliveries.cancel_replay, "webhooks:write"),
    ],
}
