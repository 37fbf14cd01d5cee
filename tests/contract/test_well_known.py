"""What programs look for at agreed paths, without a key."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from rollbook import clock
from rollbook.config import ConfigurationError, load
from tests.engines import once
from tests.harness import running

pytestmark = once


def test_an_icon_rules_for_robots_and_the_way_to_a_new_password(anonymous: httpx2.Client) -> None:
    icon = anonymous.get("/favicon.ico")
    assert (
        icon.status_code == 200
        and icon.headers["content-type"] == "image/svg+xml; charset=utf-8"
        and icon.content.startswith(b"<svg")
    )
    robots = anonymous.get("/robots.txt")
    assert robots.headers["content-type"].startswith("text/plain") and robots.text == "User-agent: *\nDisallow: /\n"
    moved = anonymous.get("/.well-known/change-password")
    assert (moved.status_code, moved.headers["location"]) == (303, "/account")
    assert (
        anonymous.get("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200").status_code
        == 404
    )


def test_security_txt_says_whom_to_tell_where_the_setting_does(anonymous: httpx2.Client, tmp_path: Path) -> None:
    path = "/.well-known/security.txt"
    assert anonymous.get(path).status_code == 404
    flags = ("--security-contact", "mailto:security@example.com", "--public-url", "https://users.example.com")
    with running(tmp_path / "data", *flags) as server, server.http(None) as http:
        answer = http.get(path)
        assert answer.status_code == 200 and answer.headers["content-type"] == "text/plain; charset=utf-8"
        fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert fields["Contact"] == "mailto:security@example.com"
    assert fields["Canonical"] == "https://users.example.com/.well-known/security.txt"
    assert (
        clock.format_time(clock.now())
        < fields["Expires"]
        < clock.format_time(clock.now() + 365 * 86_400 * clock.SECOND)
    )


@pytest.mark.parametrize(
    "wrong", ["security@example.com", "http://example.com", "mailto:a@example.com\nContact: https://evil.example"]
)
def test_a_contact_is_one_uri(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="security_contact"):
        load(environment={"ROLLBOOK_SECURITY_CONTACT": wrong})
