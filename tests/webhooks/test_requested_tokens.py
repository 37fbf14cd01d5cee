"""A token that somebody has asked for reaches the user by the one webhook that may carry it, and shows nowhere else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook.delivery import sender
from tests.certificates import certified
from tests.contract.test_app_sessions import is_valid
from tests.engines import once
from tests.harness import Server, new_key, new_user, running
from tests.mail_server import mail_server
from tests.webhooks.conftest import FLAGS
from tests.webhooks.hooks import FAILS, Make, Time, attempts
from tests.webhooks.listener import Answer, Listener, Message

NAMED = ["token.requested"]
SECRET = {"token", "url", "email"}
"""What the object of a delivery has more than that of the event."""


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = (*FLAGS, "--token-email-limit", "3/hour", "--token-address-limit", "4/hour", "--reset-lifetime", "14d")
    with running(tmp_path_factory.mktemp("server") / "data", *flags) as server:
        yield server


def ask_for(http: httpx2.Client, email: str, purpose: str = "reset_password", **fields: Any) -> None:
    answer = http.post("/v1/tokens/request", json={"email": email, "purpose": purpose, **fields})
    assert (answer.status_code, answer.content) == (202, b"")


def worked_off(server: Server) -> None:
    """Everything that was asked for is done."""
    until = time.monotonic() + 60
    while server.ask("SELECT count(*) FROM token_requests") != [(0,)]:
        assert time.monotonic() < until
        time.sleep(0.01)


def kept(server: Server, user: dict[str, Any]) -> list[tuple[bool, int]]:
    """Of each of a user's tokens, whether its text is kept, and whether it counts as sent."""
    rows = server.ask(f"SELECT sealed IS NOT NULL, is_sent FROM one_time_tokens WHERE user_id = '{user['id']}'")
    return [(bool(sealed), sent) for sealed, sent in rows]


def requested(http: httpx2.Client, user: dict[str, Any]) -> list[dict[str, Any]]:
    return http.get("/v1/events", params={"type": "token.requested", "user": user["id"]}).json()


def tokens(messages: list[Message]) -> list[str | None]:
    return [message.event["object"].get("token") for message in messages]


