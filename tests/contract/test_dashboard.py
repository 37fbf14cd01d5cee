"""The frame of the dashboard: where things are found, and what the overview begins with."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx2
import pytest

from rollbook import clock
from tests.engines import once
from tests.harness import PATIENCE, Server, free_port, new_user, running
from tests.nodes.pair import wait_until
from tests.visitor import signed_in
from tests.webhooks.test_mail_settings import brand

FLAGS = ("--rate-limit", "none", "--page-limit", "none", "--webhook-allow", "127.0.0.0/8")


def entries(html: str, name: str) -> list[str]:
    """The links of a navigation."""
    nav = re.search(rf'<nav class="[\w-]+" aria-label="{name}">(.*?)</nav>', html, re.DOTALL)
    return re.findall(r">([^<>\n]+)</a>", nav[1]) if nav else []


@once
@pytest.mark.parametrize(
    ("role", "sidebar", "activity"),
    [
        (
            "admin",
            [
                "Overview",
                "Users",
                "Groups",
                "Applications and keys",
                "Rules and webhooks",
                "Audit log and usage",
                "Imports",
                "Settings",
            ],
            ["Audit log", "Requests", "Usage"],
        ),
        ("viewer", ["Overview", "Users", "Groups", "Applications and keys", "Rules and webhooks", "Audit log"], []),
        ("member", [], []),
    ],
)
def test_each_thing_has_one_place_in_the_sidebar(
    server: Server, http: httpx2.Client, role: str, sidebar: list[str], activity: list[str]
) -> None:
    with signed_in(server, new_user(http, role=role)) as person:
        own = person.get("/account").text
        assert entries(own, "Dashboard") == sidebar
        assert entries(own, "Account" if sidebar else "Your account")[:4] == [
            "Profile",
            "Security",
            "Sessions",
            "API keys",
        ]
        if sidebar:
            assert entries(person.get("/admin/events").text, sidebar[5]) == activity


def needs(person: httpx2.Client) -> dict[str, str]:
    """What needs attention, with the page on which to act."""
    text = person.get("/admin").text
    return {text: path for path, text in re.findall(r'<li><a href="([^"]+)">([^<]+)</a></li>', text)}


@once
def test_the_overview_begins_with_what_needs_attention(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", *FLAGS) as server,
        server.http() as http,
        signed_in(server) as owner,
    ):
        new = {
            "There is no backup": "/admin/server#backup",
            "Mail is not set up: people get their links from you": "/admin/server/mail",
        }
        assert needs(owner) == new
        in_a_day = clock.format_time(clock.now() + clock.DAY)
        ending, _ = (http.post("/v1/keys", json={"name": "Short", "expires_at": in_a_day}).json() for _ in "12")
        server.ask(f"UPDATE keys SET created_at = created_at - {7 * clock.DAY} WHERE id = '{ending['id']}'")
        tested = http.post("/v1/imports?dry_run=true", content=b"{}\n").json()["id"]
        refused = http.post("/v1/imports", content=b"{}\n").json()["id"]
        undone = http.post("/v1/imports", content=b'{"name": "Ann", "email": "ann@example.com"}\n{}\n{}\n').json()["id"]
        wait_until(lambda: http.post(f"/v1/imports/{undone}/undo").is_success)
        nobody = f"http://127.0.0.1:{free_port()}/"
        failing = http.post("/v1/webhooks", json={"url": nobody}).json()["id"]
        works = http.post("/v1/webhooks", json={"url": "inbox"}).json()["id"]
        new_user(http)
        all_of_them = {
            "1 webhook failing or disabled": "/admin/webhooks",
            "1 API key about to expire": "/admin/keys?expires=7",
            "1 record refused by an import": f"/admin/imports/{refused}",
            **new,
        }
        deadline = time.monotonic() + PATIENCE
        while needs(owner) != all_of_them:
            assert time.monotonic() < deadline, (needs(owner), tested)
            time.sleep(0.3)
        listed = re.findall(r'href="/admin/webhooks/(webhook_\w+)"', owner.get("/admin/webhooks").text)
        assert listed == [failing, works], "failing ones first"
        assert works not in owner.get("/admin/webhooks?q=127.0.0.1").text
        for path in all_of_them.values():
            assert owner.get(path).status_code == 200


@once
def test_the_brand_takes_an_email_and_a_color_as_people_give_them(tmp_path: Path) -> None:
    with running(tmp_path / "data", *FLAGS) as server, signed_in(server) as owner:
        form = {"brand_name": "Acme", "brand_color": "#2350d0", "brand_support": "help@acme.example"}
        saved = brand(owner, **form)
        assert saved.status_code == 303, saved.text
        shown, sign_in = owner.get("/admin/server/brand").text, owner.get("/account/forgot-password").text
        assert 'type="color" value="#2350d0"' in shown and 'value="help@acme.example"' in shown
        assert 'href="mailto:help@acme.example"' in sign_in and "/brand/colors.css" not in sign_in, "its own color"
        page = owner.get("/admin/server").text
        troubles, _, folded = page.partition('id="settings"')[0].partition("<details")
        assert ">Backups</th>" in troubles and ">Durability</th>" in folded and ">Durability</th>" not in troubles
        assert page.index('id="checks"') < page.index('id="settings"') < page.index('id="processes"')
