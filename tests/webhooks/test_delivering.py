"""Events arrive: signed, in order for each user, whatever fails, and nothing that was erased."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx2

from rollbook.delivery import sender
from tests import postgres
from tests.engines import once
from tests.harness import Server, new_user
from tests.webhooks.hooks import FAILS, Make, Time, attempts, events, is_signed, lanes, names, rename
from tests.webhooks.listener import Answer, Listener, Message


def test_every_change_arrives_signed_and_as_the_log_shows_it(
    http: httpx2.Client, listener: Listener, make: Make
) -> None:
    webhook = make()
    user = new_user(http)
    for number in range(5):
        rename(http, user, f"Name {number}")
    listener.wait_for(lambda: len(listener.delivered()) == 6)
    assert [message.event for message in listener.messages] == events(http, user=user["id"])
    assert names(listener.messages, user)[1:] == [f"Name {number}" for number in range(5)]
    assert all(is_signed(message, webhook["secret"]) for message in listener.messages)
    assert {message.headers["content-type"] for message in listener.messages} == {"application/json"}


def test_only_what_was_asked_for_is_sent(http: httpx2.Client, listener: Listener, make: Make) -> None:
    make(types=["user.suspended"], headers={"X-Tenant": "acme"})
    make("/deleted", types=["user.deleted"])
    user = new_user(http)
    http.post(f"/v1/users/{user['id']}/suspend")
    http.delete(f"/v1/users/{user['id']}")
    listener.wait_for(lambda: listener.delivered() and listener.delivered("/deleted"))
    found = {message.path: (message.event["type"], message.headers.get("x-tenant")) for message in listener.messages}
    assert found == {"/hook": ("user.suspended", "acme"), "/deleted": ("user.deleted", None)}
    assert len(listener.messages) == 2


def test_a_failing_user_holds_no_other_and_their_events_stay_in_order(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    bad, good = new_user(http), new_user(http)
    is_broken = True

    def answer(message: Message) -> Answer:
        return FAILS if is_broken and message.user_id == bad["id"] else (200, 0)

    listener.answer = answer
    webhook = make()
    for number in range(4):
        rename(http, bad, f"Bad {number}")
        rename(http, good, f"Good {number}")
    listener.wait_for(lambda: len(listener.delivered()) == 4)
    assert names(listener.delivered(), good) == [f"Good {number}" for number in range(4)]
    assert names(listener.messages, bad) == ["Bad 0"], "others of the same user wait"
    listener.wait_for(lambda: lanes(server, webhook) == 1)
    later(400)
    listener.wait_for(lambda: names(listener.messages, bad) == ["Bad 0", "Bad 0"])
    listener.wait_for(lambda: len(attempts(server, webhook)) == 6)  # the next one is five minutes after it is recorded
    is_broken = False
    later(600)
    listener.wait_for(lambda: len(listener.delivered()) == 8)
    assert names(listener.delivered(), bad) == [f"Bad {number}" for number in range(4)]
    listener.wait_for(lambda: lanes(server, webhook) == 0)
    listener.wait_for(lambda: len(attempts(server, webhook)) == 10)
    tries = [
        (number, outcome) for type, number, outcome in attempts(server, webhook) if outcome != "delivered" or number > 1
    ]
    assert tries == [(1, "http_500"), (2, "http_500"), (3, "delivered")]
    rename(http, bad, "Bad and good again")
    listener.wait_for(lambda: names(listener.delivered(), bad)[-1] == "Bad and good again")


def test_without_order_each_event_is_tried_by_itself(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    user = new_user(http)
    listener.answer = lambda message: (
        FAILS if message.event["object"]["name"] == "Bad" and message.number == 1 else (200, 0)
    )
    webhook = make(ordering="none")
    for name in ("Bad", "Good", "Better"):
        rename(http, user, name)
    listener.wait_for(lambda: len(attempts(server, webhook)) == 3)
    assert sorted(names(listener.delivered(), user)) == ["Better", "Good"]
    later(400)
    listener.wait_for(lambda: len(listener.delivered()) == 3)


@once
def test_after_the_last_try_the_event_is_given_up_and_the_next_one_of_the_user_sent(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    user = new_user(http)
    listener.answer = lambda message: (500 if message.event["object"]["name"] == "Poison" else 200, 0)
    webhook = make()
    for name in ("Poison", "Harmless"):
        rename(http, user, name)
    for number, seconds in enumerate(sender.STEPS, 1):
        listener.wait_for(lambda: len(attempts(server, webhook)) == number)  # noqa: B023
        later(seconds * (1 + sender.JITTER) + 1)
    listener.wait_for(lambda: listener.delivered())
    listener.wait_for(lambda: len(attempts(server, webhook)) == 12)
    assert attempts(server, webhook) == [
        *(("user.updated", number, "http_500") for number in range(1, 11)),
        ("user.updated", 10, "exhausted"),
        ("user.updated", 1, "delivered"),
    ]


def test_what_happens_while_it_is_paused_is_sent_later(http: httpx2.Client, listener: Listener, make: Make) -> None:
    webhook = make()
    user = new_user(http)
    listener.wait_for(lambda: len(listener.delivered()) == 1)
    assert http.patch(f"/v1/webhooks/{webhook['id']}", json={"status": "paused"}).status_code == 200
    rename(http, user, "Paused")
    other = make("/other")
    rename(http, user, "Still paused")
    listener.wait_for(lambda: listener.delivered("/other"))
    assert len(listener.at()) == 1
    assert http.patch(f"/v1/webhooks/{webhook['id']}", json={"status": "enabled"}).status_code == 200
    listener.wait_for(lambda: len(listener.delivered()) == 3)
    assert names(listener.delivered(), user)[1:] == ["Paused", "Still paused"]
    http.delete(f"/v1/webhooks/{other['id']}")
    rename(http, user, "Deleted")
    listener.wait_for(lambda: len(listener.delivered()) == 4)
    assert len(listener.at("/other")) == 1


def test_a_change_while_an_event_is_on_the_wire_holds_from_the_next_one_on(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    user = new_user(http)
    is_changed = threading.Event()
    listener.answer = lambda message: (
        (500, is_changed, {"Retry-After": "300"})
        if message.number == 1 and message.path == "/hook"
        else (200, is_changed)
    )
    webhook = make()
    rename(http, user, "Once")
    listener.wait_for(lambda: listener.messages)
    answer = http.patch(f"/v1/webhooks/{webhook['id']}", json={"url": listener.url("/new")})
    assert answer.status_code == 200, answer.text
    is_changed.set()
    listener.wait_for(lambda: lanes(server, webhook) == 1)
    later(400)
    listener.wait_for(lambda: listener.delivered("/new"))
    assert names(listener.at(), user) == names(listener.at("/new"), user) == ["Once"]


def test_a_webhook_that_is_deleted_while_its_event_is_on_the_wire_is_gone(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    user = new_user(http)
    is_deleted = threading.Event()
    listener.answer = lambda message: (500, is_deleted)
    webhook = make()
    rename(http, user, "Once")
    listener.wait_for(lambda: listener.messages)
    assert http.delete(f"/v1/webhooks/{webhook['id']}").status_code == 204
    is_deleted.set()
    listener.wait_for(lambda: attempts(server, webhook))
    assert server.ask(f"SELECT count(*) FROM webhook_cursors WHERE webhook_id = '{webhook['id']}'") == [(0,)]
    assert lanes(server, webhook) == 0 and len(listener.messages) == 1


@once
def test_a_secret_that_is_rotated_between_two_tries_signs_the_second_beside_the_old_one(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    user = new_user(http)
    listener.answer = lambda message: FAILS if message is listener.messages[0] else (200, 0)
    webhook = make()
    rename(http, user, "Once")
    listener.wait_for(lambda: lanes(server, webhook) == 1)
    rotated = http.post(f"/v1/webhooks/{webhook['id']}/rotate-secret", json={"overlap": 3600}).json()
    later(400)
    listener.wait_for(lambda: listener.delivered())
    first, second = listener.messages
    assert is_signed(first, webhook["secret"]) and not is_signed(first, rotated["secret"])
    assert is_signed(second, webhook["secret"]) and is_signed(second, rotated["secret"])
    later(4000)
    rename(http, user, "Again")
    listener.wait_for(lambda: len(listener.delivered()) == 2)
    assert not is_signed(listener.messages[-1], webhook["secret"]) and is_signed(
        listener.messages[-1], rotated["secret"]
    )


def test_what_was_erased_is_not_sent_and_its_erasure_is(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    user = new_user(http)
    listener.answer = lambda message: (
        FAILS if message.number == 1 and message.event["type"] == "user.updated" else (200, 0)
    )
    webhook = make()
    for name in ("First", "Second", "Third"):
        rename(http, user, name)
    listener.wait_for(lambda: lanes(server, webhook) == 1)
    assert http.delete(f"/v1/users/{user['id']}?purge=true").status_code == 204
    later(600)
    listener.wait_for(lambda: listener.delivered())
    assert [(message.event["type"], message.event["object"]) for message in listener.delivered()] == [
        ("user.purged", {"id": user["id"]})
    ]
    assert len(listener.messages) == 2
    listener.wait_for(lambda: lanes(server, webhook) == 0)


def change(server: Server, statement: str) -> None:
    """Changes the database behind the server's back."""
    if server.database:
        postgres.execute(postgres.direct(server.database) or server.database, statement)
    else:
        with closing(sqlite3.connect(server.data / "rollbook.db")) as database:
            database.execute(statement)
            database.commit()


