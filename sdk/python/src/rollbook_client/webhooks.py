"""Verifies requests of webhooks, signed as Standard Webhooks says (standardwebhooks.com)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ._errors import RollbookError

if TYPE_CHECKING:
    from .types import Event

TOLERANCE = 300.0


class WebhookVerificationError(RollbookError):
    """The request is not from your Rollbook, was changed on its way, or is an old one sent again. Answer it with
    400."""


def verify(payload: bytes | str, headers: Mapping[str, str], secret: str, *, tolerance: float = TOLERANCE) -> Event:
    """Check the signature of a webhook's request and return its event.

    With the `thin` payload it has only IDs; for other formats than `standard`, `to_dict()` is the body.

    Args:
        payload: The body as it arrived. JSON that was decoded and encoded again is not what was signed.
        headers: Of the request, in any case: `webhook-id`, `webhook-timestamp` and `webhook-signature` are read.
        secret: The webhook's, `whsec_…`.
        tolerance: How many seconds the timestamp may be off, so that no one can send an old request again.

    Raises:
        WebhookVerificationError: No signature is right, or the timestamp is too far off.
        ValueError: The secret is not one.

    Example:
        >>> event = verify(request.body, request.headers, os.environ["WEBHOOK_SECRET"])
        >>> event.type
        'user.created'
    """
    import base64
    import hashlib
    import hmac

    from .types import Event

    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise ValueError("The secret of a webhook is whsec_ and base64.") from None
    if not key:
        raise ValueError("The secret of the webhook is empty.")
    found = {name.lower(): value for name, value in headers.items()}
    id, timestamp, signatures = (found.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (id and timestamp.isascii() and timestamp.isdecimal() and signatures):
        raise WebhookVerificationError("The request lacks the headers of a webhook.")
    if abs(time.time() - int(timestamp)) > tolerance:
        raise WebhookVerificationError("The timestamp of the request is too far off.")
    body = payload.encode() if isinstance(payload, str) else bytes(payload)
    expected = base64.b64encode(hmac.digest(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)).decode()
    # Several while a secret is rotated.
    if not any(hmac.compare_digest(f"v1,{expected}".encode(), each.encode()) for each in signatures.split(" ")):
        raise WebhookVerificationError("No signature of the request is right.")
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise WebhookVerificationError("The body of the request is not a JSON object.")
    return Event(content)
