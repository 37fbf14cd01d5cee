"""Schedule of retries for events that could not be delivered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rollbook.delivery.sender import Sent

MINUTE = 60.0
HOUR = 60 * MINUTE

STEPS = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""Seconds from each failed attempt to the next: over three days in all, so that a receiver that breaks on a Friday can
be fixed on Monday."""
MAX_ATTEMPTS = len(STEPS) + 1
MAIL_STEPS = (5.0, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, *STEPS[3:])
"""The same for mail, of which much is about links that soon expire."""
JITTER = 0.2
"""Each wait is up to 20% longer or shorter, so that events that failed together are not retried together."""
BUSY = frozenset({429, 502, 503, 504})
"""Statuses of a receiver, or a proxy before it, that is overloaded: it gets at least a minute."""
BUSY_WAIT = MINUTE
MAX_RETRY_AFTER = 24 * HOUR
"""The longest that a receiver can ask for with `Retry-After` (RFC 9110 section 10.2.3)."""


def next_try(attempts: int, sent: Sent, random: Callable[[], float], steps: Sequence[float] = STEPS) -> float | None:
    """Seconds until the event is sent again, after the `attempts`-th attempt failed like this; None if that was the
    last.

    `random` returns a number from 0 to 1, such as `random.random`. Whether the endpoint gets disabled (`outcomes.GONE`)
    is not decided here.
    """
    if attempts > len(steps):
        return None
    wait = steps[attempts - 1] * (1 + JITTER * (2 * random() - 1))
    if sent.http_status in BUSY:
        wait = max(wait, BUSY_WAIT)
    if sent.retry_after is not None:
        wait = max(wait, min(sent.retry_after, MAX_RETRY_AFTER))
    return wait
