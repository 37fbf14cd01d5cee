"""Outcomes of attempts to deliver an event: names that programs can rely on, and what each says."""

from __future__ import annotations

from typing import NamedTuple

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

NO_STARTTLS = "no_starttls"
LOGIN_FAILED = "login_failed"
REFUSED = "refused"
SENDER_REFUSED = "sender_refused"
UNFIT_ADDRESS = "unfit_address"
OBSOLETE = "obsolete"
NOTHING = "nothing"
"""Outcome for an event that no mail is sent about: never stored."""

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

OF_MAIL: dict[str, str] = {
    DELIVERED: "The mail server accepted the mail.",
    CONNECT_FAILED: "No connection to the mail server could be opened.",
    TLS_FAILED: "The TLS handshake with the mail server failed: for example, the certificate has expired, is for "
    "another name, or is not signed by an authority that this server trusts (see `smtp_ca`).",
    TIMED_OUT: "The mail server did not answer in time.",
    DISCONNECTED: "The mail server closed the connection.",
    BAD_RESPONSE: "The answer of the mail server is not SMTP.",
    NO_STARTTLS: "The mail server does not offer STARTTLS, so nothing was sent. Use `smtps://` if it has a port "
    "for SSL/TLS.",
    LOGIN_FAILED: "The mail server refused user and password, or has no way to sign in.",
    REFUSED: "The mail server refused the connection.",
    SENDER_REFUSED: "The mail server refused the sender (see `mail_from`).",
    UNFIT_ADDRESS: "The email address has characters before the @ that the mail server can't handle (it has no "
    "SMTPUTF8). The mail is not retried.",
    BODY_FAILED: "The mail can't be written. It is not sent and not retried.",
    OBSOLETE: "The link was used, replaced or had expired, or the user is gone: nothing was sent.",
    EXHAUSTED: "The last attempt failed. Rollbook has given up on the mail.",
}
"""All outcomes of mail but `smtp_400` to `smtp_599`."""


class Words(NamedTuple):
    """An outcome in a few words."""

    short: str
    """Words for one attempt: `Timed out`."""
    ongoing: str
    """Words for an endpoint, before `since 15:53`: `Not answering in time`."""


WORDS: dict[str, Words] = {
    DELIVERED: Words("Delivered", "Answering"),
    NO_ADDRESS: Words("No address", "Without an address to send to"),
    CONNECT_FAILED: Words("No connection", "Unreachable"),
    TLS_FAILED: Words("TLS failed", "Failing the TLS handshake"),
    TIMED_OUT: Words("Timed out", "Not answering in time"),
    DISCONNECTED: Words("Closed without an answer", "Closing connections without an answer"),
    BAD_RESPONSE: Words("Not HTTP", "Answering something that isn't HTTP"),
    TOO_LARGE: Words("Answer too large", "Answering with headers that are too large"),
    REDIRECTED: Words("Redirected", "Answering with a redirect"),
    BODY_FAILED: Words("Can't be written", "Unable to get events in this format"),
    EXHAUSTED: Words("Given up", "Failing"),
    NO_STARTTLS: Words("No STARTTLS", "Offering no STARTTLS"),
    LOGIN_FAILED: Words("Sign-in refused", "Refusing user and password"),
    REFUSED: Words("Refused", "Refusing connections"),
    SENDER_REFUSED: Words("Sender refused", "Refusing the sender"),
    UNFIT_ADDRESS: Words("Address not supported", "Unable to handle the address"),
    OBSOLETE: Words("No longer needed", "No longer needed"),
}
"""All outcomes but those with the status of an answer."""


def of_status(status: int) -> str:
    """The outcome of an answer with this status."""
    if 200 <= status < 300:
        return DELIVERED
    if 300 <= status < 400:
        return REDIRECTED
    return f"http_{status}" if 400 <= status < 600 else BAD_RESPONSE


def of_reply(code: int) -> str:
    """The outcome of a reply of a mail server about one mail (RFC 5321 section 4.2.1)."""
    return f"smtp_{code}" if 400 <= code < 600 else BAD_RESPONSE


def is_answer(outcome: str) -> bool:
    """Test whether the receiver answered, so that it can be reached."""
    return outcome.startswith(("http_", "smtp_"))


def is_about_one(outcome: str) -> bool:
    """Test whether the failure is that of one mail, such as a full mailbox, and says nothing about the mail server."""
    return outcome.startswith("smtp_4") and outcome != "smtp_421"


def is_final(outcome: str) -> bool:
    """Test whether the event is not sent again, since it was delivered, or never will be."""
    return outcome in _FINAL or outcome.startswith("smtp_5")


_FINAL = frozenset({DELIVERED, BODY_FAILED, UNFIT_ADDRESS, OBSOLETE, NOTHING})


def is_outcome(text: str) -> bool:
    """Test whether there is an outcome of this name."""
    return text in DESCRIPTIONS or (
        len(text) == 8 and text.startswith("http_") and text[5:].isascii() and text[5:].isdigit() and text[5] in "45"
    )


def words(outcome: str) -> Words:
    """`Answered 500`, of which people need no key."""
    code = outcome[5:]
    return WORDS.get(outcome) or Words(f"Answered {code}", f"Answering {code}")


def describe(outcome: str) -> str:
    """A sentence for people."""
    if outcome == GONE:
        return "The receiver answered with status 410: it wants no more events, so the webhook is disabled."
    return DESCRIPTIONS.get(outcome) or f"The receiver answered with status {outcome[5:]}."


def describe_mail(outcome: str) -> str:
    """A sentence for people about an attempt to send a mail, as plain text."""
    if outcome in OF_MAIL:
        return OF_MAIL[outcome].replace("`", "")
    again = "It is not retried." if outcome.startswith("smtp_5") else "It is tried again."
    return f"The mail server answered with {outcome[5:]}. {again}"
