"""The Python client verifies what webhooks send, as the reference implementation of Standard Webhooks signs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from rollbook_client import Rollbook, WebhookVerificationError
from rollbook_client.webhooks import verify
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT = {
    "id": "evt_1",
    "type": "user.created",
    "created_at": "2026-01-01T00:00:00Z",
    "object": {"id": "user_1", "name": "Zoë"},
}
BODY = json.dumps(EVENT, ensure_ascii=False)


def signed(secret: str = SECRET, body: str = BODY, seconds: float = 0) -> dict[str, str]:
    now = datetime.now(UTC) + timedelta(seconds=seconds)
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("msg_1", now, body),
    }


@pytest.mark.parametrize("payload", [BODY, BODY.encode()])
def test_what_rollbook_signed_is_an_event(payload: str | bytes) -> None:
    event = verify(payload, signed(), SECRET)
    assert (event.type, event.object.name, event.created_at.year) == ("user.created", "Zoë", 2026)
    assert Rollbook(url="http://localhost", key="k").webhooks.verify(payload, signed(), SECRET) == event


def test_one_of_several_signatures_is_enough_while_a_secret_is_rotated() -> None:
    old = signed("whsec_" + "A" * 32)
    both = {**signed(), "Webhook-Signature": f"v1a,abc {old['Webhook-Signature']} {signed()['Webhook-Signature']}"}
    assert verify(BODY, both, SECRET).id == "evt_1"


@pytest.mark.parametrize(
    ("payload", "headers", "sentence"),
    [
        (BODY + " ", lambda: signed(), "No signature"),
        (BODY, lambda: signed("whsec_" + "A" * 32), "No signature"),
        (BODY, lambda: {**signed(), "Webhook-Id": "msg_2"}, "No signature"),
        (BODY, lambda: {**signed(), "Webhook-Signature": "v1,é"}, "No signature"),
        (BODY, lambda: signed(seconds=-310), "too far off"),
        (BODY, lambda: signed(seconds=3_600), "too far off"),
        (BODY, lambda: {**signed(), "Webhook-Timestamp": "²"}, "lacks"),
        (BODY, dict, "lacks"),
        ("[]", lambda: signed(body="[]"), "not a JSON object"),
    ],
)
def test_anything_else_is_refused(payload: str, headers: Callable[[], dict[str, str]], sentence: str) -> None:
    with pytest.raises(WebhookVerificationError, match=sentence):
        verify(payload, headers(), SECRET)


def test_the_tolerance_can_be_chosen_and_the_secret_has_to_be_one() -> None:
    assert verify(BODY, signed(seconds=-310), SECRET, tolerance=400).id == "evt_1"
    for secret in ("", "whsec_", "whsec_no base64"):
        with pytest.raises(ValueError, match="secret"):
            verify(BODY, signed(), secret)
