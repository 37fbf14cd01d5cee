"""Positions in the event log, and what can be asked of it: from where, which types, when, in which order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from rollbook import clock, errors
from tests.contract.answers import refused
from tests.engines import once
from tests.event_stream import Follower
from tests.harness import Server, new_user


def path(user: dict[str, Any]) -> str:
    return f"/v1/users/{user['id']}"


def log(http: httpx2.Client, query: str = "", **asked: Any) -> list[dict[str, Any]]:
    """All pages."""
    found: list[dict[str, Any]] = []
    answer = http.get(f"/v1/events{query}", params=asked or None)
    while True:
        assert answer.status_code == 200, answer.text
        found += answer.json()
        if "next" not in answer.links:
            return found
        answer = http.get(answer.links["next"]["url"])


READS: dict[str, Callable[[dict[str, Any]], str]] = {
    "list": lambda user: "/v1/users",
    "page after a cursor": lambda user: "/v1/users?limit=1",
    "past the end": lambda user: "/v1/users?offset=1000000",
    "far into the list": lambda user: "/v1/users?limit=1&offset=2",
    "all fields": lambda user: "/v1/users?fields=*",
    "filtered": lambda user: f"/v1/users?email={user['email']}",
    "sorted": lambda user: "/v1/users?sort=-name,email",
    "search": lambda user: f"/v1/users?q={user['email'][:6]}",
    "deleted": lambda user: "/v1/users?status=deleted",
    "standby": lambda user: "/v1/users?consistency=eventual",
    "export": lambda user: f"{path(user)}/export",
    "events": lambda user: "/v1/events?order=desc",
}


@pytest.mark.parametrize("read", READS)
def test_what_follows_a_position_is_what_the_answer_does_not_have(http: httpx2.Client, user: dict, read: str) -> None:
    http.get("/v1/events")  # numbers what was committed
    answer = http.get(READS[read](user))
    if read == "page after a cursor":
        answer = http.get(answer.links["next"]["url"])
    position = answer.headers["event-position"]
    assert position.isdigit() and int(position) > 0
    http.put(path(user), json={"name": "Later"})
    (event,) = http.get("/v1/events", params={"after": position}).json()
    assert (event["type"], event["object"]["name"]) == ("user.updated", "Later")


def test_a_filtered_reader_comes_along_without_events_of_its_own(http: httpx2.Client, user: dict) -> None:
    http.put(path(user), json={"name": "Not asked for"})
    answer = http.get("/v1/events", params={"type": "webhook.*"})
    assert answer.json() == []
    assert answer.headers["event-position"] == http.get("/v1/users").headers["event-position"]
    assert http.get("/v1/events", params={"after": answer.headers["event-position"]}).json() == []
    first = http.get("/v1/events", params={"user": user["id"], "limit": 1})
    (second,) = http.get("/v1/events", params={"user": user["id"], "after": first.headers["event-position"]}).json()
    assert second["object"]["name"] == "Not asked for"


@once
@pytest.mark.parametrize(
    "after", ["x", "-1", "1.5", "٣", "9" * 18, "9" * 40, "evt_", "user_06h15iau59rth0k51t0sbk84b4"]
)
def test_what_never_was_a_position_is_400(http: httpx2.Client, after: str) -> None:
    for name in ("after", "before"):
        assert refused(http.get("/v1/events", params={name: after}), errors.InvalidParameter)["param"] == name


@pytest.fixture(scope="module")
def busy(http: httpx2.Client) -> dict[str, Any]:
    """A user with events of many types, among those of others."""
    user = new_user(http)
    for number in range(40):
        http.put(path(user), json={"name": f"Name {number}"})
        if number % 10 == 3:
            key = http.post("/v1/keys", json={"name": "k", "user_id": user["id"]}).json()
            http.delete(f"/v1/keys/{key['id']}")
            http.post(path(user) + "/tokens", json={"purpose": "reset_password"})
            new_user(http)
    return user


@pytest.mark.parametrize("of_user", [True, False], ids=["of a user", "of all"])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("type=user.created", ("user.created",)),
        ("type=user.created,key.revoked", ("user.created", "key.revoked")),
        ("type=user.created&type=key.revoked&type=key.revoked", ("user.created", "key.revoked")),
        ("type=key.*", ("key.created", "key.revoked")),
        ("type=user.*&type=token.created", ("user.created", "user.updated", "token.created")),
        ("type=*", None),
        ("type=webhook.*", ()),
    ],
)
def test_types_and_groups_in_either_order_page_by_page(
    http: httpx2.Client, busy: dict, query: str, wanted: tuple[str, ...] | None, order: str, of_user: bool
) -> None:
    about = {"user": busy["id"]} if of_user else {}
    whole = log(http, limit=1000, **about)
    expected = [event for event in whole if wanted is None or event["type"] in wanted]
    found = log(http, f"?{query}&limit=7&order={order}{'&user=' + busy['id'] if of_user else ''}")
    assert found == (expected if order == "asc" else expected[::-1])


def test_times_bound_it_exactly_in_either_order(http: httpx2.Client, user: dict) -> None:
    times = []
    for number in range(5):
        times.append(clock.format_time_exactly(clock.now()))
        http.put(path(user), json={"name": f"Name {number}"})
    for order, step in (("asc", 1), ("desc", -1)):
        found = log(http, user=user["id"], created_after=times[1], created_before=times[4], order=order, limit=2)
        assert [event["object"]["name"] for event in found] == ["Name 1", "Name 2", "Name 3"][::step]
        assert log(http, created_after=times[1], created_before=times[4], order=order, limit=2) == found
        assert log(http, type="user.*", created_after=times[1], created_before=times[4], order=order, limit=2) == found
    assert log(http, created_after="9999-12-31T23:59:59Z") == []
    assert log(http, created_before="1970-01-01T00:00:00Z") == []


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_who_did_it_and_from_where_select_in_either_order(
    server: Server, http: httpx2.Client, user: dict, order: str
) -> None:
    me = http.get("/v1/users/me").json()["id"]
    made = http.post("/v1/keys", json={"name": "Other"}).json()
    with server.http(made["key"]) as other:
        for number in range(4):
            (http, other)[number % 2].patch(path(user), json={"name": f"Name {number}"})
    server.rollbook("users", "set", user["email"], "--name", "Name 4", "--data", str(server.data))

    def names(**asked: Any) -> list[str]:
        found = log(http, type="user.updated", order=order, limit=2, **asked)
        return sorted(event["object"]["name"] for event in found if event["user_id"] == user["id"])

    assert names(actor=made["id"]) == names(actor=made["id"], user=user["id"]) == ["Name 1", "Name 3"]
    assert names(actor=me) == names(actor=me, address="127.0.0.1") == [f"Name {number}" for number in range(4)]
    assert names(address="cli", user=user["id"]) == names(address="cli") == ["Name 4"]
    assert names(actor=made["id"], address="cli") == names(address="::1") == []
    assert names(address="system") == []


def test_me_is_the_caller_in_lists_and_streams(server: Server, http: httpx2.Client, user: dict) -> None:
    me = http.get("/v1/users/me").json()["id"]
    key = http.post("/v1/keys", json={"name": "Mine"}).json()["key"]
    for name in ("user", "actor"):
        assert log(http, limit=1000, **{name: "me"}) == log(http, limit=1000, **{name: me}) != []
    with Follower(server, key, user="me", actor="me") as follower:
        http.patch(path(user), json={"name": "Not about the caller"})
        http.patch("/v1/users/me", json={"metadata": {"seen": user["id"]}})
        assert [event["user_id"] for event in follower.take(1)] == [me]


def test_a_stream_and_a_list_that_waits_have_what_an_actor_did(server: Server, http: httpx2.Client, user: dict) -> None:
    made = http.post("/v1/keys", json={"name": "Other"}).json()
    after = http.get("/v1/events?order=desc&limit=1").headers["event-position"]
    with server.http(made["key"]) as other, Follower(server, actor=made["id"], address="127.0.0.1") as follower:
        http.patch(path(user), json={"name": "By the first"})
        other.patch(path(user), json={"name": "By the second"})
        assert [event["object"]["name"] for event in follower.take(1)] == ["By the second"]
    (event,) = http.get("/v1/events", params={"after": after, "actor": made["id"], "wait": 60}).json()
    assert event["object"]["name"] == "By the second"


def test_both_bounds_together(http: httpx2.Client, busy: dict) -> None:
    whole = log(http, user=busy["id"], limit=1000)
    bounds = {"user": busy["id"], "after": whole[3]["id"], "before": whole[30]["id"], "limit": 10}
    assert log(http, **bounds) == whole[4:30]
    assert log(http, order="desc", **bounds) == whole[4:30][::-1]
    assert log(http, user=busy["id"], after=whole[-1]["id"], before=whole[0]["id"]) == []


@once
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("type", "user.created,"),
        ("type", "user"),
        ("type", "user.exploded,user.created"),
        ("type", ",".join(["*"] * 51)),
        ("order", "up"),
        ("created_after", "yesterday"),
        ("created_before", "2023-10-27"),
        ("before", ""),
        ("before", "evt_06h15iau59rth0k51t0sbk84b4"),
        ("actor", "alice@example.com"),
        ("actor", "user"),
        ("address", "here"),
        ("address", "fe80::1%eth0"),
        ("address", "127.0.0.0/8"),
    ],
)
def test_a_bad_filter_is_400(http: httpx2.Client, name: str, value: str) -> None:
    assert refused(http.get("/v1/events", params={name: value}), errors.InvalidParameter)["param"] == name
