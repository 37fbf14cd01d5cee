"""Whether to try again, and when. Free of input and output."""

from __future__ import annotations

import random
from collections.abc import Mapping

FIRST = 0.5
LONGEST = 8.0
"""Seconds between tries, where the server does not say."""
STATUSES = frozenset({408, 429, 500, 502, 503, 504})
CODES = frozenset({"idempotency_still_running"})
NEVER = frozenset({"too_many_attempts"})
"""Codes that a person must hear of at once."""


def is_worth_it(status: int, code: str) -> bool:
    """Whether the same request can succeed later."""
    return code not in NEVER and (status in STATUSES or code in CODES)


def pause(tries: int, retry_after: float | None) -> float:
    """Seconds before the next try, after `tries` of them: what the server says, else twice as long each time. With
    jitter, so that clients don't all return at once."""
    if retry_after is not None:
        return retry_after + random.uniform(0, 0.25)
    return min(FIRST * 2 ** min(tries - 1, 10), LONGEST) * random.uniform(0.5, 1)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds, from either form of `Retry-After` (RFC 9110 section 10.2.3); `now` is a Unix time."""
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    if not value:
        return None
    from email.utils import (
        parsedate_to_datetime,
    )  # a proxy's form, and a fifth of what importing this client would cost

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None
