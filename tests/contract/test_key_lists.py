"""Lists of many API keys: found by name, ID and beginning, and sorted by their last use."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.contract.answers import refused
from tests.contract.test_keys import make, status
from tests.engines import once
from tests.harness import Server, new_user
from tests.nodes.pair import wait_until
from tests.visitor import signed_in


def names(http: httpx2.Client, user: dict[str, Any], **query: Any) -> list[str]:
    answer = http.get("/v1/keys", params={"user": user["id"], **query})
    assert answer.status_code == 200, answer.text
    found = [key["name"] for key in answer.json()]
    if not {"limit", "offset"} & query.keys():
        assert answer.headers["x-total-count"] == str(len(found))
    return found


def test_keys_are_found_by_name_id_and_beginning_whether_they_work_or_not(http: httpx2.Client, user: dict) -> None:
    billing, exports, old = (make(http, user_id=user["id"], name=name) for name in ("Billing", "ÉXPORTS", "old export"))
    make(http, name="billing of someone else")
    http.delete(f"/v1/keys/{old['id']}")
    assert names(http, user, q="bill") == ["Billing"]
    assert names(http, user, q="export") == names(http, user, q="éxp") == ["ÉXPORTS", "old export"]
    assert names(http, user, q="exports") == ["ÉXPORTS"]
    assert (
        names(http, user, q=billing["id"])
        == names(http, user, q=billing["id"][:-2] + billing["id"][-2:])
        == ["Billing"]
    )
    assert names(http, user, q="key_") == ["Billing", "ÉXPORTS", "old export"]
    for text in (exports["key"][:8], exports["masked"], "…" + exports["key"][-4:], exports["key"][-4:], exports["key"]):
        assert names(http, user, q=text) == ["ÉXPORTS"], text
    assert names(http, user, q="none") == []
    assert names(http, user, q="xport", limit=1, offset=1) == ["old export"]


def test_keys_are_sorted_by_name_creation_and_last_use(server: Server, http: httpx2.Client, user: dict) -> None:
    made = {name: make(http, user_id=user["id"], name=name) for name in ("b", "C", "a", "d")}
    for name in ("d", "b"):
        server.pass_time(10 if name == "d" else 20)
        assert status(server, made[name]["key"]) == 200
        wait_until(lambda name=name: http.get(f"/v1/keys/{made[name]['id']}").json()["last_used_at"] is not None)
    server.pass_time(0)
    assert names(http, user, sort="name") == ["a", "b", "C", "d"]
    assert names(http, user, sort="-created_at") == ["d", "a", "C", "b"]
    assert names(http, user, sort="-last_used_at") == ["b", "d", "a", "C"]
    assert names(http, user, sort="last_used_at") == ["C", "a", "d", "b"]
    assert names(http, user, sort="-name", limit=2, offset=1) == ["C", "b"]


@once
@pytest.mark.parametrize(
    ("param", "value"), [("sort", "email"), ("sort", ""), ("q", ""), ("q", "a" * 256), ("q", "a\n")]
)
def test_a_bad_search_or_order_is_named(http: httpx2.Client, param: str, value: str) -> None:
    assert refused(http.get("/v1/keys", params={param: value}), errors.InvalidParameter)["param"] == param


@once
def test_a_page_has_a_hundred_keys_of_301_and_finds_and_sorts_the_others(server: Server, http: httpx2.Client) -> None:
    admin = new_user(http, role="admin")
    made = [make(http, user_id=admin["id"], name=f"service {number}") for number in range(301)]
    revoked = make(http, user_id=admin["id"], name="service revoked")
    http.delete(f"/v1/keys/{revoked['id']}")
    assert status(server, made[7]["key"]) == 200
    wait_until(lambda: http.get(f"/v1/keys/{made[7]['id']}").json()["last_used_at"] is not None)
    for base, owner in (("/account/keys", admin), (f"/admin/users/{admin['id']}/keys", None)):
        _pages_show(server, base, owner, made)


def _pages_show(server: Server, base: str, owner: dict[str, Any] | None, made: list[dict[str, Any]]) -> None:
    with signed_in(server, owner) as person:

        def shown(**query: str) -> list[str]:
            page = person.get(base, params=query)
            assert page.status_code == 200
            return re.findall(rf'<th scope="row"><a href="{base}/key_\w+">service (\w+)</a>', page.text)

        first = shown()
        assert first == [*map(str, range(300, 200, -1)), "revoked"], "a hundred, and below them the folded one"
        assert shown(page="4") == ["0"]
        assert shown(q="service 12", sort="name") == ["12", *(f"12{digit}" for digit in range(10))]
        assert shown(q=made[0]["id"]) == shown(q=made[0]["masked"]) == ["0"]
        assert shown(q="revoked") == ["revoked"]
        assert shown(sort="-last_used_at")[0] == "7"
        assert shown(sort="last_used_at", page="4") == ["7"]
        page = person.get(base, params={"q": "service", "sort": "name"}).text
        assert 'role="search"' in page
        assert "q=service&amp;sort=name&amp;page=2" in page and "1–100 of 301" in page
        assert "No key found" in person.get(base, params={"q": "none of them"}).text
        assert person.get(base, params={"q": "a" * 256}).status_code == 400
        part = person.get(base, params={"q": "300"}, headers={"HX-Request": "true"})
        assert part.headers["hx-replace-url"] == f"{base}?q=300"


@once
def test_few_keys_need_no_search(server: Server, http: httpx2.Client) -> None:
    user = new_user(http)
    make(http, user_id=user["id"])
    with signed_in(server, user) as person:
        assert 'role="search"' not in person.get("/account/keys").text
