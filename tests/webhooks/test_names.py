"""Chats are told names, not IDs: of who did it, with which key, and whose it is; and none of who was erased."""

from __future__ import annotations

import httpx2

from tests.harness import Server, new_key, new_user
from tests.webhooks.hooks import Make, rename
from tests.webhooks.listener import Listener


def test_a_chat_reads_names_until_they_are_erased(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    alice, bob = new_user(http, name="Alice Example", role="admin"), new_user(http, name="Bob")
    webhook = make(types=["user.updated"], format="slack")
    with server.http(new_key(http, user_id=alice["id"], name="CRM sync")) as hers:
        rename(hers, bob, "Robert")
    listener.wait_for(lambda: listener.delivered())
    told = listener.delivered()[0].event["text"]
    assert "By Alice Example with the key CRM sync" in told and alice["id"] not in told
    path = f"/v1/webhooks/{webhook['id']}"
    listener.wait_for(lambda: http.get(f"{path}/deliveries").json())
    delivery = http.get(f"{path}/deliveries").json()[0]["id"]
    assert "By Alice Example with" in http.get(f"{path}/deliveries/{delivery}").json()["request"]["body"]

    assert http.delete(f"/v1/users/{alice['id']}?purge=true").status_code == 204
    assert http.post(f"{path}/deliveries/{delivery}/resend").status_code == 201
    listener.wait_for(lambda: len(listener.delivered()) == 2)
    told = listener.delivered()[1].event["text"]
    assert f"By {alice['id']} with the key key_" in told and "Alice" not in told and "CRM" not in told
    assert "Alice" not in http.get(f"{path}/deliveries/{delivery}").text
