"""Endpoints that fail as a whole: others do not notice, nothing is lost, and they are left alone more and more."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import Any

import httpx2

from rollbook.auth.passwords import Passwords
from rollbook.config import Settings
from rollbook.jobs.webhooks.state import FIRST_WINDOW
from tests.engines import once
from tests.harness import OWNER_PASSWORD, Server, new_user
from tests.webhooks.hooks import Make, Time, attempts, events, lanes, names, rename
from tests.webhooks.listener import Answer, Listener, Message, check_order


def import_users(server: Server, count: int) -> None:
    """In a few transactions."""
    hash = Passwords(Settings(password_memory=8, password_time_cost=1)).hash_now(OWNER_PASSWORD)
    people = (
        {"name": "N", "email": f"n{time.perf_counter_ns()}.{n}@example.com", "password_hash": hash}
        for n in range(count)
    )
    lines = "".join(json.dumps(each) + "\n" for each in people)
    server.rollbook("users", "import", "-", "--data", str(server.data), input=lines)


def status(http: httpx2.Client, webhook: dict) -> tuple[str, str | None]:
    found = http.get(f"/v1/webhooks/{webhook['id']}").json()
    return found["status"], found["status_reason"]


@once
def test_a_hundred_endpoints_do_not_notice_that_one_never_answers(
    server: Server, http: httpx2.Client, listener: Listener, make: Make
) -> None:
    other = new_user(http, role="admin")
    listener.answer = lambda message: None if message.path == "/0" else (200, 0)
    for number in range(100):
        make(f"/{number}", types=["user.updated"], **({"user_id": other["id"]} if number % 2 else {}))
    user = new_user(http)
    began = time.monotonic()
    for number in range(20):
        rename(http, user, f"Name {number}")
    paths = [f"/{number}" for number in range(1, 100)]
    listener.wait_for(
        lambda: len(listener.delivered()) == 0 and all(len(listener.delivered(path)) == 20 for path in paths)
    )
    assert listener.at("/0")
    # If they waited for it, nothing would arrive for the 15 seconds that it has.
    arrivals = [began, *sorted(message.at for message in listener.messages if message.path != "/0")]
    assert max(later - earlier for earlier, later in pairwise(arrivals)) < 12, "they waited for the one that hangs"


def count_sent(server: Server, webhook: dict[str, Any]) -> int:
    return sum(outcome != "exhausted" for _, _, outcome in attempts(server, webhook))


def test_an_endpoint_that_is_out_of_order_is_left_alone_and_gets_everything_afterwards(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    is_broken = True

    def answer(message: Message) -> Answer:
        return (500 if is_broken else 200, 0)

    listener.answer = answer
    webhook = make(types=["user.created"])
    first = len(events(http))
    import_users(server, 1_000)

    def is_open() -> bool:
        return (
            server.ask(f"SELECT open_until FROM webhook_cursors WHERE webhook_id = '{webhook['id']}'")[0][0] is not None
        )

    def is_noted() -> bool:
        """What came is known to have failed: only then may time pass."""
        return count_sent(server, webhook) == len(listener.messages)

    listener.wait_for(is_open)
    sent = len(listener.messages)
    assert sent <= 30
    for _ in range(5):  # one at a time
        before = len(listener.messages)
        listener.wait_for(is_noted)
        later(3_000)
        listener.wait_for(lambda: len(listener.messages) > before)  # noqa: B023
    listener.wait_for(is_noted)
    most = sent + FIRST_WINDOW + 5  # what was on the wire when it opened came after it
    assert len(listener.messages) <= most and lanes(server, webhook) <= most
    is_broken = False
    later(3_000)
    log = [event for event in events(http)[first:] if event["type"] == "user.created"]
    assert len(log) == 1_000
    listener.wait_for(lambda: len({message.id for message in listener.delivered()}) == 1_000)
    check_order(log, listener.delivered())
    listener.wait_for(lambda: lanes(server, webhook) == 0)


@once
def test_an_endpoint_that_asks_for_time_gets_it(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    one, other = new_user(http), new_user(http)
    listener.answer = lambda message: (429, 0, {"Retry-After": "900"}) if len(listener.messages) == 1 else (200, 0)
    webhook = make()
    rename(http, one, "One")
    listener.wait_for(lambda: attempts(server, webhook))
    rename(http, other, "Other")
    later(600)
    rename(http, other, "Still waiting")
    assert len(listener.messages) == 1
    later(400)
    listener.wait_for(lambda: len(listener.delivered()) == 3)
    assert names(listener.delivered(), other) == ["Other", "Still waiting"]


def test_an_endpoint_that_is_gone_is_disabled_and_can_be_resumed_where_it_stood(
    http: httpx2.Client, listener: Listener, make: Make
) -> None:
    user = new_user(http)
    listener.answer = lambda message: (410 if message.path == "/hook" and len(listener.at()) == 1 else 200, 0)
    webhook = make()
    make("/audit", types=["webhook.*"])
    rename(http, user, "First")
    listener.wait_for(lambda: status(http, webhook) == ("disabled", "gone"))
    rename(http, user, "Second")
    disabled = [event for event in events(http, type="webhook.disabled") if event["object"]["id"] == webhook["id"]]
    assert [event["actor"]["address"] for event in disabled] == ["system"]
    listener.wait_for(lambda: any(message.id == disabled[0]["id"] for message in listener.delivered("/audit")))
    assert len(listener.at()) == 1
    assert http.patch(f"/v1/webhooks/{webhook['id']}", json={"status": "enabled"}).status_code == 200
    listener.wait_for(lambda: names(listener.delivered(), user) == ["First", "Second"])


def test_five_days_without_a_success_disable(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    user = new_user(http)
    listener.answer = lambda message: (500, 0)
    webhook = make(types=["user.updated"], ordering="none")
    days = 0
    while status(http, webhook)[0] == "enabled":
        rename(http, user, f"Day {days}")
        sent = len(listener.messages)
        listener.wait_for(lambda: len(listener.messages) == count_sent(server, webhook))
        later(12 * 3600)  # whatever waits is due, so another attempt is made
        listener.wait_for(lambda: len(listener.messages) > sent or status(http, webhook)[0] != "enabled")  # noqa: B023
        days += 1
        assert days < 20
    assert status(http, webhook) == ("disabled", "failing") and days >= 10
    sent = len(listener.messages)
    rename(http, user, "Not sent")
    assert len(listener.messages) == sent


@once
def test_failures_of_an_endpoint_that_listens_to_itself_end(
    server: Server, http: httpx2.Client, listener: Listener, make: Make, later: Time
) -> None:
    """An event about its own failures would make another one, and so on."""
    listener.answer = lambda message: (410, 0)
    webhook = make(types=["webhook.*"])
    listener.wait_for(lambda: status(http, webhook) == ("disabled", "gone"))
    newest = events(http)[-1]
    later(7 * 24 * 3600)
    for _ in range(3):
        http.patch(f"/v1/webhooks/{webhook['id']}", json={"status": "enabled"})
        listener.wait_for(lambda: status(http, webhook) == ("disabled", "gone"))
    told = [event["type"] for event in events(http, after=newest["id"])]
    assert len(told) <= 6 and set(told) <= {"webhook.updated", "webhook.disabled"}
    assert len(attempts(server, webhook)) == 4
