"""What asks before somebody is suspended, deleted or demoted says how much of what others have stops with them."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape

import httpx2

from tests.harness import Server, new_key, new_user
from tests.visitor import signed_in


def test_it_says_how_many_keys_and_webhooks_of_others_stop(
    server: Server, http: httpx2.Client, as_role: Callable[..., httpx2.Client]
) -> None:
    admin, viewer, other = as_role("admin", name="Lee Leaving"), new_user(http, role="viewer"), new_user(http)
    id = admin.user["id"]  # type: ignore[attr-defined]
    chained = new_key(admin, user_id=viewer["id"])
    new_key(admin, user_id=other["id"])
    new_key(admin)  # of the admin
    http.delete(f"/v1/keys/{admin.post('/v1/keys', json={'name': 'x', 'user_id': other['id']}).json()['id']}")
    with server.http(chained) as client:  # which makes the webhook go back to the admin
        assert client.post("/v1/webhooks", json={"url": "inbox", "types": ["user.*"]}).status_code == 201
    stops = "2 API keys and 1 webhook that they created for others"
    with signed_in(server) as owner:

        def text(path: str, **form: str) -> str:
            answer = owner.post(path, data=form) if form else owner.get(path)
            assert answer.status_code == 200, answer.text
            return unescape(answer.text)

        in_all = "In all, this stops 4 API keys and 1 webhook."
        assert f"{stops} pause as well. {in_all}" in text(f"/admin/users/{id}/events")
        assert f"{stops} end with a role below admin." in text(f"/admin/users/{id}")
        asks, keys = text(f"/admin/users/{id}/delete"), f"/admin/keys?created_by={id}"
        assert f"{stops} end as well." in asks and f'href="{keys}"' in asks
        assert f'data-confirm-link="{keys}"' in text(f"/admin/users/{id}")
        listed = text("/admin/users?q=Lee+Leaving")
        assert f"{stops} pause as well." in listed and f"{stops} end as well." in listed
        assert f"{stops} pause as well." in text("/admin/users/bulk", op="suspend", id=id)
        assert f"{stops} end as well." in text("/admin/users/bulk", op="delete", id=id)
        assert f"{stops} end as well. {in_all}" in asks
        assert all(in_all in text("/admin/users/bulk", op=op, id=id) for op in ("suspend", "delete"))
        assert "In all, this stops 2 API keys and 1 webhook." in text("/admin/users/bulk", op="role:member", id=id)
        assert "In all" not in text("/admin/users/bulk", op="activate", id=id)
        assert "that they created for others" not in text(f"/admin/users/{viewer['id']}")
        assert owner.post(f"/admin/users/{id}/suspend").status_code == 303
        assert "3 API keys and webhooks that they created for others paused as well." in text("/admin/users")
        keys = text("/admin/keys")
        assert "Suspended" in keys and "active key" not in keys


def test_what_an_application_has_is_counted_before_it_is_stopped(server: Server, http: httpx2.Client) -> None:
    application = http.post("/v1/applications", json={"name": "Shop", "role": "viewer"}).json()
    for _ in range(2):
        new_key(http, user_id=application["id"])
    assert http.post("/v1/webhooks", json={"url": "inbox", "user_id": application["id"]}).status_code == 201
    with signed_in(server) as owner:
        for what in ("suspend", "delete"):
            asks = owner.get(f"/admin/applications/{application['id']}/{what}")
            assert "In all, this stops 2 API keys and 1 webhook." in unescape(asks.text)
    assert http.get(f"/v1/applications/{application['id']}").json()["status"] == "active"


def test_the_sessions_of_a_user_are_counted_before_they_are_stopped(server: Server, http: httpx2.Client) -> None:
    user = new_user(http, role="admin")
    new_key(http, user_id=user["id"])
    sign_in = {"email": user["email"], "password": user["password"], "audience": "shop"}
    for _ in range(2):
        assert http.post("/v1/sessions", json=sign_in).status_code == 201
    in_all = "In all, this stops 2 sessions and 1 API key."
    with signed_in(server) as owner:
        assert in_all in unescape(owner.get(f"/admin/users/{user['id']}").text), "it asks before it suspends"
        assert in_all in unescape(owner.get(f"/admin/users/{user['id']}/delete").text)
        for op in ("suspend", "delete"):
            assert in_all in unescape(owner.post("/admin/users/bulk", data={"op": op, "id": user["id"]}).text)
    assert len(http.get("/v1/sessions", params={"user": user["id"]}).json()) == 2
