"""What is sent again: single deliveries and parts of the log, beside what is new, across restarts."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx2

from tests.engines import once
from tests.harness import Server, new_key, new_user
from tests.webhooks.conftest import FLAGS
from tests.webhooks.hooks import FAILS, Make, Time, attempts, events, lanes, names, rename
from tests.webhooks.listener import Answer, Listener, Message, listening


def replay(http: httpx2.Client, webhook: dict[str, Any], first: dict[str, Any], **fields: Any) -> str:
    """The path of one that begins with this event."""
    answer = http.post(f"/v1/webhooks/{webhook['id']}/replays", json={"from": first["id"], **fields})
    assert answer.status_code == 201, answer.text
    return f"/v1/webhooks/{webhook['id']}/replays/{answer.json()['id']}"


def done(http: httpx2.Client, path: str) -> dict[str, Any] | None:
    found = http.get(path).json()
    return found if found["status"] == "done" else None


def test_a_part_of_the_log_is_sent_again_with_the_same_ids_and_is_no_attempt_of_the_first_time(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    webhook = make(types=["user.updated"])
    user, other = new_user(http), new_user(http)
    for number in range(5):
        rename(http, user, f"Name {number}")
        rename(http, other, f"Other {number}")
    listener.wait_for(lambda: len(listener.delivered()) == 10)
    log = events(http, user=user["id"], type="user.updated")
    path = replay(http, webhook, log[1], user=user["id"])
    listener.wait_for(lambda: done(http, path))
    again = listener.delivered()[10:]
    assert [message.id for message in again] == [event["id"] for event in log[1:]]
    assert {name: http.get(path).json()[name] for name in ("delivered", "failed", "progress")} == {
        "delivered": 4,
        "failed": 0,
        "progress": 1,
    }
    rows = server.ask(
        f"SELECT attempt FROM webhook_deliveries WHERE webhook_id = '{webhook['id']}' AND trigger = 'replay'"
    )
    assert rows == [(1,)] * 4


def test_only_what_was_not_delivered_is_sent_again_if_so_asked(
    http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    bad, good = new_user(http), new_user(http)
    listener.answer = lambda message: FAILS if message.user_id == bad["id"] and message.number == 1 else (200, 0)
    webhook = make(types=["user.updated"], ordering="none")
    rename(http, good, "Good")
    rename(http, bad, "Bad")
    listener.wait_for(lambda: len(listener.messages) == 2)
    first = events(http, user=good["id"], type="user.updated")[0]
    # Until its result is stored, an event counts as not delivered.
    listener.wait_for(lambda: http.get(f"/v1/webhooks/{webhook['id']}").json()["health"]["delivered"] == 1)
    path = replay(http, webhook, first, only="failed")
    listener.wait_for(lambda: done(http, path))
    assert names(listener.delivered(), bad) == ["Bad"] and names(listener.delivered(), good) == ["Good"]
    later(600)
    path = replay(http, webhook, first, only="undelivered")
    listener.wait_for(lambda: done(http, path))
    assert len(listener.messages) == 3, "what was delivered by hand is not tried again by itself"


def test_a_replay_from_the_failure_begins_with_the_first_event_that_was_not_delivered(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    """It repeats none that arrived, before, between or after."""
    users = [new_user(http) for _ in range(5)]
    bad = {users[1]["id"], users[3]["id"]}
    is_up = False
    listener.answer = lambda message: (200 if is_up or message.user_id not in bad else 410, 0)
    webhook = make(types=["user.updated"], ordering="none")
    path = f"/v1/webhooks/{webhook['id']}"
    answer = http.post(f"{path}/replays", json={"from": "failure"})
    assert answer.status_code == 400 and answer.json()["param"] == "from", answer.text
    for number in (0, 1):  # the second one ends it
        rename(http, users[number], "Sent")
        listener.wait_for(lambda: len(attempts(server, webhook)) == number + 1)  # noqa: B023
    listener.wait_for(lambda: http.get(path).json()["status"] == "disabled")
    rename(http, users[2], "Skipped")
    is_up = True
    assert http.patch(f"{path}", json={"status": "enabled", "from": "now"}).status_code == 200
    rename(http, users[4], "Afterwards")
    listener.wait_for(lambda: http.get(path).json()["health"]["delivered"] == 2)
    assert http.post(f"{path}/test").json()["outcome"] == "delivered"  # of no event, so it counts for none
    assert {message.user_id for message in listener.delivered()} == {users[0]["id"], users[4]["id"], None}

    replays = f"{path}/replays"
    for only, expected in (("failed", [users[1]["id"]]), ("undelivered", [users[2]["id"]])):
        sent = len(listener.messages)
        start = "failure" if only == "failed" else events(http, user=users[1]["id"], type="user.updated")[0]["id"]
        answer = http.post(replays, json={"from": start, "only": only})
        assert answer.status_code == 201, answer.text
        listener.wait_for(lambda: done(http, f"{replays}/{answer.json()['id']}"))  # noqa: B023
        assert [message.user_id for message in listener.messages[sent:]] == expected
    assert http.post(replays, json={"from": "failure"}).status_code == 400


def test_a_resend_of_what_waits_for_its_next_try_lets_the_user_go_on_at_once(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    user = new_user(http)
    listener.answer = lambda message: (
        FAILS if message.number == 1 and message.event["object"]["name"] == "First" else (200, 0)
    )
    webhook = make(types=["user.updated"])
    rename(http, user, "First")
    rename(http, user, "Second")
    listener.wait_for(lambda: lanes(server, webhook) == 1)
    delivery = http.get(f"/v1/webhooks/{webhook['id']}/deliveries").json()[0]
    assert http.post(f"/v1/webhooks/{webhook['id']}/deliveries/{delivery['id']}/resend").status_code == 201
    listener.wait_for(lambda: names(listener.delivered(), user) == ["First", "Second"])
    listener.wait_for(lambda: lanes(server, webhook) == 0)


def test_a_webhook_that_is_disabled_can_be_sent_to_by_hand(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    user = new_user(http)
    listener.answer = lambda message: (410 if len(listener.messages) == 1 else 200, 0)
    webhook = make(types=["user.updated"])
    rename(http, user, "First")
    listener.wait_for(lambda: http.get(f"/v1/webhooks/{webhook['id']}").json()["status"] == "disabled")
    rename(http, user, "Second")
    first = events(http, user=user["id"], type="user.updated")[0]
    path = replay(http, webhook, first)
    listener.wait_for(lambda: done(http, path))
    assert names(listener.delivered(), user) == ["First", "Second"]
    assert [outcome for _, _, outcome in attempts(server, webhook)] == ["http_410", "delivered", "delivered"]


def test_failures_of_a_replay_are_counted_and_say_nothing_about_the_endpoint(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    user = new_user(http)
    listener.answer = lambda message: (200 if message.number == 1 else 500, 0)
    webhook = make(types=["user.updated"])
    for number in range(20):
        rename(http, user, f"Name {number}")
    listener.wait_for(lambda: len(listener.delivered()) == 20)
    path = replay(http, webhook, events(http, user=user["id"], type="user.updated")[0])
    listener.wait_for(lambda: done(http, path))
    assert {name: http.get(path).json()[name] for name in ("delivered", "failed")} == {"delivered": 0, "failed": 20}
    assert lanes(server, webhook) == 0
    assert server.ask(f"SELECT failures, open_until FROM webhook_cursors WHERE webhook_id = '{webhook['id']}'") == [
        (0, None)
    ]
    rename(http, user, "New")
    listener.wait_for(lambda: names(listener.delivered(), user)[-1] == "New")


@once
def test_a_replay_survives_a_kill_goes_on_beside_new_events_and_can_be_canceled(engine: str, tmp_path: Path) -> None:
    server = Server(tmp_path / "data", *FLAGS)
    server.start()
    try:
        with listening() as listener, server.http() as http:
            answer = http.post("/v1/webhooks", json={"url": listener.url(), "types": ["user.*"]})
            webhook = answer.json()
            users = [new_user(http) for _ in range(60)]
            listener.wait_for(lambda: len(listener.delivered()) == 60)
            log = events(http, type="user.created")[-60:]
            may_end = threading.Event()

            def answer(message: Message) -> Answer:
                """What is sent again is not answered from some time on, so that the replay does not end."""
                return (200, may_end if message.number > 1 and len(listener.delivered()) >= 80 else 0)

            listener.answer = answer
            path = replay(http, webhook, log[0])
            listener.wait_for(lambda: len(listener.delivered()) >= 80)
            server.stop(signal.SIGKILL)
            server.start()
            new = new_user(http)
            listener.wait_for(lambda: names(listener.delivered(), new))
            assert done(http, path) is None, "the new event waited for all that is sent again"
            may_end.set()
            listener.wait_for(lambda: done(http, path))
            found = done(http, path)
            assert found is not None and (found["delivered"], found["failed"]) == (60, 0)
            assert {message.id for message in listener.delivered()[60:]} >= {event["id"] for event in log}
            sent = len(listener.messages)
            may_end.clear()
            path = replay(http, webhook, log[0])
            listener.wait_for(lambda: len(listener.messages) > sent)
            assert http.delete(path).status_code == 204
            assert http.get(path).json()["status"] == "canceled"
            may_end.set()
            rename(http, users[1], "After it")
            listener.wait_for(lambda: names(listener.delivered(), users[1])[-1] == "After it")
            assert len(listener.messages) < sent + 50
    finally:
        server.stop()


def test_a_user_has_five_replays_at_a_time_and_the_others_wait_their_turn(
    server: Server, http: httpx2.Client, listener: Listener
) -> None:
    listener.answer = lambda message: (200, 20)
    viewer = new_user(http, role="viewer")
    with server.http(new_key(http, user_id=viewer["id"])) as own:
        ids = [
            own.post("/v1/webhooks", json={"url": listener.url("/slow"), "types": ["user.created"]}).json()["id"]
            for _ in range(7)
        ]
        for id in ids:
            assert own.patch(f"/v1/webhooks/{id}", json={"status": "paused"}).status_code == 200
        begun = {"from": "2020-01-01T00:00:00Z"}
        made = [own.post(f"/v1/webhooks/{id}/replays", json=begun).json() for id in ids]
        assert [each["status"] for each in made] == ["running"] * 5 + ["waiting"] * 2
        path = f"/v1/webhooks/{ids[5]}/replays/{made[5]['id']}"
        assert own.get(path).json()["status"] == "waiting"
        assert own.delete(f"/v1/webhooks/{ids[0]}/replays/{made[0]['id']}").status_code == 204
        assert own.get(path).json()["status"] == "running"
        assert own.delete(f"/v1/webhooks/{ids[6]}/replays/{made[6]['id']}").status_code == 204, "one that waits"
        for id in ids:
            own.delete(f"/v1/webhooks/{id}")


def test_a_replay_to_an_inbox_is_of_as_many_events_as_it_keeps(server: Server, http: httpx2.Client) -> None:
    user = new_user(http)
    for number in range(120):
        rename(http, user, f"Name {number}")
    made = http.post("/v1/webhooks", json={"url": "inbox", "types": ["user.updated"]}).json()
    path = f"/v1/webhooks/{made['id']}"
    replay = http.post(f"{path}/replays", json={"from": "2020-01-01T00:00:00Z"}).json()
    until = time.monotonic() + 60
    while (found := http.get(f"{path}/replays/{replay['id']}").json())["status"] != "done":
        assert time.monotonic() < until, found
        time.sleep(0.05)
    assert found["delivered"] == 100
    assert http.delete(path).status_code == 204