def test_an_event_that_cannot_be_written_is_passed_over(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    webhook = make(format="slack")
    http.patch(f"/v1/webhooks/{webhook['id']}", json={"status": "paused"})
    user = new_user(http)
    rename(http, user, "Fine")
    poison = f"UPDATE events SET object = '{{' WHERE type = 'user.created' AND user_id = '{user['id']}'"
    http.get("/v1/events?limit=1")  # it has its number then
    change(server, poison)
    http.patch(f"/v1/webhooks/{webhook['id']}", json={"status": "enabled"})
    listener.wait_for(lambda: len(attempts(server, webhook)) == 2)
    assert attempts(server, webhook) == [("user.created", 1, "body_failed"), ("user.updated", 1, "delivered")]


def test_one_user_with_many_changes_at_once_gets_them_in_order(
    http: httpx2.Client, listener: Listener, make: Make
) -> None:
    user, other = new_user(http), new_user(http)
    webhook = make()
    http.patch(f"/v1/webhooks/{webhook['id']}", json={"status": "paused"})
    for number in range(60):
        rename(http, user, f"Name {number}")
    rename(http, other, "Other")
    listener.answer = lambda message: (200, 0.01)
    http.patch(f"/v1/webhooks/{webhook['id']}", json={"status": "enabled"})
    listener.wait_for(lambda: len(listener.delivered()) == 61)
    assert names(listener.messages, user) == [f"Name {number}" for number in range(60)]
    assert names(listener.messages[:40], other) == ["Other"], "it waited for another user"
    assert listener.overlaps == 0


@once
def test_deliveries_go_on_while_callers_keep_the_server_busy(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    users = [new_user(http) for _ in range(5)]
    paths = "/one", "/two"
    for path in paths:
        make(path)
    with kept_busy(server):
        for number in range(20):
            for user in users:
                rename(http, user, f"Name {number}")
        listener.wait_for(lambda: all(len(listener.delivered(path)) == 100 for path in paths))
    for path in paths:
        for user in users:
            assert names(listener.at(path), user) == [f"Name {number}" for number in range(20)]
    assert listener.overlaps == 0


@contextmanager
def kept_busy(server: Server) -> Iterator[None]:
    """A caller sends more requests than the server can answer."""
    request = (
        f"GET /v1/users?limit=20 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.key}\r\n\r\n".encode()
    )
    stopping = threading.Event()

    def call() -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as connection, connection.makefile("rb") as answers:
            while not stopping.is_set():
                connection.sendall(request * 20)
                for _ in range(20):
                    assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
                    fields = dict(line.split(b": ", 1) for line in iter(answers.readline, b"\r\n"))
                    answers.read(int(fields[b"Content-Length"]))

    caller = threading.Thread(target=call)
    caller.start()
    try:
        yield
        assert caller.is_alive()
    finally:
        stopping.set()
        caller.join()


def test_the_inbox_keeps_what_would_be_sent(server: Server, http: httpx2.Client) -> None:
    webhook = http.post("/v1/webhooks", json={"url": "inbox", "types": ["user.*"]}).json()
    user = new_user(http)
    for number in range(110):
        rename(http, user, f"Name {number}")
    sql = f"SELECT body FROM webhook_inbox WHERE webhook_id = '{webhook['id']}' ORDER BY id"
    wanted = [f"Name {number}" for number in range(10, 110)]

    def is_kept() -> bool:
        return [json.loads(body)["object"]["name"] for (body,) in server.ask(sql)] == wanted

    Listener.wait_for(Listener.__new__(Listener), is_kept)
    http.delete(f"/v1/webhooks/{webhook['id']}")