def test_one_webhook_that_names_the_event_carries_the_token_and_no_one_else_sees_it(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    user = new_user(http)
    hooks = [
        make("/carrier", types=NAMED),
        make("/newer", types=["user.*", *NAMED], format="cloudevents"),
        make("/all", types=["*"]),
        make("/group", types=["token.*"]),
        make("/chat", types=["token.*"], format="slack"),
        make("/thin", types=["token.*"], payload="thin"),
        make(url="inbox", types=["*"]),
    ]
    ask_for(http, user["email"].upper(), redirect_url="http://localhost:3000/done?a=1")
    paths = ["/carrier", "/newer", "/all", "/group", "/chat", "/thin"]
    listener.wait_for(lambda: all(listener.delivered(path) for path in paths))
    [event] = requested(http, user)
    assert event["object"] == {
        "id": event["object"]["id"],
        "user_id": user["id"],
        "purpose": "reset_password",
        "redirect_url": "http://localhost:3000/done?a=1",
        "expires_at": event["object"]["expires_at"],
    }
    [carried] = listener.delivered("/carrier")
    object = carried.event["object"]
    token = object["token"]
    assert carried.event == {**event, "object": {**event["object"], **{name: object[name] for name in SECRET}}}
    assert object["email"] == user["email"]
    assert object["url"] == f"{server.url}/account/set-password?token={token}" and len(token) >= 43
    assert [message.path for message in listener.messages if token in message.body.decode()] == ["/carrier"]

    listener.wait_for(lambda: kept(server, user) == [(False, 1)])
    listener.wait_for(lambda: all(attempts(server, webhook) for webhook in hooks))
    for webhook in hooks:
        seen = http.get(f"/v1/webhooks/{webhook['id']}/deliveries")
        shown = [http.get(f"/v1/webhooks/{webhook['id']}/deliveries/{each['id']}").text for each in seen.json()]
        assert shown and token not in seen.text + "".join(shown)
    reads = (
        "/v1/events?limit=1000",
        f"/v1/users/{user['id']}/tokens",
        f"/v1/users/{user['id']}/export",
        "/v1/requests",
    )
    assert not [path for path in reads if token in http.get(path).text]
    assert token.encode() not in b"".join(server.kept().values()) + server.log.read_bytes()

    used = http.post("/v1/tokens/consume", json={"token": token, "password": "another passphrase"})
    assert used.status_code == 200, used.text
    assert used.json()["email_verified"] is True, "whoever has it can read the email"


def test_a_request_that_is_repeated_with_its_key_asks_once(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    user = new_user(http)
    make(types=NAMED)
    asked = {"email": user["email"], "purpose": "reset_password"}
    answers = [
        http.post("/v1/tokens/request", json=asked, headers={"Idempotency-Key": f"once {user['id']}"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true"]
    worked_off(server)
    assert len(requested(http, user)) == 1


def test_an_old_delivery_that_is_sent_again_has_no_token(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    user = new_user(http)
    webhook = make(types=NAMED)
    ask_for(http, user["email"])
    listener.wait_for(lambda: attempts(server, webhook))
    [delivery] = http.get(f"/v1/webhooks/{webhook['id']}/deliveries").json()
    assert http.post(f"/v1/webhooks/{webhook['id']}/deliveries/{delivery['id']}/resend").status_code == 201
    other = make("/other", types=NAMED)
    replay = {"from": requested(http, user)[0]["id"]}
    for each in (webhook, other):
        assert http.post(f"/v1/webhooks/{each['id']}/replays", json=replay).status_code == 201
    listener.wait_for(lambda: len(listener.delivered()) == 3 and listener.delivered("/other"))
    assert [bool(each) for each in tokens(listener.delivered())] == [True, False, False]
    assert tokens(listener.delivered("/other")) == [None]


def test_a_failed_delivery_carries_it_again_until_it_succeeds(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    user = new_user(http)

    def answer(message: Message) -> Answer:
        return FAILS if message.number == 1 else (200, 0)

    listener.answer = answer
    webhook = make(types=NAMED)
    ask_for(http, user["email"])
    listener.wait_for(lambda: attempts(server, webhook))
    assert kept(server, user) == [(True, 0)]
    later(400)
    listener.wait_for(lambda: kept(server, user) == [(False, 1)])
    first, second = tokens(listener.messages)
    assert first == second is not None


@once
def test_what_ended_meanwhile_is_not_carried(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    listener.answer = lambda message: FAILS if message.number == 1 else (200, 0)
    webhook = make(types=NAMED)
    expired, replaced = new_user(http), new_user(http)
    ask_for(http, expired["email"], "sign_in")
    ask_for(http, replaced["email"])
    listener.wait_for(lambda: len(attempts(server, webhook)) == 2)
    http.post(f"/v1/users/{replaced['id']}/tokens", json={"purpose": "reset_password"})
    later(11 * 60)
    listener.wait_for(lambda: len(listener.delivered()) == 2)
    assert tokens(listener.delivered()) == [None, None]


def test_a_token_that_could_not_be_delivered_is_forgotten(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    user, other = new_user(http), new_user(http)
    listener.answer = lambda message: (500, 0)
    webhook = make(types=NAMED)
    ask_for(http, user["email"])
    for number, seconds in enumerate(sender.STEPS, 1):
        listener.wait_for(lambda: len(attempts(server, webhook)) == number)  # noqa: B023
        assert kept(server, user) == [(True, 0)]
        later(seconds * (1 + sender.JITTER) + 1)
    listener.wait_for(lambda: kept(server, user) == [(False, 0)])

    ask_for(http, other["email"])
    listener.wait_for(lambda: kept(server, other) == [(True, 0)])
    http.delete(f"/v1/webhooks/{webhook['id']}")
    assert kept(server, other) == [(False, 0)]


def test_no_one_has_tokens_carried_who_could_not_create_them(
    http: httpx2.Client, listener: Listener, server: Server
) -> None:
    admin, viewer = new_user(http, role="admin"), new_user(http, role="viewer")
    hook = {"url": listener.url(), "types": NAMED}
    wide = ["webhooks:read", "webhooks:write", "events:read"]
    keys = {
        "viewer": new_key(http, user_id=viewer["id"]),
        "no tokens": new_key(http, user_id=admin["id"], scopes=[*wide, "users:grant"]),
        "no grant": new_key(http, user_id=admin["id"], scopes=[*wide, "tokens:create"]),
    }
    for key in keys.values():
        with server.http(key) as caller:
            assert caller.post("/v1/webhooks", json=hook).status_code == 403
            seen = caller.post("/v1/webhooks", json={**hook, "types": ["token.*"]}).json()
            assert caller.patch(f"/v1/webhooks/{seen['id']}", json={"types": NAMED}).status_code == 403
            assert caller.delete(f"/v1/webhooks/{seen['id']}").status_code == 204
    refused = [
        ("types", {"user_id": viewer["id"]}),
        ("url", {"url": "inbox"}),
        ("format", {"format": "slack"}),
        ("format", {"format": "ocsf"}),
        ("payload", {"payload": "thin"}),
    ]
    for param, fields in refused:
        answer = http.post("/v1/webhooks", json={**hook, **fields})
        assert (answer.status_code, answer.json()["param"]) == (400, param)
    carrier = http.post("/v1/webhooks", json={**hook, "user_id": admin["id"]}).json()
    path = f"/v1/webhooks/{carrier['id']}"
    for param, fields in refused:
        answer = http.patch(path, json=fields)
        assert (answer.status_code, answer.json()["param"]) == (400, param)
    with server.http(keys["no tokens"]) as caller:
        for changes in (
            {"url": listener.url("/elsewhere")},
            {"user_id": admin["id"], "payload": "full", "format": "cloudevents"},
        ):
            assert caller.patch(path, json=changes).status_code == 403
        assert caller.patch(path, json={"description": "Passwords"}).status_code == 200
    http.delete(path)


def test_an_admins_webhook_gets_no_token_of_an_owner_and_none_once_they_are_no_admin(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    admin, owner, member = new_user(http, role="admin"), new_user(http, role="owner"), new_user(http)
    listener.answer = lambda message: FAILS if message.number == 1 else (200, 0)
    webhook = make("/admin", types=NAMED, user_id=admin["id"])
    ask_for(http, owner["email"])
    worked_off(server)
    assert (kept(server, owner), requested(http, owner)) == ([], []), "no one could deliver it"
    ask_for(http, member["email"])
    listener.wait_for(lambda: attempts(server, webhook))
    assert tokens(listener.messages) != [None]
    assert http.patch(f"/v1/users/{admin['id']}", json={"role": "viewer"}).status_code == 200
    later(400)
    listener.wait_for(lambda: listener.delivered("/admin"))
    assert tokens(listener.delivered("/admin")) == [None]
    assert kept(server, member) == [], "it goes back to the admin"

    listener.answer = lambda message: (200, 0)
    mine = make("/owner", types=NAMED)
    ask_for(http, owner["email"])
    listener.wait_for(lambda: listener.delivered("/owner"))
    assert tokens(listener.delivered("/owner")) != [None]
    listener.wait_for(lambda: attempts(server, mine))


@once
def test_what_a_webhook_carried_goes_back_to_its_owner_and_not_to_whoever_asked(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    admin, asker, member = new_user(http, role="admin"), new_user(http, role="admin"), new_user(http)
    make("/carrier", types=NAMED, user_id=admin["id"])
    with server.http(new_key(http, user_id=asker["id"])) as caller:
        ask_for(caller, member["email"], "sign_in")
    listener.wait_for(lambda: listener.delivered("/carrier"))
    [token] = tokens(listener.delivered("/carrier"))
    made = http.post("/v1/sessions", json={"token": token, "audience": "shop"})
    assert made.status_code == 201, made.text
    assert http.delete(f"/v1/users/{asker['id']}").status_code == 204
    assert is_valid(http, made.json(), "shop")
    assert http.delete(f"/v1/users/{admin['id']}").status_code == 204
    assert not is_valid(http, made.json(), "shop")


def test_a_receiver_that_repeats_what_it_gets_shows_it_to_no_one(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    user = new_user(http)
    webhook = make(types=NAMED)
    listener.echoes = True
    ask_for(http, user["email"])
    listener.wait_for(lambda: attempts(server, webhook))
    [delivery] = http.get(f"/v1/webhooks/{webhook['id']}/deliveries").json()
    shown = http.get(f"/v1/webhooks/{webhook['id']}/deliveries/{delivery['id']}").text
    assert listener.messages[0].event["object"]["token"] not in shown
    assert "since the request carried a token" in shown


@once
def test_a_test_delivery_looks_like_one_that_carries_a_token(
    http: httpx2.Client, listener: Listener, make: Make
) -> None:
    webhook, other = make(types=NAMED), make("/other", types=["token.*"])
    for each in (webhook, other):
        http.post(f"/v1/webhooks/{each['id']}/test", json={"type": "token.requested"})
    assert listener.at()[0].event["object"].keys() >= SECRET
    assert not SECRET & listener.at("/other")[0].event["object"].keys()


# ---- asking


def test_whoever_asks_hears_the_same_whoever_they_ask_for(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    make(types=NAMED)
    active, suspended, gone = new_user(http), new_user(http), new_user(http)
    http.post(f"/v1/users/{suspended['id']}/suspend")
    http.delete(f"/v1/users/{gone['id']}")
    for email in (active["email"], suspended["email"], gone["email"], "nobody@example.com"):
        ask_for(http, email)
    ask_for(http, active["email"], "invite")
    worked_off(server)
    assert [len(requested(http, each)) for each in (active, suspended, gone)] == [1, 0, 0]
    bad = [
        ("email", {"email": "nobody"}),
        ("purpose", {"purpose": "change_email"}),
        ("redirect_url", {"redirect_url": "https://elsewhere.example"}),
        ("redirect_url", {"redirect_url": "http://localhost@elsewhere.example"}),
        ("address", {"address": "here"}),
    ]
    for param, fields in bad:
        answer = http.post("/v1/tokens/request", json={"email": active["email"], "purpose": "sign_in", **fields})
        assert (answer.status_code, answer.json()["param"]) == (400, param)
    with server.http(new_key(http, scopes=["users:read", "tokens:consume"])) as caller:
        assert (
            caller.post("/v1/tokens/request", json={"email": active["email"], "purpose": "sign_in"}).status_code == 403
        )


def test_an_email_and_an_address_are_sent_only_so_many(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    make(types=NAMED)
    one, others = new_user(http), [new_user(http) for _ in range(6)]
    for purpose in ("reset_password", "sign_in", "verify_email", "reset_password", "sign_in"):
        ask_for(http, one["email"], purpose)
    for user in others:
        ask_for(http, user["email"], address="203.0.113.7")
    ask_for(http, others[-1]["email"], address="203.0.113.8")
    worked_off(server)
    assert len(requested(http, one)) == 3
    assert [len(requested(http, user)) for user in others] == [1, 1, 1, 1, 0, 1]
    assert requested(http, others[0])[0]["actor"]["address"] == "203.0.113.7"


def test_an_invited_user_who_forgot_their_password_gets_an_invitation(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    make(types=NAMED)
    invited = http.post("/v1/users", json={"name": "Ada", "email": "ada@example.com", "status": "invited"}).json()
    ask_for(http, invited["email"])
    listener.wait_for(listener.delivered)
    object = listener.messages[0].event["object"]
    assert object["purpose"] == "invite"
    answer = http.post("/v1/tokens/consume", json={"token": object["token"], "password": "securepassword123"})
    assert [answer.json()[name] for name in ("status", "email_verified")] == ["active", True]


def test_kill_9_loses_no_request_and_makes_none_twice(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    make(types=NAMED)
    users = [new_user(http) for _ in range(10)]
    for user in users:
        ask_for(http, user["email"])
    server.stop(how=9)
    server.start()
    worked_off(server)
    assert [len(requested(http, user)) for user in users] == [1] * 10
    listener.wait_for(lambda: len({message.id for message in listener.delivered()}) == 10)
    assert None not in tokens(listener.delivered())


def test_rollbook_mails_what_no_webhook_may_carry_and_only_that(
    engine: str, listener: Listener, tmp_path: Path
) -> None:
    with mail_server(certified(tmp_path, "127.0.0.1")) as mail:
        server = Server(tmp_path / "data")
        server.flags = (*FLAGS, *mail.flags(server.url))
        server.start()
        try:
            with server.http() as http:
                admin, owner, member = (new_user(http, role=role) for role in ("admin", "owner", "member"))
                hook = {"url": listener.url(), "types": NAMED, "user_id": admin["id"]}
                webhook = http.post("/v1/webhooks", json=hook).json()
                for user in (owner, member):
                    ask_for(http, user["email"])
                listener.wait_for(lambda: len(listener.delivered()) == 2)
                carried = {
                    message.event["user_id"]: "token" in message.event["object"] for message in listener.messages
                }
                assert carried == {owner["id"]: False, member["id"]: True}
                assert "/account/set-password?token=" in mail.wait_for_mail(owner["email"]).link
                http.patch(f"/v1/webhooks/{webhook['id']}", json={"status": "paused"})
                ask_for(http, member["email"], "sign_in")
                assert "/account/sign-in-link?token=" in mail.wait_for_mail(member["email"]).link
                listener.wait_for(lambda: kept(server, member)[-1] == (False, 1))
                assert len(mail.to(member["email"])) == len(mail.to(owner["email"])) == 1
        finally:
            server.stop()
