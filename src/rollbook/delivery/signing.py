"""Around a call of a webhook: its signature, as Standard Webhooks 1.0 says (HMAC-SHA256 over the ID, the time and
the body), the answer as one line of visible characters of a bounded length, and the schedule of retries.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import html
import re
import secrets as random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from rollbook.delivery.sender import Sent

PREFIX = "whsec_"
SIZE = 32
"""Bytes of a secret. The specification asks for 24 to 64."""


def new_secret() -> str:
    """A new secret, such as `whsec_` and 44 characters of base64."""
    return PREFIX + base64.b64encode(random.token_bytes(SIZE)).decode()


def key(secret: str) -> bytes:
    """The bytes to sign with. Raises ValueError for text that `new_secret` can't have returned."""
    try:
        decoded = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        decoded = b""
    if not secret.startswith(PREFIX) or len(decoded) != SIZE:
        raise ValueError("not a webhook secret")
    return decoded


def headers(id: str, at: int, body: bytes, keys: Sequence[bytes]) -> list[tuple[str, str]]:
    """The three headers of a request that sends `body` at `at`, in seconds since 1970, with a signature of each key.

    Each attempt is signed when it is sent, so that receivers can refuse old requests.
    """
    signed = b"%b.%d.%b" % (id.encode(), at, body)
    signatures = [
        "v1," + binascii.b2a_base64(hmac.digest(secret, signed, "sha256"), newline=False).decode("ascii")
        for secret in keys
    ]
    return [("webhook-id", id), ("webhook-timestamp", str(at)), ("webhook-signature", " ".join(signatures))]


MAX_VALUE = 100
"""Characters of a name or another value in a sentence."""
MAX_ANSWER = 160
"""Characters of what an endpoint answered."""

_title = re.compile(r"<title[^<>]*>([^<]*)", re.IGNORECASE).search


class _Problem(Struct):
    """Fields in which an error is explained: RFC 9457, and what is usual besides."""

    error: Any = None
    message: Any = None
    detail: Any = None
    title: Any = None


_read = msgspec.json.Decoder(_Problem).decode


def plain(value: Any, most: int = MAX_VALUE) -> str:
    """No control, no invisible and no direction-changing characters. Empty if it is not text."""
    if not isinstance(value, str):
        return ""
    text = value[: 4 * most]
    if not text.isprintable():
        text = "".join([char if char.isprintable() else " " if char.isspace() else "" for char in text])
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def answer(body: str, type: str | None) -> str:
    """The message in the body of an answer: that of a JSON object, the title of an HTML page, or its beginning."""
    if "html" in (type or "").lower():
        title = _title(body)
        return plain(html.unescape(title[1]), MAX_ANSWER) if title else ""
    try:
        problem = _read(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return plain(body, MAX_ANSWER)
    error = problem.error
    nested = error.get("message") if isinstance(error, dict) else error
    texts = (plain(text, MAX_ANSWER) for text in (nested, problem.message, problem.detail, problem.title, body))
    return next(filter(None, texts), "")


MINUTE = 60.0
HOUR = 60 * MINUTE

STEPS = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""Seconds from each failed attempt to the next: over three days in all, so that a receiver that breaks on a Friday can
be fixed on Monday."""
MAX_ATTEMPTS = len(STEPS) + 1
MAIL_STEPS = (5.0, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, *STEPS[3:])
"""Seconds from each failed attempt to send a mail to the next: shorter at first, since many links soon expire."""
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
