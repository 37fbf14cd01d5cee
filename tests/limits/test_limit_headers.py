"""The header fields a caller reads."""

from __future__ import annotations

from typing import Any

from rollbook.clock import SECOND
from rollbook.limits.meter import render
from rollbook.limits.windows import UNLIMITED, Verdict
from rollbook.quota import NO_LIMIT, Limit

GUIDE = Limit.parse("100/minute,5000/hour")
NOW = 1_700_000_000 * SECOND


def fields(limit: str, own_limit: str, verdict: Verdict) -> dict[str, str]:
    lines = render(Limit.parse(limit), Limit.parse(own_limit), verdict)
    assert lines.endswith(b"\r\n")
    return dict(line.split(": ", 1) for line in lines.decode().removesuffix("\r\n").split("\r\n"))


def test_all_windows_and_the_tightest_are_shown(counter: Any) -> None:
    assert render(GUIDE, NO_LIMIT, counter.take("user", GUIDE, NOW)) == (
        b"RateLimit-Limit: 100\r\n"
        b"RateLimit-Remaining: 99\r\n"
        b"RateLimit-Reset: 60\r\n"
        b'RateLimit-Policy: "minute";q=100;w=60, "hour";q=5000;w=3600\r\n'
        b'RateLimit: "minute";r=99;t=60, "hour";r=4999;t=3600\r\n'
    )


def test_the_window_with_the_fewest_left_speaks() -> None:
    shown = fields("100/minute,5000/hour", "none", Verdict(True, ((50, 12), (7, 900))))
    assert (shown["RateLimit-Limit"], shown["RateLimit-Remaining"], shown["RateLimit-Reset"]) == ("5000", "7", "900")


def test_of_windows_with_as_few_left_the_one_that_starts_anew_last_speaks() -> None:
    for left in (((0, 12), (0, 900)), ((0, 900), (0, 12))):
        assert fields("100/minute,5000/hour", "none", Verdict(False, left))["RateLimit-Reset"] == "900"


def test_a_keys_own_windows_have_names_of_their_own() -> None:
    shown = fields("100/minute", "9/30s,5/minute", Verdict(True, ((80, 10), (8, 30), (4, 60))))
    assert shown["RateLimit-Limit"] == "5"
    assert shown["RateLimit-Policy"] == '"minute";q=100;w=60, "key-30s";q=9;w=30, "key-minute";q=5;w=60'
    assert shown["RateLimit"] == '"minute";r=80;t=10, "key-30s";r=8;t=30, "key-minute";r=4;t=60'


def test_the_same_windows_of_a_user_and_of_a_key_are_not_confused() -> None:
    verdict = Verdict(True, ((4, 60),))
    assert b'"minute"' in render(Limit.parse("5/minute"), NO_LIMIT, verdict)
    assert b'"key-minute"' in render(NO_LIMIT, Limit.parse("5/minute"), verdict)


def test_without_a_limit_there_is_nothing_to_say() -> None:
    assert render(NO_LIMIT, NO_LIMIT, UNLIMITED) == b""
