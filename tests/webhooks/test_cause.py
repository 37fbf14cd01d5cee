"""What a webhook says it is doing and why: the sentence in the API, from what its endpoint answers."""

from __future__ import annotations

import re
from typing import Any

import httpx2

from rollbook.roles import SCOPES
from tests.harness import Server, new_key, new_user
from tests.webhooks.hooks import FAILS, Make, Time, rename
from tests.webhooks.listener import Listener


def health(http: httpx2.Client, webhook: dict[str, Any]) -> dict[str, Any]:
    return http.get(f"/v1/webhooks/{webhook['id']}").json()["health"]


def test_a_webhook_says_since_when_it_fails_and_what_its_endpoint_answers(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    listener.answer = lambda message: FAILS
    listener.says = b"TypeError: \x1b[31muser\x1b[0m is undefined\n  at line 7" + b"!" * 9_000
    webhook = make(types=["user.updated"], ordering="none")
    assert health(http, webhook)["summary"] == "Nothing has been sent yet."
    user = new_user(http)
    rename(http, user, "First")
    listener.wait_for(lambda: health(http, webhook)["failing_since"])
    found = health(http, webhook)
    sentence = (
        r"Answering 500 since \d+ \w+ 20\d\d, \d\d:\d\d UTC: TypeError: \[31muser\[0m is undefined at line 7!+…\."
    )
    assert re.fullmatch(sentence, found["summary"]) and len(found["summary"]) < 250
    (listed,) = [each for each in http.get("/v1/webhooks").json() if each["id"] == webhook["id"]]
    assert listed["health"] == found
    # What came back may repeat what was sent: it is for those who can read events.
    key = new_key(http, scopes=sorted(set(SCOPES) - {"events:read"}))
    with server.http(key) as narrow:
        for text in (narrow.get(f"/v1/webhooks/{webhook['id']}").text, narrow.get("/v1/webhooks").text):
            assert "Answering 500 since" in text and "TypeError" not in text
    # It works again, but not yet for all.
    listener.answer = lambda message: (200, 0)
    rename(http, new_user(http), "Second")
    assert http.patch(f"/v1/webhooks/{webhook['id']}", json={"status": "enabled"}).status_code == 200
    later(400)
    listener.wait_for(lambda: health(http, webhook)["waiting"] == 0 and health(http, webhook)["failing_since"] is None)
    assert health(http, webhook)["summary"].startswith("Works: the last delivery succeeded on ")


def test_a_paused_webhook_says_by_whom_to_those_who_can_read_users(
    server: Server, http: httpx2.Client, make: Make
) -> None:
    webhook, me = make(), http.get("/v1/users/me").json()
    path = f"/v1/webhooks/{webhook['id']}"
    paused = http.patch(f"{path}", json={"status": "paused"}).json()
    assert paused["health"]["summary"].startswith(f"Paused by {me['name']} on ")
    key = new_key(http, scopes=sorted(set(SCOPES) - {"users:read"}))
    with server.http(key) as narrow:
        assert narrow.get(path).json()["health"]["summary"].startswith("Paused since ")
    # Changed by hand since: who paused it stays the same.
    assert http.patch(path, json={"description": "Renamed"}).json()["health"]["summary"] == paused["health"]["summary"]
    assert http.patch(f"{path}", json={"status": "enabled"}).json()["health"]["summary"] == "Nothing has been sent yet."
