"""When what failed is tried again, and what a receiver can ask for."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

import pytest

from rollbook import clock
from rollbook.delivery import outcomes, sender
from rollbook.delivery.sender import Sender, Sent
from tests.delivery.receiver import loopback, once, receiving
from tests.delivery.test_sender import BODY, HEAD, PATIENT
from tests.grids import grid

FAILED = Sent("http_500", 500)


def test_ten_attempts_in_three_days() -> None:
    waits = [sender.next_try(attempt, FAILED, lambda: 0.5) for attempt in range(1, 10)]
    assert waits == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    assert 3 <= sum(wait for wait in waits if wait) / 86400 <= 4
    assert sender.next_try(10, FAILED, lambda: 0.5) is None
    assert sender.next_try(11, FAILED, lambda: 0.5) is None


def test_waits_differ_by_up_to_a_fifth() -> None:
    assert sender.next_try(2, FAILED, lambda: 0.0) == pytest.approx(240)
    assert sender.next_try(2, FAILED, lambda: 1.0) == pytest.approx(360)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_receiver_gets_a_minute(status: int) -> None:
    assert sender.next_try(1, Sent(f"http_{status}", status), lambda: 0.5) == 60
    assert sender.next_try(2, Sent(f"http_{status}", status), lambda: 0.5) == 300


DAY = 86_400
RETRY_AFTER = [
    ("120", 120),
    ("0", 5),
    ("1", 5),
    ("-5", 5),
    ("soon", 5),
    ("1.5", 5),
    ("١٢", 5),
    ("315360000", DAY),
    ("9" * 400, DAY),
    ("Thu, 01 Jan 1970 00:00:00 GMT", 5),
    ("Fri, 31 Dec 9999 23:59:59 GMT", DAY),
    ("Thu, 99 Foo 2026 00:00:00 GMT", 5),
    ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", 5),
]


def asked(value: str) -> Sent:
    """A failed delivery whose answer has this `Retry-After`."""

    async def main() -> Sent:
        async with receiving(
            once(b"HTTP/1.1 500 X\r\nRetry-After: %b\r\nContent-Length: 0\r\n\r\n" % value.encode())
        ) as receiver:
            sender = Sender(receiver.url(), loopback(), timeouts=PATIENT)
            sent = await sender.post(HEAD, BODY)
            await sender.close()
        assert sent.outcome == "http_500"
        return sent

    return asyncio.run(main())


@grid(("value", "seconds"), RETRY_AFTER, ids=[value[:40] for value, _ in RETRY_AFTER])
def test_retry_after_is_honored_up_to_a_day(value: str, seconds: float) -> None:
    assert sender.next_try(1, asked(value), lambda: 0.5) == seconds


def test_retry_after_as_a_date() -> None:
    wait = sender.next_try(1, asked(formatdate(clock.now() / clock.SECOND + 3600, usegmt=True)), lambda: 0.5)
    assert wait is not None and 3300 < wait <= 3600


def test_every_outcome_has_a_name_and_a_sentence() -> None:
    for outcome in (*outcomes.DESCRIPTIONS, "http_400", "http_599", outcomes.GONE):
        assert outcomes.is_outcome(outcome)
        assert outcomes.describe(outcome).endswith(".")
    for text in ("", "http_", "http_200", "http_600", "http_4xx", "http_40", "http_4000", "http_٤٠٤", "Delivered"):
        assert not outcomes.is_outcome(text)
