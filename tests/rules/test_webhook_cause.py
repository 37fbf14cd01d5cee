"""The sentence that says what a webhook is doing and why, and how attempts that failed are called."""

from __future__ import annotations

from typing import Any

import pytest

from rollbook import clock
from rollbook.actions import webhooks
from rollbook.delivery import foreign_text, outcomes
from rollbook.records.webhooks import REASONS, Webhook
from rollbook.records.webhooks.health import LOOKED_AT, Attempt, WebhookHealth
from tests.grids import grid

AT = clock.parse("2026-11-29T15:53:00Z")
WHEN, LATER = "29 Nov 2026, 15:53 UTC", "29 Nov 2026, 15:58 UTC"


def attempts(*found: str, trigger: str = "event") -> tuple[Attempt, ...]:
    """With these outcomes, the newest first, a minute apart; the oldest at AT."""
    return tuple(
        Attempt(f"dlv_{n}", outcome, AT + (len(found) - 1 - n) * clock.MINUTE, trigger)
        for n, outcome in enumerate(found)
    )


def said(health: dict[str, Any], name: str | None = None, **of: Any) -> tuple[str, str]:
    webhook = Webhook("webhook_1", "user_1", "", b"", "https://a.invalid/", status_at=AT)._replace(**of)
    doing = WebhookHealth(0, 0, None, 0, None)._replace(**health)
    cause = webhooks.of(webhook, doing, name)
    return cause.state, cause.sentence


def failing(*found: str, answer: str | None = None, type: str = "text/plain", **more: Any) -> dict[str, Any]:
    return {"latest": attempts(*found), "failing_since": AT, "answer": answer, "answer_type": type, **more}


@grid(
    ("health", "of", "expected"),
    [
        ({}, {}, ("Enabled", "Nothing has been sent yet.")),
        ({"last_at": AT}, {}, ("Enabled", f"Works: the last delivery succeeded on {WHEN}.")),
        (
            failing("http_500", "http_500", answer="TypeError: user is undefined"),
            {},
            ("Failing", f"Answering 500 since {WHEN}: TypeError: user is undefined."),
        ),
        (
            failing("connect_failed", answer="Connection refused"),
            {},
            ("Failing", f"Unreachable since {WHEN}: Connection refused."),
        ),
        (failing("timed_out"), {}, ("Failing", f"Not answering in time since {WHEN}.")),
        (failing("redirected"), {}, ("Failing", f"Answering with a redirect since {WHEN}.")),
        (
            failing("no_address"),
            {},
            ("Failing", f"Without an address to send to since {WHEN}."),
        ),
        (
            failing("tls_failed", answer="certificate has expired"),
            {},
            ("Failing", f"Failing the TLS handshake since {WHEN}: certificate has expired."),
        ),
        # Since when it fails as it does now, not since when it fails.
        (failing("http_500", *["timed_out"] * 5), {}, ("Failing", f"Answering 500 since {LATER}.")),
        (failing(*["http_500"] * LOOKED_AT), {}, ("Failing", f"Failing since {WHEN} (answered 500).")),
        # What someone sends by hand says nothing about events.
        (
            {"latest": attempts("http_500", trigger="test"), "answer": "no"},
            {},
            ("Failing", f"The last test event failed on {WHEN} (answered 500: no)."),
        ),
        (
            failing("delivered", "http_500", answer="TypeError", failing=3, next_attempt_at=AT),
            {},
            ("Retrying", f"The events of 3 users wait for the attempt on {WHEN} (answered 500: TypeError)."),
        ),
        (
            failing("delivered", "http_500", failing=1, next_attempt_at=AT),
            {"ordering": "none"},
            ("Retrying", f"One event waits for the attempt on {WHEN} (answered 500)."),
        ),
        ({}, {"status": "paused", "status_by": "cli"}, ("Paused", f"Paused from the command line on {WHEN}.")),
        ({}, {"status": "paused", "status_by": "user_1"}, ("Paused", f"Paused since {WHEN}.")),
        ({}, {"status": "paused", "status_at": None}, ("Paused", "Paused.")),
        (
            failing("http_500", answer="TypeError"),
            {"status": "disabled", "status_reason": "failing"},
            ("Disabled", f"Disabled since {WHEN}: no delivery succeeded for five days (answered 500: TypeError)."),
        ),
        (
            {},
            {"status": "disabled", "status_reason": "owner_suspended"},
            ("Disabled", f"Disabled since {WHEN}: the user it belongs to was suspended."),
        ),
    ],
)
def test_one_sentence_says_what_a_webhook_is_doing_and_why(
    health: dict[str, Any], of: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert said(health, **of) == expected


def test_a_paused_webhook_says_who_paused_it() -> None:
    assert (
        said({}, "Alice\u202e Example", status="paused", status_by="user_1")[1] == f"Paused by Alice Example on {WHEN}."
    )


@pytest.mark.parametrize(
    ("body", "type", "expected"),
    [
        ("TypeError: x\n  at y", "text/plain", "TypeError: x at y"),
        ('{"error": {"message": "no such plan"}}', "application/json", "no such plan"),
        (
            '{"type": "about:blank", "title": "Bad", "detail": "Plan is missing"}',
            "application/problem+json",
            "Plan is missing",
        ),
        ('{"code": 7}', "application/json", '{"code": 7}'),
        (
            "<!doctype html><html><head><title>TypeError &amp; more at /hook</title><style>b{}",
            "text/html; charset=utf-8",
            "TypeError & more at /hook",
        ),
        ("<html><body>Oops", "text/html", ""),
        ("\x1b[31mred\x00 \u202eevil\u2066\u200b\r\nBcc: x", None, "[31mred evil Bcc: x"),
        ("", None, ""),
    ],
)
def test_what_an_endpoint_answered_is_one_line_without_controls(body: str, type: str | None, expected: str) -> None:
    assert foreign_text.answer(body, type) == expected


@pytest.mark.parametrize(
    "body", ["x" * 5000, "\u202e" * 5000, '{"error":' * 1000, "<title>" + "&lt;b&gt;" * 1000, "[" * 4096]
)
def test_what_an_endpoint_answered_is_bounded(body: str) -> None:
    for type in ("text/plain", "text/html", "application/json"):
        said = foreign_text.answer(body, type)
        assert len(said) <= foreign_text.MAX_ANSWER and (not said or said.isprintable())


def test_every_outcome_has_words() -> None:
    for name in (*outcomes.DESCRIPTIONS, *outcomes.OF_MAIL, "http_404", "smtp_550"):
        words = outcomes.words(name)
        assert "_" not in words.short + words.ongoing and words.short != name
    assert outcomes.words("http_404").short == "Answered 404"
    assert all(reason.endswith(".") for reason in REASONS.values())
