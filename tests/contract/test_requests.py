"""The request log as an API: who sees which calls, how they are searched, and how they are followed without a gap."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import httpx2
import pytest

from tests.engines import once
from tests.harness import Server, new_key, new_user, running


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data", "--rate-limit", "none") as server:
        yield server


@pytest.fixture(scope="module")
def member(server: Server, http: httpx2.Client) -> Iterator[httpx2.Client]:
    """A member, who made calls of several kinds."""
    key = new_key(http, user_id=new_user(http)["id"])
    with server.http(key) as client:
        for path in ("/v1/users/me", "/v1/keys", "/v1/keys?limit=1", "/v1/sessions"):
            assert client.get(path).status_code == 200
        assert client.get("/v1/events").status_code == 403
        assert client.patch("/v1/users/me", json={"role": "emperor"}).status_code == 400
        assert client.get("/v1/keys/key_00000000000000000000000000").status_code == 404
        assert len(until(lambda: logged(client), lambda found: len(found) == 7)) == 7
        yield client


def logged(client: httpx2.Client, **query: Any) -> list[dict[str, Any]]:
    """What is asked for, but for reads of the log itself."""
    answer = client.get("/v1/requests", params=query)
    assert answer.status_code == 200, answer.text
    return [each for each in answer.json() if not each["path"].startswith("/v1/requests")]


def until(ask: Callable[[], Any], is_right: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + 60
    while not is_right(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def calls(found: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(each["method"], each["path"], each["status"]) for each in found]


def test_requests_are_listed_newest_first_and_searched(member: httpx2.Client) -> None:
    everything = logged(member)
    assert calls(everything) == [
        ("GET", "/v1/keys/key_00000000000000000000000000", 404),
        ("PATCH", "/v1/users/me", 400),
        ("GET", "/v1/events", 403),
        ("GET", "/v1/sessions", 200),
        ("GET", "/v1/keys", 200),
        ("GET", "/v1/keys", 200),
        ("GET", "/v1/users/me", 200),
    ]
    assert logged(member, status="4xx") == everything[:3]
    assert logged(member, status="403") == [everything[2]]
    assert logged(member, method="PATCH") == [everything[1]]
    assert logged(member, path="/v1/keys") == [everything[0], *everything[4:6]]
    assert logged(member, before=everything[2]["created_at"]) == everything[3:]
    assert logged(member, after=everything[2]["created_at"], before=everything[0]["created_at"]) == [everything[1]]
    assert logged(member, key=everything[0]["key_id"], user="me") == everything
    assert logged(member, key="key_00000000000000000000000000") == []
    assert all(
        each["duration_ms"] > 0 and each["address"] == "127.0.0.1" and each["headers"]["user-agent"]
        for each in everything
    )


def test_pages_lead_to_the_next(member: httpx2.Client) -> None:
    for order in ("desc", "asc"):
        # In this order, a request appears a few seconds after it was answered.
        whole = until(
            lambda order=order: logged(member, order=order, path="/v1/", status="4xx"), lambda found: len(found) == 3
        )
        url, found = f"/v1/requests?status=4xx&path=/v1/&limit=2&order={order}", list[dict[str, Any]]()
        while url:
            answer = member.get(url)
            assert len(answer.json()) <= 2
            found += answer.json()
            url = answer.links.get("next", {}).get("url", "")
        assert found == whole
        assert sorted(found, key=lambda each: each["created_at"], reverse=order == "desc") == found


def test_members_see_their_own_requests_and_admins_all(
    http: httpx2.Client, member: httpx2.Client, server: Server
) -> None:
    mine = logged(member, limit=1000)
    me = mine[0]["user_id"]
    until(lambda: {each["user_id"] for each in logged(http, limit=1000)}, lambda found: len(found) > 1)
    assert {each["user_id"] for each in logged(member, limit=1000)} == {me}
    assert {each["user_id"] for each in logged(http, user=me, limit=1000)} == {me}
    assert me not in {each["user_id"] for each in logged(http, user="me", limit=1000)}
    theirs = logged(http, user="me", limit=1000)[0]
    assert member.get("/v1/requests", params={"user": theirs["user_id"]}).status_code == 403
    assert member.get(f"/v1/requests/{theirs['id']}").status_code == 404
    assert (
        member.get(f"/v1/requests/{mine[0]['id']}").json()
        == http.get(f"/v1/requests/{mine[0]['id']}").json()
        == mine[0]
    )
    with server.http(new_key(http, scopes=["users:read"])) as narrow:
        assert narrow.get("/v1/requests").status_code == narrow.get(f"/v1/requests/{mine[0]['id']}").status_code == 403


def test_the_log_is_followed_without_a_gap_or_a_repetition(member: httpx2.Client) -> None:
    position = until(
        lambda: member.get("/v1/requests", params={"limit": 1}).headers["request-position"],
        lambda position: position > logged(member, limit=1000)[0]["created_at"],
    )
    sent, seen, deadline = list[str](), list[str](), time.monotonic() + 60
    while len(seen) < 12:
        assert time.monotonic() < deadline, seen
        if len(sent) < 12:
            sent += [member.get("/v1/users/me").headers["x-request-id"] for _ in range(4)]
        answer = member.get("/v1/requests", params={"order": "asc", "after": position, "wait": 10, "limit": 3})
        assert answer.status_code == 200 and len(answer.json()) <= 3
        assert ("GET", "/v1/requests", 200) not in calls(answer.json()), "following adds nothing to what is followed"
        seen += [each["id"] for each in answer.json() if each["path"] == "/v1/users/me"]
        position = answer.headers["request-position"]
    assert seen == sent


@once
@pytest.mark.parametrize(
    "query",
    ["wait=5", "status=4x", "status=600", "after=yesterday", "limit=0", "order=up", "wait=61&order=asc", "colour=red"],
)
def test_what_cannot_be_asked_is_refused(member: httpx2.Client, query: str) -> None:
    assert member.get(f"/v1/requests?{query}").status_code == 400


def test_a_user_can_wait_ten_times_at_once(http: httpx2.Client, server: Server) -> None:
    key = new_key(http, user_id=new_user(http)["id"])
    with server.http(key) as client, ThreadPoolExecutor(11) as pool:
        asked = [pool.submit(client.get, "/v1/requests?order=asc&wait=60", timeout=90) for _ in range(11)]
        assert next(as_completed(asked)).result().status_code == 429
        assert client.get("/v1/users/me").status_code == 200, "for this the others wait"
        answers = [each.result().status_code for each in asked]
    assert sorted(answers) == [200] * 10 + [429]


def test_an_error_is_kept_as_it_was_answered_and_of_a_query_only_the_names(server: Server, http: httpx2.Client) -> None:
    user = new_user(http)
    with server.http(new_key(http, user_id=user["id"])) as client:
        answer = client.patch("/v1/users/me?fields=id&q=hunter2", json={"nickname": "x", "role": 5})
        refused = client.get("/v1/events")
        client.get("/v1/keys?limit=1&rbk_0123456789abcdefghijklmnopqrstuvwxyz0123456789=x")
        found = until(lambda: logged(client), lambda found: len(found) == 3)
        by_id = {each["id"]: each for each in found}
        first = by_id[answer.headers["x-request-id"]]
        assert first["error"] == answer.json() and first["query"] == ["fields", "q"]
        assert by_id[refused.headers["x-request-id"]]["error"] == refused.json()
        assert found[0]["error"]["code"] == "invalid_parameter" and found[0]["query"] == ["limit", "…"]
        assert "hunter2" not in str(found) and "0123456789abcdef" not in str(found)
        assert client.get(f"/v1/requests/{first['id']}").json() == first


def test_paths_are_compared_from_their_beginning_or_as_a_whole(member: httpx2.Client) -> None:
    assert {each["path"] for each in logged(member, path="/v1/key")} == {
        "/v1/keys",
        "/v1/keys/key_00000000000000000000000000",
    }
    assert {each["path"] for each in logged(member, path="/v1/keys", path_match="exact")} == {"/v1/keys"}
    answer = member.get("/v1/requests", params={"path_match": "exact"})
    assert (answer.status_code, answer.json()["param"]) == (400, "path_match")


def test_whoever_waits_for_others_requests_and_is_demoted_gets_none(
    http: httpx2.Client, as_role: Callable[..., httpx2.Client], server: Server
) -> None:
    admin, other = as_role("admin"), new_user(http)
    position = http.get("/v1/requests", params={"limit": 1}).headers["request-position"]
    asked = {"user": other["id"], "order": "asc", "after": position, "wait": 30}
    with ThreadPoolExecutor(1) as pool, server.http(new_key(http, user_id=other["id"])) as client:
        waiting = pool.submit(admin.get, "/v1/requests", params=asked, timeout=60)
        time.sleep(1)  # by when it waits; were it later, it would be refused as well
        assert http.patch(f"/v1/users/{admin.user['id']}", json={"role": "member"}).status_code == 200  # type: ignore[attr-defined]
        assert client.get("/v1/users/me").status_code == 200
        answer = waiting.result()
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope"), answer.text
