"""The overview of a new server: what to do first, read from what is there."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx2

from tests.engines import once
from tests.harness import new_key, new_user, running
from tests.visitor import signed_in


def done(person: httpx2.Client) -> list[str]:
    """The first steps that are done; none of them too when there is no list."""
    return re.findall(r'<li class="done"><div><a[^>]*>([^<]+)', person.get("/admin").text)


def until(person: httpx2.Client, steps: list[str]) -> None:
    deadline = time.monotonic() + 60
    while done(person) != steps:
        assert time.monotonic() < deadline, (done(person), steps)
        time.sleep(0.1)


@once
def test_a_new_server_shows_what_to_do_first_until_it_is_done(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "--rate-limit", "none") as server,
        server.http() as http,
        signed_in(server) as owner,
    ):
        empty = owner.get("/admin").text
        assert "0 of 4 done" in empty and "<svg" not in empty.split("<main", 1)[1].split("</main", 1)[0]
        for path in ("/admin/users/new", "/admin/applications/new", "/admin/requests", "/docs/integrations"):
            assert f'<li><div><a href="{path}"' in empty and owner.get(path).status_code == 200
        user = new_user(http)
        until(owner, ["Create a user", "See a request"])
        http.delete(f"/v1/users/{user['id']}")
        assert done(owner) == ["Create a user", "See a request"], "what was done stays done"
        for _ in range(101):  # keys that are never used
            new_key(http)
        assert done(owner) == ["Create a user", "See a request"]
        assert 'class="plot' in owner.get("/admin").text
        application = http.post("/v1/applications", json={"name": "Shop"}).json()["id"]
        assert done(owner) == ["Create a user", "See a request"], "it has no key yet"
        key = new_key(http, user_id=application)
        until(owner, ["Create a user", "Create an application", "See a request"])
        with signed_in(server) as elsewhere:
            answer = elsewhere.post("/admin/first-steps/dismiss")
            assert (answer.status_code, answer.headers["location"]) == (303, "/admin")
            assert "First steps" not in elsewhere.get("/admin").text
            assert "First steps" in owner.get("/admin").text, "another browser is asked by itself"
        with server.http(key) as shop:
            shop.get("/v1/users/me")
        until(owner, [])
        assert "First steps" not in owner.get("/admin").text


def test_what_was_done_once_stays_done(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "--rate-limit", "none") as server,
        server.http() as http,
        signed_in(server) as owner,
    ):
        application = http.post("/v1/applications", json={"name": "Shop"}).json()["id"]
        new_key(http, user_id=application)
        until(owner, ["Create an application", "See a request"])
        assert http.delete(f"/v1/users/{application}?purge=true").status_code == 204
        webhook = http.post("/v1/webhooks", json={"url": "https://example.com/hook"}).json()["id"]
        until(owner, ["Create an application", "See a request", "Use it in your code"])
        assert http.delete(f"/v1/webhooks/{webhook}").status_code == 204
        assert done(owner) == ["Create an application", "See a request", "Use it in your code"]
        with signed_in(server) as elsewhere:
            assert done(elsewhere) == done(owner)
        new_user(http)
        until(owner, [])
