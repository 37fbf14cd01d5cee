"""What the delivery inspector says about the next attempt: when it is, and why."""

from __future__ import annotations

import pytest

from rollbook import clock
from rollbook.actions import webhooks
from rollbook.actions.webhooks import WebhookDetails
from rollbook.records.webhooks import Webhook
from rollbook.records.webhooks.deliveries import Delivery
from rollbook.records.webhooks.health import WebhookHealth
from rollbook.web.admin.webhook_deliveries import why

SECOND, MINUTE = clock.SECOND, clock.MINUTE


def said(next_attempt_at: int | None = None, status: str = "enabled", **of: object) -> str:
    delivery = Delivery(
        id="dlv_1",
        webhook_id="webhook_1",
        seq=1,
        event_id="evt_1",
        type="user.created",
        user_id="user_1",
        trigger="event",
        attempt=1,
        created_at=0,
        duration=0,
        outcome="http_500",
        response=None,
        http_status=500,
        address=None,
        retry_at=None,
        response_type=None,
    )
    webhook = Webhook(
        id="webhook_1",
        user_id="user_1",
        created_by="user_1",
        url="https://a.invalid/",
        secret=b"",
        status=status,
    )
    health = WebhookHealth(0, 1, "http_500", 1, next_attempt_at)
    seen = WebhookDetails(webhook, health, webhooks.of(webhook, health, None))
    return why(seen, delivery._replace(**of))  # type: ignore[bad-argument-type]


@pytest.mark.parametrize(
    ("of", "words"),
    [
        ({"outcome": "delivered", "http_status": 200}, "was delivered"),
        ({"attempt": 1, "retry_at": 5 * SECOND}, "about 5 seconds later, give or take 20%"),
        (
            {"attempt": 3, "retry_at": 25 * MINUTE},
            "Attempt 3 of 10 failed. The next one is about 30 minutes later, give or take 20%",
        ),
        ({"attempt": 9, "retry_at": 24 * clock.HOUR}, "about 24 hours later"),
        (
            {"attempt": 1, "retry_at": MINUTE, "http_status": 503},
            "asked to wait longer, or answered that it is overloaded",
        ),
        ({"attempt": 10}, "attempt 10 of 10"),
        ({"trigger": "test"}, "This was a test, which is not retried"),
        ({"retry_at": 5 * SECOND, "status": "paused"}, "The webhook is paused"),
        ({"retry_at": 5 * SECOND, "next_attempt_at": 5 * MINUTE}, "so Rollbook waits"),
    ],
)
def test_the_inspector_says_why_the_next_attempt_is_when_it_is(of: dict[str, object], words: str) -> None:
    assert words in said(**of)  # type: ignore[bad-argument-type]
