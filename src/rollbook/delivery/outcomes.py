"""Outcomes of attempts to deliver an event: names that programs can rely on, and what each says."""

from __future__ import annotations

DELIVERED = "delivered"
NO_ADDRESS = "no_address"
"""One for both, a name without an address and one with an address that is refused: otherwise whoever can create a
webhook could ask which names there are in the server's network."""
CONNECT_FAILED = "connect_failed"
TLS_FAILED = "tls_failed"
TIMED_OUT = "timed_out"
DISCONNECTED = "disconnected"
BAD_RESPONSE = "bad_response"
TOO_LARGE = "too_large"
REDIRECTED = "redirected"
BODY_FAILED = "body_failed"
EXHAUSTED = "exhausted"
GONE = "http_410"
"""The receiver asks for no more events, ever: its endpoint gets disabled."""

DESCRIPTIONS: dict[str, str] = {
    DELIVERED: "The receiver answered with a status from 200 to 299.",
    NO_ADDRESS: "The host of the URL has no address to which events are sent: none that the name server knows, or "
    "one of a private network (see `webhook_allow`). Nothing was sent.",
    CONNECT_FAILED: "No connection could be opened.",
    TLS_FAILED: "The TLS handshake failed: for example, the certificate has expired, is for another name, or is "
    "not signed by an authority that this server trusts.",
    TIMED_OUT: "The receiver did not answer within 15 seconds, counted from before the connection was opened.",
    DISCONNECTED: "The receiver closed the connection without an answer.",
    BAD_RESPONSE: "The answer is not valid HTTP/1.1.",
    TOO_LARGE: "The status line and headers of the answer are larger than 32 KiB.",
    REDIRECTED: "The receiver answered with a redirect (300 to 399). Redirects are not followed: change the URL.",
    BODY_FAILED: "The event can't be written in the format of the webhook. It is not sent and not retried.",
    EXHAUSTED: "The last attempt failed. Rollbook has given up on the event, but you can resend it.",
}
"""All outcomes but `http_400` to `http_599`."""

FORMER = dict.fromkeys(("refused_address", "dns_failed"), NO_ADDRESS)
"""Of deliveries that an earlier version recorded, and what they are called now."""


def of_status(status: int) -> str:
    """The outcome of an answer with this status."""
    if 200 <= status < 300:
        return DELIVERED
    if 300 <= status < 400:
        return REDIRECTED
    return f"http_{status}" if 400 <= status < 600 else BAD_RESPONSE


def is_outcome(text: str) -> bool:
    """Test whether there is an outcome of this name."""
    return text in DESCRIPTIONS or (
        len(text) == 8 and text.startswith("http_") and text[5:].isascii() and text[5:].isdigit() and text[5] in "45"
    )


def describe(outcome: str) -> str:
    """A sentence for people."""
    if outcome == GONE:
        return "The receiver answered with status 410: it wants no more events, so the webhook is disabled."
    return DESCRIPTIONS.get(FORMER.get(outcome, outcome)) or f"The receiver answered with status {outcome[5:]}."
