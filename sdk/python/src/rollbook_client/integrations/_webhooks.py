"""Requests of webhooks, verified. Free of any framework."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..types import Event
from ..webhooks import WebhookVerificationError, verify


def verified(body: bytes, headers: Mapping[str, str], secret: str | None) -> Event | None:
    """The event, or None if the request is not from your Rollbook: answer 400."""
    try:
        return verify(body, headers, secret or os.environ["WEBHOOK_SECRET"])
    except WebhookVerificationError:
        return None
