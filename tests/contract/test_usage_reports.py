"""Usage as an API: the calls of a user by time, key, endpoint and exceeded limit; of one key, and of others for those
who may see them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from rollbook.actions.usage import others
from rollbook.records.usage import Hour, OfKey
from tests.engines import once
from tests.harness import Server, new_key, new_user, running
from tests.visitor import signed_in


class Someone(NamedTuple):
    id: str
    key: str
    other_key: str
    http: httpx2.Client


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def member(server: Server, http: httpx2.Client) -> Iterator[Someone]:
    """Somebody who made seven calls with one key, and with another three, of which its limit refused two."""
    user = new_user(http)
    made = [
        http.post("/v1/keys", json={"name": "a", "user_id": user["id"], "rate_limit": limit}).json()
        for limit in (None, "1/hour")
    ]
    with server.http(made[0]["key"]) as client, server.http(made[1]["key"]) as other:
        for path in (
            "/v1/users/me",
            "/v1/users/me",
            "/v1/users/me",
            "/v1/keys?limit=0",
            "/v1/events",
            "/v1/sessions",
            "/v1/nothing",
        ):
            client.get(path)
        for _ in range(3):
            other.get("/v1/users/me")
        deadline = time.monotonic() + 60
        while usage(http, user=user["id"])["total"]["requests"] < 10:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield Someone(user["id"], made[0]["id"], made[1]["id"], client)


def usage(http: httpx2.Client, **query: Any) -> dict[str, Any]:
    answer = http.get("/v1/usage", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def counts(requests: int, client_errors: int = 0, rate_limited: int = 0) -> dict[str, int]:
    return {"requests": requests, "client_errors": client_errors, "rate_limited": rate_limited, "server_errors": 0}


def test_it_tells_calls_apart_by_key_endpoint_and_limit(member: Someone, http: httpx2.Client) -> None:
    found = usage(http, user=member.id)
    assert (found["user_id"], found["period"], found["interval"]) == (member.id, "7d", "hour")
    assert found["total"] == counts(10, 3, 2)
    assert sum(each["requests"] for each in found["intervals"]) == 10
    assert all(found["since"] <= each["at"] < found["until"] for each in found["intervals"])
    assert found["users"] == []
    assert found["keys"] == [
        {"key_id": member.key, "name": "a", "user_id": member.id, **counts(7, 3)},
        {"key_id": member.other_key, "name": "a", "user_id": member.id, **counts(3, 0, 2)},
    ]
    routes = {each.pop("route"): each for each in found["routes"]}
    assert routes.keys() == {"GET /v1/users/{userId}", "GET /v1/keys", "GET /v1/events", "GET /v1/sessions"}
    own = routes["GET /v1/users/{userId}"]
    assert 0 < own.pop("p50_ms") <= own.pop("p95_ms") <= 10_000
    assert own == counts(6, 0, 2)
    assert found["rate_limits"] == [{"window": "key-hour", "refused": 2}]


def test_a_key_narrows_all_of_it(member: Someone, http: httpx2.Client) -> None:
    first, other = (usage(http, user=member.id, key=key) for key in (member.key, member.other_key))
    assert first["total"] == counts(7, 3) and other["total"] == counts(3, 0, 2)
    assert [each["key_id"] for each in first["keys"]] == [member.key]
    assert "GET /v1/keys" not in [each["route"] for each in other["routes"]]
    assert first["rate_limits"] == [] and other["rate_limits"] == [{"window": "key-hour", "refused": 2}]
    assert sum(each["requests"] for each in first["intervals"]) == 7


def test_own_usage_is_the_default_and_counted_by_the_day_over_months(member: Someone) -> None:
    before = usage(member.http, user="me", period="90d")
    assert before["user_id"] == member.id and before["interval"] == "day" and before["total"]["requests"] >= 10
    assert all(each["at"].endswith("T00:00:00Z") for each in before["intervals"])
    assert usage(member.http)["user_id"] == member.id


def test_the_whole_server_is_told_apart_by_user_and_key_with_the_names_that_a_caller_may_read(
    member: Someone, server: Server, http: httpx2.Client
) -> None:
    before = usage(http, user="all", period="24h")
    name = http.get(f"/v1/users/{member.id}").json()["name"]
    assert before["user_id"] is None
    assert {"user_id": member.id, "name": name, **counts(10, 3, 2)} in before["users"]
    assert {"key_id": member.key, "name": "a", "user_id": member.id, **counts(7, 3)} in before["keys"]
    assert sum(each["requests"] for each in before["users"]) == before["total"]["requests"]
    assert sum(each["requests"] for each in before["keys"]) == before["total"]["requests"]
    assert {"window": "key-hour", "refused": 2} in before["rate_limits"]
    with server.http(new_key(http, scopes=["requests:read"])) as reader:
        found = usage(reader, user="all")
        assert {each["name"] for each in (*found["users"], *found["keys"])} == {None}
        assert member.id in [each["user_id"] for each in found["users"]]
    assert member.http.get("/v1/usage", params={"user": "all"}).status_code == 403
    answer = http.get("/v1/usage", params={"user": "all", "key": member.key})
    assert (answer.status_code, answer.json()["param"]) == (400, "key")


@once
def test_the_page_of_the_whole_server_names_users_and_keys_and_adds_up_the_rest(
    member: Someone, server: Server, http: httpx2.Client
) -> None:
    name = http.get(f"/v1/users/{member.id}").json()["name"]
    with signed_in(server) as owner:
        page = owner.get("/admin/usage?period=24h")
        assert page.status_code == 200
        users, keys = (
            page.text.partition(f'id="{part}"')[2].partition("</table>")[0] for part in ("by-user", "by-key")
        )
        assert f'<a href="/admin/users/{member.id}/usage?period=24h">{name}</a>' in users
        assert f'<a href="/admin/users/{member.id}/usage?period=24h&amp;key={member.key}">a</a>' in keys
        assert f"/admin/requests?user={member.id}&amp;key={member.key}&amp;status=4xx" in keys
        part = owner.get("/admin/usage/live?period=24h&n=3", headers={"HX-Request": "true"}).text
        assert part.startswith('<div class="stack" id="live" hx-get="/admin/usage/live?period=24h&amp;n=4"')
        file = owner.get("/admin/usage/export?period=24h")
        assert f"user,{name} {member.id},10,3,2,0" in file.text and f"key,a {member.key},7,3,0,0" in file.text
        assert owner.get("/admin/usage?period=1y").status_code == 400
    someone = new_user(http)
    with signed_in(server, someone) as visitor:
        assert visitor.get("/admin/usage").status_code == 403


def test_what_is_not_told_apart_is_what_is_missing_in_the_total() -> None:
    some = [OfKey("user_a", "key_a", 5, 1, 2, 0), OfKey("user_a", "key_b", 3, 0, 0, 1)]
    assert others(Hour(0, 10, 2, 2, 1), some) == Hour(0, 2, 1, 0, 0)


@once
def test_the_overview_counts_what_the_log_has_and_no_pages(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, server.http() as http, signed_in(server) as owner:
        for _ in range(10):
            assert owner.get("/admin").status_code == 200
        new_user(http)
        deadline = time.monotonic() + 60
        while True:
            [shown] = re.findall(r"API requests, 24 hours</p><p class=\"number\">([0-9,]+)", owner.get("/admin").text)
            logged = len(http.get("/v1/requests", params={"limit": 100}).json())
            # What was asked for last may have come between the two.
            if 0 < logged == int(shown) < 100:
                break
            assert time.monotonic() < deadline, (shown, logged)
            time.sleep(0.3)


@once
@pytest.mark.parametrize("query", [{"period": "week"}, {"days": "7"}, {"period": ""}])
def test_what_it_does_not_know_is_refused(member: Someone, http: httpx2.Client, query: dict[str, str]) -> None:
    answer = http.get("/v1/usage", params={"user": member.id, **query})
    assert answer.status_code == 400 and answer.json()["param"] == next(iter(query))


def test_the_pages_name_every_key_and_offer_the_busiest_first(server: Server, http: httpx2.Client) -> None:
    """However many keys there are: the oldest one makes the most requests."""
    user = new_user(http, role="admin", rate_limit="none")

    def new(number: int) -> dict[str, Any]:
        return creator.post("/v1/keys", json={"name": f"key {number}", "user_id": user["id"]}).json()

    admin = new_user(http, role="owner", rate_limit="none")
    with server.http(new_key(http, user_id=admin["id"])) as creator:
        made = [new(number) for number in range(220)]
        ended = [new(1000), new(1001)]
    for key, calls in ((made[0], 3), (made[1], 2), (ended[0], 1)):
        with server.http(key["key"]) as client:
            for _ in range(calls):
                client.get("/v1/users/me")
    for key in ended:
        assert http.delete(f"/v1/keys/{key['id']}").status_code == 204
    deadline = time.monotonic() + 60
    while usage(http, user=user["id"])["total"]["requests"] < 6:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    def label(key: dict[str, Any]) -> str:
        return f"{key['name']} (…{key['masked'][-4:]})"

    def options(page: str) -> list[tuple[str, str]]:
        [choice] = re.findall(r'<select id="field-key".*?</select>', page, re.DOTALL)
        return re.findall(r'<option value="(key_\w+)"[^>]*>(.*?)</option>', choice)

    working = [(key["id"], label(key)) for key in made]
    busy = [*working[:2], (ended[0]["id"], label(ended[0]))]
    others = [*reversed(working[2:]), (ended[1]["id"], label(ended[1]))]
    with signed_in(server) as owner, signed_in(server, user) as person:
        for client, base in ((person, "/account/usage"), (owner, f"/admin/users/{user['id']}/usage")):
            page = client.get(base).text
            table = page.partition('id="by-key"')[2]
            assert [
                name for name in re.findall(r'scope="row"[^>]*><a[^>]*>(.*?)</a>', table) if name.startswith("key")
            ] == [name for _, name in busy]
            assert options(page) == [*busy, *others]
            page = client.get(f"{base}?key={made[0]['id']}").text
            assert options(page) == [*busy, *others]
            assert f'value="{made[0]["id"]}" selected' in page
            assert f"key,key 0 {made[0]['id']},3," in client.get(f"{base}/export").text
        log = person.get("/account/requests").text
        assert set(options(log)) == {*busy, *others} and busy[0][1] in log.partition("</form>")[2]
