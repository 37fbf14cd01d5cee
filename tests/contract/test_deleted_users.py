"""`status=deleted`: those who can be restored, newest deletion first, for those who can restore them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.contract.answers import Log, refused
from tests.contract.expect import links, pages
from tests.engines import once
from tests.harness import Server, new_user, running
from tests.visitor import signed_in

DAY = 24 * 3600
DELETED = "/v1/users?status=deleted"


@pytest.fixture(scope="module")
def later(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose clock these tests may move."""
    with running(tmp_path_factory.mktemp("later") / "data", "--rate-limit", "none") as server:
        yield server


def delete(http: httpx2.Client, number: int, **fields: Any) -> list[str]:
    """The ids of users, in the order in which they were deleted; not the order in which they were created."""
    ids = [new_user(http, **fields)["id"] for _ in range(number)]
    ids = ids[::2] + ids[1::2]
    for id in ids:
        assert http.delete(f"/v1/users/{id}").status_code == 204
    return ids


def listed(http: httpx2.Client, url: str = f"{DELETED}&limit=1000") -> list[str]:
    answer = http.get(url)
    assert answer.status_code == 200, answer.text
    return [user["id"] for user in answer.json()]


def test_the_newest_deletion_comes_first_in_pages_that_go_both_ways(http: httpx2.Client) -> None:
    deleted = delete(http, 7)
    assert listed(http)[:7] == deleted[::-1]
    found = list(pages(http, f"{DELETED}&limit=3"))
    assert [user["id"] for page in found for user in page.json()] == listed(http)
    back = list(pages(http, links(found[2])["prev"], "prev"))
    assert [page.json() for page in back] == [found[1].json(), found[0].json()]
    assert listed(http, f"{DELETED}&limit=2&offset=3") == listed(http)[3:5]
    refused(http.get(links(found[0])["next"].replace("status=deleted&", "")), errors.InvalidParameter)


def test_counts_filters_and_fields_are_those_of_other_lists(http: httpx2.Client) -> None:
    viewers, members = delete(http, 3, role="viewer"), delete(http, 2)
    total = len(listed(http))
    answer = http.get(f"{DELETED}&count=exact&limit=1")
    assert answer.headers["x-total-count"] == str(total)
    assert http.get("/v1/users/count?status=deleted").json() == {"count": total}
    assert set(viewers) <= set(listed(http, f"{DELETED}&role=viewer&limit=1000"))
    assert not set(members) & set(listed(http, f"{DELETED}&role=viewer&limit=1000"))
    assert listed(http, f"{DELETED}&ids={','.join([*members, 'user_unknown'])}") == members[::-1]
    (whole,) = http.get(f"{DELETED}&ids={viewers[0]}&fields=*").json()
    assert (whole["status"], whole["role"], whole["id"]) == ("deleted", "viewer", viewers[0])
    (event,) = http.get(f"/v1/events?user={viewers[0]}&type=user.deleted").json()
    assert whole["deleted_at"] == event["created_at"]
    assert set(http.get(f"{DELETED}&limit=1&fields=deleted_at").json()[0]) == {"id", "name", "email", "deleted_at"}
    assert not [user for user in http.get("/v1/users?limit=5&fields=*").json() if "deleted_at" in user]
    assert whole["email"] not in http.get("/v1/users?limit=1000").text
    assert http.post(f"/v1/users/{viewers[0]}/restore?fields=status").json()["status"] == "active"
    assert viewers[0] not in listed(http)


def test_a_deleted_user_is_found_by_the_email_they_had(http: httpx2.Client) -> None:
    email = f"Had.{delete(http, 1)[0]}@example.com"
    first = new_user(http, email=email)
    http.delete(f"/v1/users/{first['id']}")
    second = new_user(http, email=email.lower())
    assert listed(http, f"{DELETED}&email={email}") == [first["id"]]
    http.delete(f"/v1/users/{second['id']}")
    assert listed(http, f"{DELETED}&email={email.upper()}") == [second["id"], first["id"]]
    http.delete(f"/v1/users/{first['id']}?purge=true")
    assert listed(http, f"{DELETED}&email={email}") == [second["id"]]


def test_only_whoever_can_restore_them_sees_them(as_role: Callable[..., httpx2.Client]) -> None:
    narrow = as_role("admin", ["users:read"])
    for client in (as_role("member"), as_role("viewer"), narrow):
        refused(client.get(DELETED), errors.InsufficientScope)
        refused(client.get("/v1/users/count?status=deleted"), errors.InsufficientScope)
    assert as_role("admin", ["users:read", "users:write"]).get(DELETED).status_code == 200


@once
@pytest.mark.parametrize(
    "more", ["q=alice", "sort=name", "created_after=2023-10-27T10:00:00Z", "created_before=2023-10-27T10:00:00Z"]
)
def test_what_the_deleted_cannot_be_asked_for_is_named(http: httpx2.Client, more: str) -> None:
    assert refused(http.get(f"{DELETED}&{more}"), errors.InvalidParameter)["param"] == more.partition("=")[0]
    with Log(http).silent():
        user = http.get("/v1/users/me").json()["id"]
        refused(http.patch(f"/v1/users/{user}", json={"status": "deleted"}), errors.InvalidParameter)


def test_after_the_retention_they_are_gone_from_list_and_count_at_once(later: Server) -> None:
    with later.http() as http, signed_in(later) as owner:
        (old,) = delete(http, 1)
        later.pass_time(20 * DAY)
        (young,) = delete(http, 1)
        assert listed(http) == [young, old]
        later.pass_time(31 * DAY)
        assert listed(http) == [young]
        assert http.get("/v1/users/count?status=deleted").json() == {"count": 1}
        assert http.get(f"{DELETED}&count=exact").headers["x-total-count"] == "1"
        refused(http.post(f"/v1/users/{old}/restore"), errors.NotFound)
        owner.cookies = signed_in(later).cookies
        page = owner.get("/admin/users/deleted").text
        assert young in page and old not in page
        later.pass_time(0)


def test_the_command_line_lists_them_and_restores_one_by_email(server: Server, http: httpx2.Client) -> None:
    user = new_user(http)
    http.delete(f"/v1/users/{user['id']}")
    for place in (["--data", str(server.data)], ["--url", server.url, "--key", server.key]):
        found = json.loads(server.rollbook("users", "list", "--status", "deleted", "--json", *place).stdout)
        assert (found[0]["id"], found[0]["status"]) == (user["id"], "deleted")
        assert (
            server.rollbook("users", "restore", user["email"].upper(), "--quiet", *place).stdout.strip() == user["id"]
        )
        assert http.delete(f"/v1/users/{user['id']}").status_code == 204
        unknown = server.rollbook("users", "restore", "nobody@example.com", *place, check=False)
        assert unknown.returncode and "no deleted user nobody@example.com" in unknown.stderr
    twin = new_user(http, email=user["email"])
    http.delete(f"/v1/users/{twin['id']}")
    several = server.rollbook("users", "restore", user["email"], "--data", str(server.data), check=False)
    assert several.returncode and f"{twin['id']}, {user['id']}" in several.stderr
