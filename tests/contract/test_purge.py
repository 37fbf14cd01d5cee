"""Erasing a person keeps the log of what was done to them: nobody erases what they did by erasing whom they did it to."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests import assistant
from tests.contract.test_imports import done, reported
from tests.harness import Server, new_key, new_user

FIELDS = ("id", "type", "created_at", "user_id")


def events_of(http: httpx2.Client, id: str) -> list[dict[str, Any]]:
    return http.get("/v1/events", params={"user": id, "limit": 100}).json()


def test_what_was_done_to_the_erased_stays_without_who_they_were(server: Server, http: httpx2.Client) -> None:
    admin, user = new_user(http, role="admin"), new_user(http, name="Quetzal Xylophone")
    with server.http(new_key(http, user_id=admin["id"])) as own:
        own.patch(f"/v1/users/{user['id']}", json={"role": "viewer", "metadata": {"also": "Quetzal"}})
        key = own.post("/v1/keys", json={"name": "of Quetzal", "user_id": user["id"]}).json()
        assert not assistant.call(own, "update_user", user_id=user["id"], external_id="quetzal")["isError"]
    with server.http(key["key"]) as theirs:
        assert not assistant.call(theirs, "update_user", user_id="me", name="Quetzal X")["isError"]
    before = events_of(http, user["id"])
    assert http.delete(f"/v1/users/{user['id']}?purge=true").status_code == 204
    after = events_of(http, user["id"])
    assert after[-1]["type"] == "user.purged"
    kept = [event for event in after if event["type"] != "user.purged"]
    assert [[event[name] for name in FIELDS] for event in kept] == [[each[name] for name in FIELDS] for each in before]
    for event, was in zip(kept, before, strict=True):
        assert event["object"] == {"id": was["object"]["id"], "erased": True}
        assert event["before"] is None
        own_act = was["actor"]["user_id"] == user["id"]
        assert event["actor"] == (was["actor"] | {"address": None, "client": None} if own_act else was["actor"])
    assert [event["actor"]["client"] for event in before if event["actor"]["client"]] == ["tests 1", "tests 1"]
    text = http.get("/v1/events", params={"user": user["id"]}).text
    assert "Quetzal" not in text and user["email"] not in text
    after_first = http.get("/v1/events", params={"after": before[0]["id"], "user": user["id"]}).json()
    assert [event["id"] for event in after_first] == [event["id"] for event in after[1:]], "its place is kept"


def test_only_owners_erase_before_the_retention_is_over(server: Server, http: httpx2.Client) -> None:
    admin, user = new_user(http, role="admin"), new_user(http)
    with server.http(new_key(http, user_id=admin["id"])) as own:
        answer = own.delete(f"/v1/users/{user['id']}?purge=true")
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
        assert own.delete(f"/v1/users/{user['id']}").status_code == 204
        assert own.delete(f"/v1/users/{user['id']}?purge=true").status_code == 403
        bulk = {"operations": [{"op": "delete", "id": user["id"], "purge": True}]}
        assert own.post("/v1/users/bulk", json=bulk).json()["results"][0]["status"] == 403
        server.pass_time(31 * 86_400)
        try:
            # A job may have done it.
            assert own.delete(f"/v1/users/{user['id']}?purge=true").status_code in (204, 404)
        finally:
            server.pass_time(0)


@pytest.mark.parametrize("on_conflict", ["skip", "update", "fail"])
def test_no_import_brings_the_id_of_the_erased_back_to_life(http: httpx2.Client, on_conflict: str) -> None:
    user = new_user(http)
    http.delete(f"/v1/users/{user['id']}?purge=true")
    job = done(http, {"id": user["id"], "name": "Impostor", "email": user["email"]}, on_conflict=on_conflict)
    assert [each["code"] for each in reported(http, job)] == ["id_taken"]
    assert http.get(f"/v1/users/{user['id']}").status_code == 404
