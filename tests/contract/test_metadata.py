"""Metadata: PUT replaces it, PATCH merges it (RFC 7396), and of two merges at the same time none is lost."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.contract.answers import Log
from tests.contract.expect import refused
from tests.grids import grid
from tests.harness import Server, new_user, running
from tests.visitor import signed_in

Client = httpx2.Client

# RFC 7396, appendix A: original, patch, result. What is no object there is here the value of a key.
CASES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


def metadata(http: Client, user: dict[str, Any]) -> Any:
    return http.get(f"/v1/users/{user['id']}").json()["metadata"]


@grid(("original", "patch", "result"), CASES)
def test_patch_merges_as_the_rfc_says_and_put_replaces(
    http: Client, user: dict, original: Any, patch: Any, result: Any
) -> None:
    path = f"/v1/users/{user['id']}?fields=metadata"
    assert http.put(path, json={"metadata": {"kept": 1, "of": original}}).status_code == 200
    assert http.patch(path, json={"metadata": {"of": patch}}).json()["metadata"] == {"kept": 1, "of": result}
    assert metadata(http, user) == {"kept": 1, "of": result}
    assert http.put(path, json={"metadata": {"of": original}}).json()["metadata"] == {"of": original}


def test_a_merge_patch_may_be_called_one_and_leaves_out_what_it_does_not_name(http: Client, user: dict) -> None:
    path = f"/v1/users/{user['id']}"
    http.put(path, json={"metadata": {"plan": "pro", "trial": True}, "external_id": user["id"]})
    kind = {"Content-Type": "application/merge-patch+json"}
    assert (
        http.patch(path, content=b'{"metadata": {"trial": null}, "external_id": null}', headers=kind).status_code == 200
    )
    found = http.get(path).json()
    assert (found["metadata"], found["external_id"], found["name"]) == ({"plan": "pro"}, None, user["name"])
    assert metadata(http, user) == {"plan": "pro"}


def test_a_merge_that_changes_nothing_is_no_change(http: Client, user: dict) -> None:
    path = f"/v1/users/{user['id']}"
    http.put(path, json={"metadata": {"plan": "pro", "of": {"a": 1}}})
    with Log(http).silent():
        for patch in ({}, {"plan": "pro"}, {"of": {"a": 1}}, {"of": {}}, {"gone": None}):
            assert http.patch(path, json={"metadata": patch}).status_code == 200


def test_the_limit_is_for_the_result_and_not_for_the_patch(http: Client, user: dict) -> None:
    path = f"/v1/users/{user['id']}"
    assert http.put(path, json={"metadata": {"a": "x" * 9_000}}).status_code == 200
    with Log(http).silent():
        refused(http.patch(path, json={"metadata": {"b": "x" * 9_000}}), 400, "invalid_parameter", param="metadata")
    assert set(metadata(http, user)) == {"a"}
    gone = {f"absent {number} {'x' * 20}": None for number in range(1_000)}
    assert http.patch(path, json={"metadata": {"a": None, "b": "x" * 9_000, **gone}}).status_code == 200
    assert metadata(http, user) == {"b": "x" * 9_000}
    refused(http.put(path, json={"metadata": gone}), 400, "invalid_parameter", param="metadata")


@pytest.fixture(scope="module")
def workers(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("workers") / "data", "--rate-limit", "none", "--workers", "2") as server:
        yield server


def test_of_many_merges_at_the_same_time_none_is_lost(workers: Server) -> None:
    with workers.http() as http:
        user = new_user(http)

        def merge(number: int) -> int:
            with workers.http() as client:  # on a connection of its own, so that both workers get some
                answer = client.patch(
                    f"/v1/users/{user['id']}", json={"metadata": {f"key{number}": number, "of": {str(number): 1}}}
                )
            return answer.status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(merge, range(40))) == {200}
        found = metadata(http, user)
    assert found.pop("of") == {str(number): 1 for number in range(40)}
    assert found == {f"key{number}": number for number in range(40)}


def test_the_admin_form_replaces_all_of_it(server: Server, http: Client) -> None:
    user = new_user(http, metadata={"theme": "dark", "size": 2})
    with signed_in(server) as owner:
        form = {
            "name": user["name"],
            "email": user["email"],
            "role": "member",
            "status": "active",
            "metadata": '{"by": "form"}',
        }
        page = owner.get(f"/admin/users/{user['id']}").text
        for name in ("version", "updated_at"):
            form[name] = page.partition(f'name="{name}" value="')[2].partition('"')[0]
        assert owner.post(f"/admin/users/{user['id']}", data=form).status_code == 303
    assert metadata(http, user) == {"by": "form"}
